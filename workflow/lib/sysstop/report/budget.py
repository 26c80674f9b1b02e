"""What each arm saved and lost on each data set, and its words."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sysstop.report.arms import ARM_LIMITS_TABLE, arm_description, arm_limits
from sysstop.report.outcomes import (
    OUTCOMES_TABLE,
    arm_outcomes,
    count_of,
    headline_rq2,
    in_short,
    median_of,
    nothing_compared,
    stopping_studies,
)
from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import (
    ReportTable,
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
)
from sysstop.study.arms import candidate_after, needs_baseline
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


def answer_rq2(
    budget: pd.DataFrame, config: Mapping[str, Any], limits: pd.DataFrame | None = None
) -> Answer:
    """Say what each arm saved, what that cost in quality, and how often it lost the best trial.

    `limits` are the `arms.arm_limits` if known.
    """
    outcomes = arm_outcomes(budget, config)
    if outcomes.empty:
        return Answer(nothing_compared(budget, config))
    compared = stopping_studies(budget, config)
    sentences = [*_price(compared, config), *_left_out(budget, compared)]
    points = [
        (
            arm_label(row["arm"]),
            _arm_text(compared[compared["arm"] == row["arm"]], row, config, limits),
        )
        for _, row in outcomes.iterrows()
    ]
    return Answer(" ".join(sentences), points, in_short(outcomes, config))


def _left_out(budget: pd.DataFrame, compared: pd.DataFrame) -> list[str]:
    alone = budget[budget["arm"].isin(compared["arm"]) & ~budget.index.isin(compared.index)]
    if alone.empty:
        return []
    names = [pair_label(*pair) for pair in alone[PAIR].drop_duplicates().itertuples(index=False)]
    return [f"Left out, as no trial of the baseline completed: {in_words(names)}."]


def _price(compared: pd.DataFrame, config: Mapping[str, Any]) -> list[str]:
    """Say in how many searches a limit stopped the best trial, and how many lost all trials."""
    discards = {
        arm
        for arm in compared["arm"].unique()
        if not any(candidate_after(config["arms"][arm]).values())
    }
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
        f"It saved {percent(outcome['saved'])} of the steady training time{median_of(outcome)}, "
        f"and {percent(outcome['saved_wall'])} of the wall time.",
        f"It stopped the full search's best trial in {out_of(stopped, len(studies), 'search', 'searches')}.",
    ]
    worse = int(outcome["worse"])
    ended = f"{capitalised(count_of(outcome, 'worse'))} ended with a worse model"
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
