"""The arms: when each stops a trial, and whether such a trial may be chosen."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import (
    MISSING,
    arm_label,
    arm_order,
    capitalised,
    counted,
    metric_label,
    number,
    percent,
    with_unit,
)
from sysstop.study.arms import NO_RULE, stopped_is_candidate
from sysstop.study.metrics import METRIC_BY_NAME
from sysstop.study.rules import RULES


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


def arm_description(arm: Mapping[str, Any]) -> str:
    """Return when an arm of the config stops a trial, as the end of a sentence."""
    if arm["rule"] == NO_RULE:
        return "never: trains it to the end of its budget"
    rule = RULES[arm["rule"]]
    metric = METRIC_BY_NAME[arm.get("metric", getattr(rule, "metric", None))]
    if "patience" in arm:
        improvement = arm.get("min_improvement", 0)
        by = f" by more than {number(improvement)}" if improvement else ""
        return (
            f"once its {metric.label.lower()} has not fallen{by} for more than "
            f"{counted(arm['patience'], 'window')}"
        )
    if "quantile" in arm:
        limit = f"what {percent(arm['quantile'])} of the baseline's completed trials stay within"
    else:
        limit = with_unit(arm["limit"], metric.unit)
    predicted = "predicted " if rule.name.startswith("predicted") else ""
    return f"as soon as its {predicted}{metric_label(metric.name)} exceeds {limit}"


ARMS_TABLE = ReportTable(
    name="arms",
    title="Arms",
    digest=lambda data: arm_table(data.config),
)


ARMS_METHOD = (
    "Every arm searches the same grid with the same seeds; the arms differ in their stopping "
    "rule alone, and the baseline has none. A limit given as a quantile is taken from the "
    "completed trials of the baseline with the same data set, algorithm and repetition. A trial "
    "that broke a limit on a system metric cannot be chosen as the best, because it is too "
    "costly to be wanted; a trial that the plateau rule stopped can, because it had ceased to "
    "improve. Diverged trials are results, but never the best."
)
