"""What finds the better model at the same budget, and its words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable, whole_percents
from sysstop.report.wording import (
    MISSING,
    arm_label,
    arm_order,
    capitalised,
    counted,
    in_words,
)
from sysstop.study.arms import arm_kind, needs_baseline
from sysstop.study.keys import REPLICATE
from sysstop.study.studies import BASELINE_ARM

RANDOM_SEARCH = "random search"
# What the rules of an arm stop on, by its `arm_kind`.
STOPS_ON = {
    "none": "nothing",
    "system": "system metrics",
    "quality": "model quality",
    "both": "both",
}
KINDS = {
    "system": "limits on system metrics",
    "quality": "rules on model quality",
    "both": "both together",
}
# The shares of the budget at which arms are judged.
QUARTER, HALF = 0.25, 0.5
# With fewer, chance alone gives all of them the same sign in more than 1 of 20 cases.
ENOUGH_SAMPLES = 6


def anytime_arms(anytime: pd.DataFrame, arms: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Leave out arms that never stop a trial, as they repeat the baseline, which is random search."""
    repeats = {arm for arm in anytime["arm"].unique() if arm_kind(arms[arm]) == "none"}
    repeats -= {BASELINE_ARM}
    return anytime[~anytime["arm"].isin(repeats)]


def _summary(anytime: pd.DataFrame, arms: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return the `anytime.anytime_summary` of these arms, indexed by arm and share of the budget."""
    # It loads scipy, which the workflow does not need for its list of tables.
    from sysstop.analysis.anytime import anytime_summary

    summary = anytime_summary(anytime_arms(anytime, arms))
    return summary.set_index(["arm", "budget_fraction"])


def searcher_label(arm: str) -> str:
    """Return the name of an arm among those that are compared with random search."""
    return RANDOM_SEARCH if arm == BASELINE_ARM else arm_label(arm)


def anytime_digest(anytime: pd.DataFrame, arms: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return a row per arm: its regret at some budgets, and the budget that it needs for a regret."""
    summary = _summary(anytime, arms)
    rows = []
    for arm in arm_order(summary.index.unique("arm")):
        curve = summary.loc[arm]
        against = curve.loc[HALF]
        rows.append(
            {
                "Arm": capitalised(searcher_label(arm)),
                "Stops on": STOPS_ON[arm_kind(arms[arm])],
                **{
                    f"Regret after {100 * share:.0f} % of the budget": _with_interval(
                        curve.loc[share], "normalised_regret"
                    )
                    for share in (QUARTER, HALF, 1.0)
                },
                "Against random search after 50 %": MISSING
                if arm == BASELINE_ARM
                else _with_interval(against, "difference"),
                "No model yet after 50 % (%)": whole_percents(curve["without_model"])[HALF],
                "Budget for what random search finds with 50 % (%)": _budget_for(
                    curve, summary.loc[(BASELINE_ARM, HALF), "normalised_regret"]
                ),
            }
        )
    return pd.DataFrame(rows)


def _budget_for(curve: pd.DataFrame, regret: float) -> float:
    """Return the least share of the budget after which an arm has this regret, in percent."""
    reached = curve.index[curve["normalised_regret"] <= regret]
    return 100 * reached.min() if len(reached) else math.nan


def _with_interval(row: pd.Series, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    text = _two_decimals(row[name])
    return text if math.isnan(low) else f"{text} ({_two_decimals(low)} to {_two_decimals(high)})"


def _two_decimals(value: float) -> str:
    return f"{value:z.2f}"


ANYTIME_TABLE = ReportTable(
    name="anytime",
    title="Best model at the same budget",
    sources=("anytime",),
    digest=lambda data: anytime_digest(data.tables["anytime"], data.config["arms"]),
    note=(
        "The budget is a share of the baseline's steady training time; trials come in random orders, which "
        "makes the baseline a random search. "
        "Regret is normalised: 0 is the full search's best model, 1 its median one, a worse one or none. "
        "Numbers are means over pairs of data set and algorithm, with 95 % bootstrap intervals; of a "
        "single pair, over its repetitions. Against random search: the arm's regret minus that of the "
        "baseline in the same repetition, below 0 where the arm finds the better model. A dash in "
        "the last column means that the arm never gets there."
    ),
)


def anytime_answer(anytime: pd.DataFrame, arms: Mapping[str, Mapping[str, Any]]) -> Answer:
    """Say what finds the better model with a quarter and with half of the budget, and in the end."""
    summary = _summary(anytime, arms)
    if summary.empty:
        return Answer(
            "Nowhere do all arms have a completed trial that is better than the median one, so there is "
            "nothing to find sooner."
        )
    count = summary.iloc[0]
    summary = summary.assign(verdict=_verdicts(summary))
    random = summary.loc[BASELINE_ARM, "normalised_regret"].map(_two_decimals)
    stopping = summary.drop(index=BASELINE_ARM, level="arm")
    if stopping.empty:
        return Answer("No arm stops trials, so there is nothing to compare random search with.")
    quarter, half, end = (
        stopping.xs(share, level="budget_fraction") for share in (QUARTER, HALF, 1.0)
    )
    by_kind = {kind: half[[arm_kind(arms[arm]) == kind for arm in half.index]] for kind in KINDS}
    sentences = [
        "Normalised regret is 0 at the full search's best model and 1 at its median one, a worse one or "
        f"none. With half the budget random search has {random[HALF]}.",
        *(
            f"{capitalised(KINDS[kind])}: {_verdict_text(of_kind)}."
            for kind, of_kind in by_kind.items()
            if len(of_kind)
        ),
    ]
    if by_kind["both"].empty and len(by_kind["system"]) and len(by_kind["quality"]):
        sentences.append("No arm has rules of both sorts.")
    sentences += [
        f"With a quarter random search has {random[QUARTER]}: {_verdict_text(quarter)}.",
        _in_the_end(end["normalised_regret"]),
        _how_sure(count),
    ]
    left_out = len(anytime[REPLICATE].drop_duplicates()) - int(count["replicates"])
    if left_out:
        sentences.append(
            f"Left out: {counted(left_out, 'repetition')} of a data set and algorithm in which an arm is "
            "missing, or no completed trial is better than the median one."
        )
    return Answer(" ".join(sentences), claim=_claim(quarter, half, by_kind))


BETTER, WORSE, ALIKE, UNKNOWN = "better", "worse", "alike", "unknown"
_VERBS = {
    BETTER: ("finds better models", "find better models"),
    WORSE: ("finds worse models", "find worse models"),
    ALIKE: ("cannot be told from random search", "cannot be told from random search"),
    UNKNOWN: ("", ""),
}


def _verdicts(summary: pd.DataFrame) -> list[str]:
    """Return how the models of each row compare with random search's, by the difference's interval.

    It counts in hundredths, as it is shown: less matters to nobody.
    """
    return [
        UNKNOWN if math.isnan(low) else BETTER if high < 0 else WORSE if low > 0 else ALIKE
        for low, high in summary[["difference_low", "difference_high"]].round(2).to_numpy()
    ]


def _verdict_text(at_budget: pd.DataFrame) -> str:
    """Say of arms at one budget, each with its regret, which find better models and which worse ones."""
    parts = []
    for verdict, verbs in _VERBS.items():
        regrets = at_budget.loc[at_budget["verdict"] == verdict, "normalised_regret"]
        names = [f"{arm_label(arm)} ({_two_decimals(regret)})" for arm, regret in regrets.items()]
        if names:
            parts.append(f"{in_words(names)} {verbs[len(names) > 1]}".rstrip())
    return "; ".join(parts)


def _in_the_end(regrets: pd.Series) -> str:
    """Say what the arms lack once random search has tried the whole grid."""
    lacking = regrets[regrets.round(2) > 0].sort_values(ascending=False)
    if lacking.empty:
        return "With all of it every arm has a model as good as the full search's best."
    lost = [f"{arm_label(arm)} with {_two_decimals(regret)}" for arm, regret in lacking.items()]
    return (
        "With all of it random search has tried the whole grid and has 0; what the arms stopped leaves "
        f"{in_words(lost)}."
    )


def _how_sure(count: pd.Series) -> str:
    """Say what the verdicts rest on, by the numbers of the summary."""
    samples = int(count["samples"])
    if samples == 1:
        return "Each arm was searched once, so how much of this is chance is unknown."
    over = (
        counted(samples, "pair of data set and algorithm", "pairs of data set and algorithm")
        if count["pairs"] > 1
        else counted(samples, "repetition")
    )
    few = "" if samples >= ENOUGH_SAMPLES else ", too few to rule out chance"
    return (
        "An arm counts as better or worse if the 95 % interval of its difference from random search "
        f"leaves out 0 in the second decimal; it is over {over}{few}."
    )


def _claim(quarter: pd.DataFrame, half: pd.DataFrame, by_kind: Mapping[str, pd.DataFrame]) -> str:
    """Return the answer in one sentence; without intervals there is none."""
    if (half["verdict"] == UNKNOWN).any():
        return ""
    sooner, better = (
        [arm_label(arm) for arm in at_budget.index[at_budget["verdict"] == BETTER]]
        for at_budget in (quarter, half)
    )
    if better:
        others = [
            KINDS[kind]
            for kind, of_kind in by_kind.items()
            if len(of_kind) and not (of_kind["verdict"] == BETTER).any()
        ]
        but = f"; {in_words(others)} do not" if others else ""
        return f"With half the budget, {_find_better(better)} than random search{but}."
    if sooner:
        return (
            f"With a quarter of the budget, {_find_better(sooner)} than random search; with half, no "
            "arm does."
        )
    return "With half the budget, no arm finds measurably better models than random search."


def _find_better(arms: Sequence[str]) -> str:
    return f"{in_words(arms)} {_VERBS[BETTER][len(arms) > 1]}"


def anytime_limitations(arms: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say what the comparison at the same budget leaves open."""
    if all(arm_kind(arm) == "none" for arm in arms.values()):
        return []
    limitations = [
        "The best models at a budget are those of finished searches, whose trials are put in random "
        "orders afterwards. A rule that compares trials would have stopped others in another order. An "
        "arm that has tried the whole grid keeps its best, where in a larger grid it could go on.",
    ]
    if any(needs_baseline(arm) for arm in arms.values()):
        limitations.append(
            "Limits that are quantiles of the baseline are known from a full search beforehand. Its time "
            "counts in no arm's budget, so that these arms look better than they would on new data."
        )
    return limitations


ANYTIME = Subject(
    name="anytime",
    title="What finds the better model at the same budget",
    tables=(ANYTIME_TABLE,),
    question="RQ2",
    answer=lambda data: anytime_answer(data.tables["anytime"], data.config["arms"]),
    limitations=lambda data: anytime_limitations(
        {arm: data.config["arms"][arm] for arm in data.config["study"]["arms"]}
    ),
)
