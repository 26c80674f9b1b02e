"""What each arm saved and lost, and the answer to RQ2 from the live searches."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sysstop.report.arms import ARM_LIMITS_TABLE, arm_description, arm_limits
from sysstop.report.noise import noise_sentences
from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import (
    algorithm_label,
    arm_label,
    arm_order,
    counted,
    in_words,
    out_of,
    pair_label,
    percent,
    span,
    tenths,
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
    return pd.DataFrame(
        {
            "Data set": summary["dataset"],
            "Algorithm": summary["algorithm"].map(algorithm_label),
            "Arm": summary["arm"].map(arm_label),
            "Trials stopped (%)": 100 * summary["trials_stopped"] / summary["trials"],
            "Steady training time (s)": summary["steady_train_time_s"],
            "Steady time saved (%)": _with_interval(summary, "steady_saved_fraction"),
            "Noise floor (%)": 100 * summary["steady_noise_floor"],
            "Wall time saved (%)": 100 * summary["saved_fraction"],
            "Steps saved (%)": 100 * summary["saved_steps_fraction"],
            "Winner stopped": [
                f"{stopped} of {repetitions}"
                for stopped, repetitions in zip(
                    winners_stopped, summary["repetitions"], strict=True
                )
            ],
            "Best score": summary["best_score"],
            "Regret": summary["regret"].round(12),  # a mean of nothing may be off by 1e-17
            "Test regret": summary["test_regret"].round(12),
        }
    )


def _with_interval(summary: pd.DataFrame, fraction: str) -> pd.Series:
    """Return a fraction in percent, as "31 (25 to 36)" where there are several repetitions."""
    columns = [100 * summary[name] for name in (fraction, f"{fraction}_low", f"{fraction}_high")]
    if (summary["repetitions"] == 1).all():
        return columns[0]
    texts = []
    for value, low, high in zip(*columns, strict=True):
        text = tenths(value)
        known = not pd.isna(low) and low < high
        texts.append(f"{text} ({tenths(low)} to {tenths(high)})" if known else text)
    return pd.Series(texts, summary.index)


BUDGET_TABLE = ReportTable(
    name="budget",
    title="Budget and regret of each arm",
    sources=("budget",),
    digest=lambda data: budget_summary(data.tables["budget"]),
    note=(
        "Means over the repetitions. Time and steps saved are compared with the full budget. "
        "Scores are accuracy, or minus RMSE in the target's unit; regret is the full budget's "
        "best score minus the arm's, test regret the same on the held-out part, and a dash means "
        "that no trial was left. The noise floor is the largest share by which the steady "
        "training time of one of the pair's studies differed from the baseline's in the trials "
        "that it did not stop; a smaller saving of steady time cannot be distinguished from "
        "noise. With several repetitions, steady time saved has its 95 % bootstrap interval. "
        "Winner stopped counts the repetitions in which the arm stopped the trial that the full "
        "budget chose."
    ),
)


def answer_rq2(
    budget: pd.DataFrame,
    noise: pd.DataFrame,
    config: Mapping[str, Any],
    limits: pd.DataFrame | None = None,
) -> Answer:
    """Say what each arm saved, what that cost in quality, and how often it lost the winner.

    `noise` is the table of the same name, `limits` are the `arms.arm_limits` if known. Arms that never
    stop a trial are only there to measure the noise.
    """
    never_stop = {arm for arm, entry in config["arms"].items() if entry["rule"] == NO_RULE}
    stopping = budget[~budget["arm"].isin({BASELINE_ARM, *never_stop})]
    if stopping.empty:
        return Answer(
            "No stopping arm was run, only the full-budget baseline, so this run says nothing "
            "about savings measured live. Name arms under study.arms to compare.",
            [],
        )
    compared = stopping.dropna(subset=["baseline_best_score", "steady_saved_fraction"])
    left_out = stopping.loc[~stopping.index.isin(compared.index), PAIR]
    excuse = ""
    if len(left_out):
        names = [pair_label(*pair) for pair in left_out.drop_duplicates().itertuples(index=False)]
        excuse = (
            f" Studies of {in_words(names)} are left out, because no trial of their baseline "
            "completed."
        )
    if compared.empty:
        return Answer("Savings cannot be computed." + excuse, [])
    arms = arm_order(compared["arm"])
    medians = compared.groupby("arm")["steady_saved_fraction"].median()
    most, least = medians.idxmax(), medians.idxmin()
    sentences = [
        f"Over {counted(len(compared), 'study', 'studies')} with "
        f"{counted(len(arms), 'stopping arm')}, early stopping saved "
        f"{span(compared['steady_saved_fraction'], percent)} of the baseline's training time in "
        f"steady time ({span(compared['saved_fraction'], percent)} in wall time) and "
        f"{span(compared['saved_steps_fraction'], percent)} of its steps."
    ]
    if len(arms) > 1:
        sentences.append(
            f"The arm {most} saved most (median {percent(medians[most])} of steady time), {least} least "
            f"(median {percent(medians[least])})."
        )
    sentences += _price(compared, config)
    sentences.append(_lost_all_sentence(compared))
    sentences += noise_sentences(compared, noise)
    points = [(arm, _arm_text(compared[compared["arm"] == arm], config, limits)) for arm in arms]
    return Answer(" ".join(sentences) + excuse, points)


def _price(compared: pd.DataFrame, config: Mapping[str, Any]) -> list[str]:
    """Say how often a limit discarded the best trial, and give the regret of all arms."""
    discards = {arm for arm in config["arms"] if not stopped_is_candidate(config["arms"][arm])}
    limited = compared[compared["arm"].isin(discards)]
    sentences = []
    if len(limited):
        lost = int(limited["winner_stopped"].sum())
        where = out_of(lost, len(limited), "study", "studies")
        sentences.append(
            f"The price: limits stopped, and so discarded, the trial that the full search would "
            f"have chosen in {where}."
        )
    sentences.append(
        "The regret, by which the best trial left is worse than the full search's, was "
        f"{_regret_text(compared)}."
    )
    return sentences


def _lost_all_sentence(compared: pd.DataFrame) -> str:
    empty = compared[compared["best_score"].isna()]
    if empty.empty:
        return "Every arm kept at least one trial to choose from."
    by_arm = empty.groupby("arm").size()
    arms = [f"{arm} ({count})" for arm, count in by_arm.items()]
    return (
        f"In {counted(len(empty), 'study', 'studies')} no trial was left to choose from, with the "
        f"{'arm' if len(arms) == 1 else 'arms'} {in_words(arms)}."
    )


def _regret_text(studies: pd.DataFrame, column: str = "regret") -> str:
    """Say the range of the regret for each task, in the score's own unit."""
    parts = []
    for task, of_task in studies.dropna(subset=[column]).groupby("task"):
        text = span(of_task[column])
        if task == "classification":
            parts.append(f"{text} in accuracy")
            continue
        baseline = "baseline_test_score" if column == "test_regret" else "baseline_best_score"
        relative = of_task[column] / of_task[baseline].abs()
        parts.append(f"{text} in RMSE ({span(relative, percent)} of the baseline's)")
    return in_words(parts) if parts else "not defined, as no model was left"


def _arm_text(studies: pd.DataFrame, config: Mapping[str, Any], limits: pd.DataFrame | None) -> str:
    arm = studies["arm"].iloc[0]
    stopped = studies["trials_stopped"] / studies["trials"]
    lost = int(studies["winner_stopped"].sum())
    sentences = []
    if arm in config["arms"]:
        sentences.append(f"Stops a trial {_stops_when(studies, config['arms'][arm], limits)}.")
    sentences += [
        f"It stopped {span(stopped, percent)} of the trials and saved "
        f"{span(studies['steady_saved_fraction'], percent)} of the training time in steady time "
        f"(median {percent(studies['steady_saved_fraction'].median())}), "
        f"{span(studies['saved_fraction'], percent)} in wall time, and "
        f"{span(studies['saved_steps_fraction'], percent)} of the steps.",
        f"The baseline's best trial was stopped in "
        f"{out_of(lost, len(studies), 'study', 'studies')}; regret {_regret_text(studies)}"
        f"{_test_regret_clause(studies)}.",
    ]
    better = int((studies["regret"] < 0).sum())
    if better:
        sentences.append(
            f"In {counted(better, 'study', 'studies')} its best model is better than the "
            "baseline's, so regret is negative."
        )
    empty = int(studies["best_score"].isna().sum())
    if empty:
        sentences.append(
            f"In {counted(empty, 'study', 'studies')} it left no trial to choose from."
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


def _test_regret_clause(studies: pd.DataFrame) -> str:
    if studies["test_regret"].isna().all():
        return ""
    return f"; on the test part {_regret_text(studies, 'test_regret')}"


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
    tables=(BUDGET_TABLE,),
    question="RQ2",
    answer=lambda data: answer_rq2(
        data.tables["budget"],
        data.tables["noise"],
        data.config,
        arm_limits(data.tables["trials"]),
    ),
    limitations=lambda data: budget_limitations(data.tables["budget"], data.config),
)
