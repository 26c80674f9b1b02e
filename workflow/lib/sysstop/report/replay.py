"""What any limit of any rule would have saved and lost, by replay of the baseline."""

import pandas as pd

from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable, counts_of
from sysstop.report.wording import capitalised, counted, in_words, out_of, percent
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
            "Saved without regret (%)": 100 * by_rule["free"],
            "Pairs with such a limit": counts_of(by_rule, "pairs_free", "pairs"),
            "Saved at the knee (%)": 100 * by_rule["knee"],
            "Pairs where the knee beats random stopping": counts_of(
                by_rule, "pairs_beating_random", "pairs_bent"
            ),
        }
    )
    if by_rule["transfer"].notna().any():
        digest["Saved in other repetitions (%)"] = 100 * by_rule["transfer"]
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


def replay_sentences(summary: pd.DataFrame) -> list[str]:
    """Say which rules save most without regret, and what such a limit saves in other repetitions.

    `summary` is a `replay.replay_summary`.
    """
    if summary.empty:
        return []
    by_rule = saving_by_rule(summary)
    is_system = by_rule["rule"].isin(_system_rules())
    system, others = by_rule[is_system].iloc[0], by_rule[~is_system].iloc[0]
    pairs = counted(int(system["pairs"]), "pair of data set and algorithm", "pairs")
    sentences = [
        "Replayed on the full search at every limit, the rule on system metrics that could have "
        f"saved most without regret is a {_label(system)}: {percent(system['free'])} of the steady training "
        f"time in the median of {pairs}, against {percent(others['free'])} with the best rule on the "
        f"model's quality or on other trials' cost ({_label(others)})."
    ]
    if pd.isna(system["transfer"]):
        return [*sentences, "Such limits are known only after the full search."]
    by_transfer = by_rule[is_system].sort_values("transfer", ascending=False).iloc[0]
    lost = out_of(int(system["pairs_with_transfer_regret"]), int(system["pairs"]), "pair")
    sentences.append(
        "Such a limit is known only after the full search: found in one repetition and applied to "
        f"the others, the same rule saved {percent(system['transfer'])}, and lost quality in {lost}."
    )
    if by_transfer["metric"] != system["metric"] or by_transfer["rule"] != system["rule"]:
        lost = out_of(int(by_transfer["pairs_with_transfer_regret"]), int(system["pairs"]), "pair")
        sentences.append(
            f"By that measure a {_label(by_transfer)} saves most "
            f"({percent(by_transfer['transfer'])}), with regret in {lost}."
        )
    return sentences


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
        f"At the knees of {counted(len(bent), 'curve')} of limits on system metrics the regret is "
        f"smaller than that of stopping as many trials at random in {out_of(better, len(bent), 'curve')}."
    ]
    losing = []
    for (rule, metric), curves in bent.groupby(["rule", "metric"], sort=False):
        wins = int((curves["knee_regret"] < curves["knee_random_regret"]).sum())
        if 2 * wins < len(curves):
            losing.append(f"{rule_at(rule, metric).label} ({wins} of {len(curves)})")
    if losing:
        sentences.append(f"Not better than chance in most: {in_words(losing)}.")
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
    tables=(REPLAY_TABLE,),
    question="RQ2",
    answer=lambda data: Answer(
        " ".join(replay_sentences(data.tables["replay_summary"])),
        [("Against random stopping", random_stopping(data.tables["replay_summary"]))],
    ),
    method=lambda data: [REPLAY_METHOD],
    limitations=lambda data: [REPLAY_LIMITATION],
)
