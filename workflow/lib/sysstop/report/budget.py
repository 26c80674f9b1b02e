"""What each arm saved and lost, and the answer to RQ2 from the live searches."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sysstop.report.arms import ARM_LIMITS_TABLE, arm_description, arm_limits, arm_rule
from sysstop.report.regret import comparable_regret, is_worse
from sysstop.report.subject import Answer, Headline, KeyNumber, Subject
from sysstop.report.text_tables import (
    ReportTable,
    counts_of,
    row_id,
    two_digits,
    whole_percents,
)
from sysstop.report.wording import (
    MISSING,
    algorithm_label,
    arm_label,
    arm_order,
    capitalised,
    counted,
    in_words,
    number,
    out_of,
    pair_label,
    percent,
    whole_percent,
)
from sysstop.study.arms import NO_RULE, needs_baseline, stopped_is_candidate
from sysstop.study.keys import PAIR, STUDY
from sysstop.study.studies import BASELINE_ARM


def budget_summary(budget: pd.DataFrame) -> pd.DataFrame:
    """Return what each arm saved and lost, as means over the repetitions (see `budgets`).

    With several repetitions the saving of steady time has its 95 % interval, which makes the column
    text.
    The baseline comes first among the arms of a data set and algorithm.
    """
    # It loads scipy, which the workflow does not need for its list of tables.
    from sysstop.analysis.budgets import arm_summary

    place = {arm: at for at, arm in enumerate(arm_order(budget["arm"]))}
    in_order = budget.sort_values(
        [*PAIR, "arm"],
        key=lambda column: column.map(place) if column.name == "arm" else column,
    )
    summary = arm_summary(in_order)
    winners_stopped = (summary["winner_stopped"] * summary["repetitions"]).round().astype(int)
    table = {
        "Data set": summary["dataset"],
        "Algorithm": summary["algorithm"].map(algorithm_label),
        "Arm": summary["arm"].map(arm_label),
        "Trials stopped (%)": whole_percents(summary["trials_stopped"] / summary["trials"]),
        "Steady training time (s)": two_digits(summary["steady_train_time_s"]),
        "Steady time saved (%)": _with_interval(summary, "steady_saved_fraction"),
        "Noise of that (%)": (100 * summary["steady_noise_floor"]).round(1),
        "Wall time saved (%)": whole_percents(summary["saved_fraction"]),
        "Steps saved (%)": whole_percents(summary["saved_steps_fraction"]),
        "Best trial stopped": [
            MISSING if arm == BASELINE_ARM else f"{stopped} of {repetitions}"
            for arm, stopped, repetitions in zip(
                summary["arm"], winners_stopped, summary["repetitions"], strict=True
            )
        ],
        "Best score": summary["best_score"],
        "Regret": summary["regret"].round(12),  # a mean of nothing may be off by 1e-17
        "Test regret": summary["test_regret"].round(12),
    }
    return pd.DataFrame(table)


def _with_interval(summary: pd.DataFrame, fraction: str) -> pd.Series:
    """Return a fraction in percent, as "31 (25 to 36)" where there are several repetitions."""
    columns = [
        whole_percents(summary[name]) for name in (fraction, f"{fraction}_low", f"{fraction}_high")
    ]
    if (summary["repetitions"] == 1).all():
        return columns[0]
    texts = []
    for value, low, high in zip(*columns, strict=True):
        known = not pd.isna(low) and low < high
        texts.append(f"{value:.0f} ({low:.0f} to {high:.0f})" if known else number(value))
    return pd.Series(texts, summary.index)


def _stopping(budget: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    """Return the studies of arms that may stop a trial and have a baseline to be compared with.

    Arms that never stop a trial are only there to measure the noise.
    """
    never_stop = {arm for arm, entry in config["arms"].items() if entry["rule"] == NO_RULE}
    stopping = budget[~budget["arm"].isin({BASELINE_ARM, *never_stop})]
    return stopping.dropna(subset=["baseline_best_score", "steady_saved_fraction"])


def arm_outcomes(budget: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    """Return what each stopping arm saved and lost, over all its studies.

    One row per arm, in the order of `arm_order`: the number of `studies`; the `saved` share of the
    steady training time (median), its `least` and `most`, and that of the wall time (`saved_wall`); in
    how many studies the saving is `beyond_noise`, the best model is `worse` (`regret.is_worse`), and
    `none_left` to choose from; and the `largest_regret` by task.
    """
    compared = _stopping(budget, config)
    compared = compared.assign(
        worse=is_worse(budget).loc[compared.index],
        none_left=compared["best_score"].isna(),
        beyond_noise=compared["above_steady_noise_floor"] & (compared["steady_saved_fraction"] > 0),
        comparable=comparable_regret(compared),
    )
    rows = []
    for arm in arm_order(compared["arm"]):
        of_arm = compared[compared["arm"] == arm]
        saved = of_arm["steady_saved_fraction"]
        rows.append(
            {
                "arm": arm,
                "studies": len(of_arm),
                "saved": saved.median(),
                "least": saved.min(),
                "most": saved.max(),
                "saved_wall": of_arm["saved_fraction"].median(),
                **of_arm[["beyond_noise", "worse", "none_left"]].sum().to_dict(),
                **of_arm.groupby("task")["comparable"].max().to_dict(),
            }
        )
    columns = ["arm", "studies", "saved", "least", "most", "saved_wall"]
    columns += ["beyond_noise", "worse", "none_left", *sorted(budget["task"].unique())]
    return pd.DataFrame(rows, columns=columns)


REGRET_HEADS = {
    "classification": "Largest regret (points of accuracy)",
    "regression": "Largest regret (% of RMSE)",
}


def outcome_digest(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the `arm_outcomes` as readers see them."""
    table = {
        "Arm": outcomes["arm"].map(arm_label),
        "Steady time saved, median (%)": whole_percents(outcomes["saved"]),
        "Least to most (%)": [
            f"{whole_percent(low)} to {whole_percent(high)}"
            for low, high in zip(outcomes["least"], outcomes["most"], strict=True)
        ],
        "Wall time saved, median (%)": whole_percents(outcomes["saved_wall"]),
        "Saving beyond noise": counts_of(outcomes, "beyond_noise", "studies"),
        "Worse model": counts_of(outcomes, "worse", "studies"),
        "No model left": counts_of(outcomes, "none_left", "studies"),
    }
    for task, head in REGRET_HEADS.items():
        if task in outcomes:
            table[head] = (100 * outcomes[task].astype(float)).round(2)
    return pd.DataFrame(table)


OUTCOMES_TABLE = ReportTable(
    name="outcomes",
    title="What each arm saved and lost",
    sources=("budget",),
    in_papers=False,
    digest=lambda data: outcome_digest(arm_outcomes(data.tables["budget"], data.config)),
    note=(
        "All searches of an arm together, one for each data set, algorithm and repetition. Worse model: "
        "the best trial left is worse than the full search's by more than the noise of regrets, or "
        "none is left. Noise of regrets: 95 % of them differ by less between the validation folds and "
        "the test part."
    ),
)


BUDGET_TABLE = ReportTable(
    name="budget",
    title="Budget and regret of each arm",
    sources=("budget",),
    naming=3,
    digest=lambda data: budget_summary(data.tables["budget"]),
    note=(
        "Means over the repetitions; savings are of the full budget's time and steps. "
        "Scores are accuracy, or minus RMSE in the target's unit. Regret is the full budget's "
        "best score minus the arm's, test regret the same on the held-out part; a dash means "
        "that no trial was left. Noise is the largest share by which the pair's steady training time "
        "drifted where nothing was stopped; a smaller saving cannot be told from it. With several "
        "repetitions, steady time saved has its 95 % bootstrap interval. Best trial stopped counts "
        "the repetitions in which the arm stopped the trial that the full budget chose."
    ),
)


def headline_rq2(
    budget: pd.DataFrame, replay_check: pd.DataFrame, config: Mapping[str, Any]
) -> Headline:
    """Return the answer to RQ2 in short: what saves most, what that costs, and how sure it is."""
    outcomes = arm_outcomes(budget, config)
    if outcomes.empty:
        return Headline(_nothing_compared(budget, config))
    most, safest = _extremes(outcomes)
    numbers = [
        KeyNumber(
            percent(row["saved"]),
            f"of the steady training time saved by {arm_label(row['arm'])} ({percent(row['saved_wall'])} "
            f"of the wall time); beyond the noise in {_count(row, 'beyond_noise')}",
            row_id(OUTCOMES_TABLE.name, arm_label(row["arm"])),
        )
        for row in ([most] if safest["arm"] == most["arm"] else [most, safest])
    ]
    numbers.append(
        KeyNumber(
            f"{most['worse']} of {most['studies']}",
            f"searches with {arm_label(most['arm'])} ended with a worse model"
            + (f", {most['none_left']} of them with none" if most["none_left"] else ""),
            row_id(OUTCOMES_TABLE.name, arm_label(most["arm"])),
        )
    )
    return Headline(
        _in_short(outcomes, config),
        [*numbers, *_noise_number(budget), *_replayed_number(replay_check, most)],
    )


def _extremes(outcomes: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the outcome of the arm that saves most, and of that which loses least."""
    most = outcomes.loc[outcomes["saved"].idxmax()]
    return most, outcomes.sort_values(["worse", "saved"], ascending=[True, False]).iloc[0]


def _in_short(outcomes: pd.DataFrame, config: Mapping[str, Any]) -> str:
    """Say which arm saves most and which loses least, if that is another."""
    most, safest = _extremes(outcomes)
    text = (
        f"{_described(most['arm'], config)} saves most: {percent(most['saved'])} of the training time"
        f"{_median_of(most)}{_at_a_price(most)}."
    )
    if safest["arm"] == most["arm"]:
        return text
    return (
        f"{text} {_described(safest['arm'], config)} loses least: it saves "
        f"{percent(safest['saved'])}{_at_a_price(safest)}."
    )


def _described(arm: str, config: Mapping[str, Any]) -> str:
    """Return what an arm's rule is, with the arm's name: "A limit on step time (arm step time)"."""
    if arm not in config["arms"]:
        return f"The arm {arm_label(arm)}"
    return f"A {arm_rule(config['arms'][arm]).label} (arm {arm_label(arm)})"


def _median_of(outcome: pd.Series) -> str:
    return f" (median of {outcome['studies']} searches)" if outcome["studies"] > 1 else ""


def _count(outcome: pd.Series, column: str) -> str:
    return out_of(int(outcome[column]), int(outcome["studies"]), "search", "searches")


def _at_a_price(outcome: pd.Series) -> str:
    """Say in how many searches an arm ended with a worse model, as the end of a sentence."""
    if not outcome["worse"]:
        return ", and no search ended with a measurably worse model"
    return f", but {_count(outcome, 'worse')} ended with a worse model"


def _noise_number(budget: pd.DataFrame) -> list[KeyNumber]:
    floor = budget["steady_noise_floor"].max()
    if pd.isna(floor):
        return []
    return [
        KeyNumber(
            f"±{percent(floor)}",
            "noise of a saving: so far, at most, the time of a search drifted where nothing was stopped",
            "figure-steady",
        )
    ]


def _replayed_number(replay_check: pd.DataFrame, outcome: pd.Series) -> list[KeyNumber]:
    check = replay_check[replay_check["arm"] == outcome["arm"]]
    if check.empty:
        return []
    replayed = check["replayed_saved_time_fraction"].median()
    return [
        KeyNumber(
            percent(replayed),
            f"saved by {arm_label(outcome['arm'])} in replay, with the limits that saved "
            f"{percent(check['live_saved_time_fraction'].median())} live",
            row_id("replay_check", arm_label(outcome["arm"])),
        )
    ]


def _nothing_compared(budget: pd.DataFrame, config: Mapping[str, Any]) -> str:
    if set(budget["arm"]) - {
        arm for arm, entry in config["arms"].items() if entry["rule"] == NO_RULE
    }:
        return "Savings cannot be computed, because no trial of any baseline completed."
    return (
        "No stopping arm was run, only the full-budget baseline, so this run says nothing "
        "about savings measured live. Name arms under study.arms to compare."
    )


def answer_rq2(
    budget: pd.DataFrame, config: Mapping[str, Any], limits: pd.DataFrame | None = None
) -> Answer:
    """Say what each arm saved, what that cost in quality, and how often it lost the best trial.

    `limits` are the `arms.arm_limits` if known.
    """
    outcomes = arm_outcomes(budget, config)
    if outcomes.empty:
        return Answer(_nothing_compared(budget, config))
    compared = _stopping(budget, config)
    sentences = [*_price(compared, config), *_left_out(budget, compared)]
    points = [
        (
            arm_label(row["arm"]),
            _arm_text(compared[compared["arm"] == row["arm"]], row, config, limits),
        )
        for _, row in outcomes.iterrows()
    ]
    return Answer(" ".join(sentences), points, _in_short(outcomes, config))


def _left_out(budget: pd.DataFrame, compared: pd.DataFrame) -> list[str]:
    alone = budget[budget["arm"].isin(compared["arm"]) & ~budget.index.isin(compared.index)]
    if alone.empty:
        return []
    names = [pair_label(*pair) for pair in alone[PAIR].drop_duplicates().itertuples(index=False)]
    return [f"{capitalised(in_words(names))}: left out, as no trial of the baseline completed."]


def _price(compared: pd.DataFrame, config: Mapping[str, Any]) -> list[str]:
    """Say in how many searches a limit stopped the best trial, and how many lost all trials."""
    discards = {arm for arm in config["arms"] if not stopped_is_candidate(config["arms"][arm])}
    limited = compared[compared["arm"].isin(discards)]
    sentences = []
    if len(limited):
        lost = out_of(int(limited["winner_stopped"].sum()), len(limited), "search", "searches")
        sentences.append(
            f"A limit stopped the trial that the full search would have chosen in {lost}. Such a "
            "trial counts as too costly and is not chosen."
        )
    empty = int(compared["best_score"].isna().sum())
    sentences.append(
        f"In {counted(empty, 'search', 'searches')} no trial was left to choose from."
        if empty
        else "Every search kept at least one trial to choose from."
    )
    return sentences


def _arm_text(
    studies: pd.DataFrame,
    outcome: pd.Series,
    config: Mapping[str, Any],
    limits: pd.DataFrame | None,
) -> str:
    arm = outcome["arm"]
    sentences = []
    if arm in config["arms"]:
        sentences.append(f"Stops a trial {_stops_when(studies, config['arms'][arm], limits)}.")
    stopped = int(studies["winner_stopped"].sum())
    sentences += [
        f"It saved {percent(outcome['saved'])} of the steady training time{_median_of(outcome)}, "
        f"and {percent(outcome['saved_wall'])} of the wall time.",
        f"It stopped the full search's best trial in {out_of(stopped, len(studies), 'search', 'searches')}.",
    ]
    worse = int(outcome["worse"])
    ended = f"{capitalised(_count(outcome, 'worse'))} ended with a worse model"
    none_left = f", {outcome['none_left']} of them with none" if outcome["none_left"] else ""
    sentences.append(
        f"{ended}{none_left}." if worse else "Its best model was never measurably worse."
    )
    return " ".join(sentences)


def _stops_when(studies: pd.DataFrame, arm: Mapping[str, Any], limits: pd.DataFrame | None) -> str:
    """Say when an arm stops a trial, with the number that a quantile became where it is one."""
    if limits is None or not needs_baseline(arm):
        return arm_description(arm)
    own = studies[STUDY].merge(limits, on=STUDY)
    # A range over different data sets would say nothing of any.
    if len(own[PAIR].drop_duplicates()) > 1:
        return f"{arm_description(arm)} (see the table {ARM_LIMITS_TABLE.title})"
    return arm_description(arm, own["limit"])


def budget_limitations(budget: pd.DataFrame, config: Mapping[str, Any]) -> list[str]:
    """Say what regret and savings leave open."""
    limitations = [
        "Regret is measured on the validation folds that chose the best trial; the regret on the test "
        "part is from one model for each winner. A regret of zero does not mean that nothing was at "
        "stake, only that this grid had another trial as good.",
    ]
    if budget["repetition"].nunique() == 1:
        limitations.append(
            "Every study was run once, so it is unknown how much regret depends on the seed."
        )
    if config["budget"]["seconds"] is not None:
        limitations.append(
            "Trials may end by the clock (budget.seconds, in steady time), so the same trial can take "
            "some more steps in one arm than in another, and arms then differ by more than their rule."
        )
    return limitations


BUDGET = Subject(
    name="budget",
    title="What each arm saved and lost",
    tables=(OUTCOMES_TABLE, BUDGET_TABLE, ARM_LIMITS_TABLE),
    question="RQ2",
    headline=lambda data: headline_rq2(
        data.tables["budget"], data.tables["replay_check"], data.config
    ),
    answer=lambda data: answer_rq2(
        data.tables["budget"], data.config, arm_limits(data.tables["trials"])
    ),
    limitations=lambda data: budget_limitations(data.tables["budget"], data.config),
)
