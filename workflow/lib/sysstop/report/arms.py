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
    in_words,
    number,
    percent,
    span,
    spoken,
)
from sysstop.study.arms import arm_rules, candidate_after, needs_baseline, rule_with_limit
from sysstop.study.keys import PAIR, STUDY
from sysstop.study.rules import Rule


def arm_table(config: Mapping[str, Any]) -> pd.DataFrame:
    """Return the study's arms: name, when each stops a trial, and whether such a trial may win."""
    rows = []
    for name in arm_order(config["study"]["arms"]):
        arm = config["arms"][name]
        rows.append(
            {
                "Arm": arm_label(name),
                "Stops a trial": capitalised(arm_description(arm)),
                "A stopped trial may be chosen": _may_be_chosen(arm),
            }
        )
    return pd.DataFrame(rows)


def arm_rule_label(arm: Mapping[str, Any]) -> str:
    """Return what stops an arm's trials, as a noun: "limit on step time or plateau of validation loss"."""
    return " or ".join(_rule(entry).label for entry in arm_rules(arm))


def _rule(entry: Mapping[str, Any]) -> Rule:
    """Return the rule of an entry; a limit that is a quantile is a placeholder."""
    return rule_with_limit(entry, math.inf) if "quantile" in entry else rule_with_limit(entry)


def arm_description(arm: Mapping[str, Any], limits: Sequence[float] = ()) -> str:
    """Return when an arm of the config stops a trial, as the end of a sentence.

    `limits` are what the quantile of its only rule became in the repetitions of one data set and
    algorithm, if that is known.
    """
    rules = arm_rules(arm)
    if not rules:
        return "never: trains it to the end of its budget"
    return ", or ".join(_rule_description(entry, limits) for entry in rules)


def _rule_description(entry: Mapping[str, Any], limits: Sequence[float]) -> str:
    if "quantile" not in entry:
        return rule_with_limit(entry).description()
    known = [limit for limit in limits if not math.isnan(limit)]
    if not known:
        share = percent(entry["quantile"])
        limit = f"what {share} of the baseline's completed trials stay within"
        return _rule(entry).description(limit)
    rule = rule_with_limit(entry, median(known))
    if number(min(known)) == number(max(known)):
        apart = ""
    else:
        apart = f"; {span(known)}{NO_BREAK}{rule.unit} over repetitions"
    return (
        f"{rule.description()} (the {percent(entry['quantile'])} quantile of the baseline{apart})"
    )


def _may_be_chosen(arm: Mapping[str, Any]) -> str:
    """Say whether a trial that the arm stopped may be chosen as the best."""
    after = candidate_after(arm)
    if len(set(after.values())) > 1:
        kept = [spoken(name) for name, is_candidate in after.items() if is_candidate]
        return f"if {in_words(kept, 'or')} stopped it"
    return {(): MISSING, (True,): "yes", (False,): "no"}[tuple(set(after.values()))]


def arm_limits(trials: pd.DataFrame) -> pd.DataFrame:
    """Return what the rule of each study's arm was given: `limit`, in the metric's unit.

    Without the studies that have none or, with several rules, more than one.
    """
    return trials[[*STUDY, "limit"]].drop_duplicates().dropna(subset="limit")


def arm_limits_table(trials: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    """Return what the quantiles became: a row per data set and algorithm, a column per arm.

    A cell has the median over the repetitions and, where they differ, their range in brackets.
    """
    limits = arm_limits(trials)
    arms = [name for name in arm_order(limits["arm"]) if needs_baseline(config["arms"][name])]
    limits = limits[limits["arm"].isin(arms)]
    heads = {
        name: f"{capitalised(arm_label(name))}: {_rule(config['arms'][name]).axis_label}"
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
        "and, in brackets, the smallest and the largest; of arms with one rule. A different data set "
        "or algorithm has its own limit."
    ),
)


ARMS_METHOD = (
    "Every arm searches the same grid with the same seeds; the arms differ in their stopping "
    "rule alone, and the baseline has none. A limit given as a quantile is taken from the "
    "completed trials of the baseline with the same data set, algorithm and repetition. A trial "
    "that broke a limit on a system metric cannot be chosen as the best, because it is too "
    "costly to be wanted; a trial that was stopped because it had ceased to improve, or because others "
    "did better, can. Where an arm has several rules, the first that fires is the reason. A rule that "
    "compares trials judges each by what others have shown so far; a trial waits for its verdict, and "
    "for no other trial. "
    "Diverged trials are results, but never the best."
)


ARMS = Subject(name="arms", tables=(ARMS_TABLE,), method=lambda data: [ARMS_METHOD])
