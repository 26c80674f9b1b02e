"""The arms: when each stops a trial, at which limit, and whether such a trial may be chosen."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import pandas as pd

from sysstop.report.subject import Subject
from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import (
    MISSING,
    NO_BREAK,
    algorithm_label,
    arm_label,
    arm_order,
    capitalised,
    number,
    percent,
    span,
)
from sysstop.study.arms import NO_RULE, needs_baseline, rule_with_limit, stopped_is_candidate
from sysstop.study.keys import PAIR, STUDY
from sysstop.study.rules import Rule


def arm_table(config: Mapping[str, Any]) -> pd.DataFrame:
    """Return the study's arms: name, when each stops a trial, and whether such a trial may win."""
    rows = []
    for name in arm_order(config["study"]["arms"]):
        arm = config["arms"][name]
        may_win = "yes" if stopped_is_candidate(arm) else "no"
        rows.append(
            {
                "Arm": arm_label(name),
                "Stops a trial": capitalised(arm_description(arm)),
                "A stopped trial may be chosen": MISSING if arm["rule"] == NO_RULE else may_win,
            }
        )
    return pd.DataFrame(rows)


def arm_rule(arm: Mapping[str, Any]) -> Rule:
    """Return the stopping rule of an arm that has one; a limit that is a quantile is a placeholder."""
    return rule_with_limit(arm, math.inf) if needs_baseline(arm) else rule_with_limit(arm)


def arm_description(arm: Mapping[str, Any], limits: Sequence[float] = ()) -> str:
    """Return when an arm of the config stops a trial, as the end of a sentence.

    `limits` are what its quantile became in the repetitions of one data set and algorithm, if that
    is known.
    """
    if arm["rule"] == NO_RULE:
        return "never: trains it to the end of its budget"
    if not needs_baseline(arm):
        return rule_with_limit(arm).description()
    known = [limit for limit in limits if not math.isnan(limit)]
    if not known:
        share = percent(arm["quantile"])
        limit = f"what {share} of the baseline's completed trials stay within"
        return rule_with_limit(arm, math.inf).description(limit)
    rule = rule_with_limit(arm, median(known))
    if number(min(known)) == number(max(known)):
        apart = ""
    else:
        apart = f"; {span(known)}{NO_BREAK}{rule.unit} over repetitions"
    return f"{rule.description()} (the {percent(arm['quantile'])} quantile of the baseline{apart})"


def arm_limits(trials: pd.DataFrame) -> pd.DataFrame:
    """Return what the rule of each study's arm was given: `limit`, in the metric's unit.

    Without the studies whose rule has none.
    """
    return trials[[*STUDY, "limit"]].drop_duplicates().dropna(subset="limit")


def arm_limits_table(trials: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    """Return what the quantiles became: a row per data set and algorithm, a column per arm.

    A cell has the median over the repetitions and, where they differ, their range in brackets.
    """
    limits = arm_limits(trials)
    arms = [
        name for name in arm_order(limits["arm"]) if needs_baseline(config["arms"].get(name, {}))
    ]
    limits = limits[limits["arm"].isin(arms)]
    heads = {
        name: f"{capitalised(arm_label(name))}: {rule_with_limit(config['arms'][name], math.inf).axis_label}"
        for name in arms
    }
    rows = [
        [dataset, algorithm_label(algorithm)]
        + [_limit_cell(of_pair.loc[of_pair["arm"] == name, "limit"]) for name in arms]
        for (dataset, algorithm), of_pair in limits.groupby(PAIR)
    ]
    return pd.DataFrame(rows, columns=["Data set", "Algorithm", *heads.values()])


def _limit_cell(limits: pd.Series) -> str:
    text = number(limits.median())
    return f"{text} ({span(limits)})" if number(limits.min()) != number(limits.max()) else text


ARMS_TABLE = ReportTable(
    name="arms",
    title="Arms",
    digest=lambda data: arm_table(data.config),
)

ARM_LIMITS_TABLE = ReportTable(
    name="arm_limits",
    title="Limits of the arms",
    sources=("trials",),
    naming=2,
    digest=lambda data: arm_limits_table(data.tables["trials"], data.config),
    note=(
        "What the limits given as quantiles of the baseline became: the median over the repetitions "
        "and, in brackets, the smallest and the largest. A different data set or algorithm has its "
        "own limit."
    ),
)


ARMS_METHOD = (
    "Every arm searches the same grid with the same seeds; the arms differ in their stopping "
    "rule alone, and the baseline has none. A limit given as a quantile is taken from the "
    "completed trials of the baseline with the same data set, algorithm and repetition. A trial "
    "that broke a limit on a system metric cannot be chosen as the best, because it is too "
    "costly to be wanted; a trial that was stopped because it had ceased to improve, or because others "
    "did better, can. A rule that compares trials judges each by what others have shown so far; a trial "
    "waits for its verdict, and for no other trial. "
    "Diverged trials are results, but never the best."
)


ARMS = Subject(name="arms", tables=(ARMS_TABLE,), method=lambda data: [ARMS_METHOD])
