"""What any limit of any rule would have saved and lost, by replay of the baseline."""

import pandas as pd

from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable, counts_of, whole_percents
from sysstop.report.wording import MISSING, capitalised, counted, in_words, out_of, percent
from sysstop.study.keys import PAIR, RULE
from sysstop.study.rules import RULES, rule_at


def saving_by_rule(summary: pd.DataFrame) -> pd.DataFrame:
    """Return what each rule saves over all data sets and algorithms, the best rule first.

    One row per rule and metric. `free`, `knee` and `transfer` are medians over the pairs of the
    savings of time: 0 in a pair without a free limit; of those with a knee; NaN with one
    repetition. Of the `pairs`, `pairs_free` have a free limit, `pairs_bent` a knee,
    `pairs_beating_random` less regret there than random stopping, and in
    `pairs_with_transfer_regret` a limit from one repetition costs regret in others. `summary` is a
    `replay.replay_summary`.
    """
    pairs = summary[PAIR].drop_duplicates()
    rules = summary[RULE].drop_duplicates()
    everywhere = pairs.merge(rules, how="cross").merge(summary, how="left")
    everywhere["free"] = everywhere["free_saved_time_fraction"].fillna(0.0)
    everywhere["is_free"] = everywhere["free"] > 0
    everywhere["bends"] = everywhere["knee_regret"].notna()
    everywhere["beats_random"] = everywhere["knee_regret"] < everywhere["knee_random_regret"]
    loses = ~(everywhere["transfer_regret"] <= 0)
    everywhere["loses"] = loses & everywhere["transfer_saved_time_fraction"].notna()
    by_rule = everywhere.groupby(RULE, sort=False).agg(
        free=("free", "median"),
        knee=("knee_saved_time_fraction", "median"),
        transfer=("transfer_saved_time_fraction", "median"),
        pairs=("free", "size"),
        pairs_free=("is_free", "sum"),
        pairs_bent=("bends", "sum"),
        pairs_beating_random=("beats_random", "sum"),
        pairs_with_transfer_regret=("loses", "sum"),
    )
    return by_rule.sort_values("free", ascending=False, kind="stable").reset_index()


def replay_digest(summary: pd.DataFrame) -> pd.DataFrame:
    """Return a row per rule, the one that saves most without regret first (`saving_by_rule`)."""
    by_rule = saving_by_rule(summary)
    digest = pd.DataFrame(
        {
            "Rule": [
                capitalised(rule_at(*names).label)
                for names in by_rule[RULE].itertuples(index=False, name=None)
            ],
            "Saved without regret (%)": whole_percents(by_rule["free"]),
            "Pairs with such a limit": counts_of(by_rule, "pairs_free", "pairs"),
            "Saved at the knee (%)": whole_percents(by_rule["knee"]),
            "Pairs where the knee beats random stopping": [
                count if bent else MISSING
                for count, bent in zip(
                    counts_of(by_rule, "pairs_beating_random", "pairs_bent"),
                    by_rule["pairs_bent"],
                    strict=True,
                )
            ],
        }
    )
    if by_rule["transfer"].notna().any():
        digest["Saved in other repetitions (%)"] = whole_percents(by_rule["transfer"])
        digest["Pairs with regret there"] = counts_of(
            by_rule, "pairs_with_transfer_regret", "pairs"
        )
    return digest


REPLAY_TABLE = ReportTable(
    name="replay",
    title="What each rule could save",
    sources=("replay_summary",),
    digest=lambda data: replay_digest(data.tables["replay_summary"]),
    note=(
        "Every rule at every limit, replayed on the baseline. A pair is a data set and an "
        "algorithm; savings are of steady training time, medians over the pairs. Saved without regret "
        "is what the best limit saves if it is known beforehand, 0 where there is none. At the "
        "knee more saving begins to cost much regret; random stopping is that of as many trials "
        "after as many windows. Other repetitions: the best limit of one repetition applied to "
        "them."
    ),
)


def replay_answer(summary: pd.DataFrame) -> Answer:
    """Say which rules save most without regret, what they save elsewhere, and whether chance does too.

    `summary` is a `replay.replay_summary`.
    """
    if summary.empty:
        return Answer("")
    by_rule = saving_by_rule(summary)
    is_system = by_rule["rule"].isin(_system_rules())
    system, others = by_rule[is_system].iloc[0], by_rule[~is_system].iloc[0]
    pairs = int(system["pairs"])
    claim = (
        f"Had its limit been known, a {_label(system)} could have saved {percent(system['free'])} "
        "without any loss."
    )
    sentences = [
        f"Of all limits on system metrics, the best {_label(system)} saves most without regret: "
        f"{percent(system['free'])} of the steady training time"
        f"{f' (median of {pairs} pairs)' if pairs > 1 else ''}. Of the rules on the model's quality or "
        f"on other trials, the best {_label(others)} saves {percent(others['free'])}.",
        "Such a limit is known only after the full search, so this is a bound.",
    ]
    if not pd.isna(system["transfer"]):
        lost = out_of(int(system["pairs_with_transfer_regret"]), pairs, "pair")
        sentences.append(
            f"Found in one repetition and applied to the others, it saves {percent(system['transfer'])} "
            f"and loses quality in {lost}."
        )
    return Answer(" ".join(sentences), [("Against chance", random_stopping(summary))], claim)


def _system_rules() -> list[str]:
    return [name for name, rule in RULES.items() if rule.limits_system_metric]


def _label(rule: pd.Series) -> str:
    return rule_at(rule["rule"], rule["metric"]).label


def random_stopping(summary: pd.DataFrame) -> str:
    """Say whether the limits at the knees of their curves lose less than random stopping."""
    bent = summary[summary["rule"].isin(_system_rules())].dropna(subset=["knee_regret"])
    if bent.empty:
        return ""
    better = int((bent["knee_regret"] < bent["knee_random_regret"]).sum())
    sentences = [
        "Some limits can be tightened to a point, the knee, from which on more saving costs much "
        f"regret. Of {counted(len(bent), 'such limit')}, {better:,} lose less there than stopping as "
        "many trials at random."
    ]
    losing = []
    for (rule, metric), curves in bent.groupby(["rule", "metric"], sort=False):
        wins = int((curves["knee_regret"] < curves["knee_random_regret"]).sum())
        if 2 * wins < len(curves):
            losing.append(f"{rule_at(rule, metric).label} ({wins} of {len(curves)})")
    if losing:
        sentences.append(f"Mostly no better than chance: {in_words(losing)}.")
    return " ".join(sentences)


REPLAY_METHOD = (
    "The replay asks a rule about the windows of the baseline, which trains every trial to the "
    "end, and so shows what any limit would have saved and lost. Rules that compare trials with "
    "each other are replayed in a virtual search with the same number of workers and the same "
    "order of trials."
)
REPLAY_LIMITATION = (
    "A replay assumes that trials would have run as they did in the baseline, and leaves out the "
    "time between trials. With few trials in a grid the best of many limits saves a lot by luck: "
    "trust what a limit saves in other repetitions, not what it saves where it was found."
)


REPLAY = Subject(
    name="replay",
    title="What any limit would have saved",
    tables=(REPLAY_TABLE,),
    question="RQ2",
    answer=lambda data: replay_answer(data.tables["replay_summary"]),
    method=lambda data: [REPLAY_METHOD],
    limitations=lambda data: [REPLAY_LIMITATION],
)
