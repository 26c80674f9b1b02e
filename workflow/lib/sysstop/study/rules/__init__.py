"""The registry of stopping rules: a new one is a file here with its class, listed in `RULES`."""

from collections.abc import Mapping
from typing import Any

from sysstop.study.rules.base import (
    CONSTRAINTS,
    ComparingRule,
    Curves,
    Rule,
    RuleStyle,
    TrialBounds,
    TrialRule,
    value_so_far,
)
from sysstop.study.rules.best_cost import BestCost
from sysstop.study.rules.constraints import Constraints
from sysstop.study.rules.decision import decide, effective_signals
from sysstop.study.rules.first_of import ArmRule, FirstOf, comparing_part
from sysstop.study.rules.median import MedianRule
from sysstop.study.rules.metric_limit import MetricLimit
from sysstop.study.rules.plateau import Plateau
from sysstop.study.rules.predicted_train_time import PredictedTrainTime, predicted_train_time
from sysstop.study.rules.scoreboard import Scoreboard, Showing, compared_values, showing_after
from sysstop.study.rules.successive_halving import SuccessiveHalving

__all__ = [
    "CONSTRAINTS",
    "RULES",
    "ArmRule",
    "BestCost",
    "ComparingRule",
    "Constraints",
    "Curves",
    "FirstOf",
    "MedianRule",
    "MetricLimit",
    "Plateau",
    "PredictedTrainTime",
    "Rule",
    "RuleStyle",
    "Scoreboard",
    "Showing",
    "SuccessiveHalving",
    "TrialBounds",
    "TrialRule",
    "compared_values",
    "comparing_part",
    "decide",
    "effective_signals",
    "predicted_train_time",
    "rule_at",
    "rule_from",
    "showing_after",
    "value_so_far",
]

RULES: dict[str, type[Rule]] = {
    rule.name: rule
    for rule in (
        MetricLimit,
        PredictedTrainTime,
        Plateau,
        Constraints,
        MedianRule,
        BestCost,
        SuccessiveHalving,
    )
}
"""The rules by their names in the config."""


def rule_at(name: str, metric: str, limit: float = float("inf")) -> Rule:
    """Return the rule that a table's row identifies by rule, metric and limit."""
    return RULES[name].at(metric, limit)


def rule_from(data: Mapping[str, Any]) -> ArmRule:
    """Return the rule whose `as_data` this is."""
    if data["name"] == FirstOf.name:
        return FirstOf([rule_from(part) for part in data["parts"]])
    parameters = {name: value for name, value in data.items() if name != "name"}
    return RULES[data["name"]].with_parameters(parameters)
