"""The application's own limits, all of them in one rule: the first that is broken stops a trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from sysstop.run.provenance import for_readers
from sysstop.study.rules.base import CONSTRAINTS, Curves, RuleStyle, TrialRule, value_so_far
from sysstop.study.rules.metric_limit import MetricLimit
from sysstop.study.status import Stop
from sysstop.study.wording import NO_BREAK, number


@dataclass(frozen=True)
class Constraints(TrialRule):
    """Stop as soon as a trial's value of a metric so far exceeds `limit` times its constraint.

    `constraints` are the config's section of that name, the largest value by metric. So the signal is
    the largest multiple of a constraint that any of the metrics has reached.
    """

    name: ClassVar[str] = CONSTRAINTS
    stopped_is_candidate: ClassVar[bool] = False
    limits_system_metric: ClassVar[bool] = True
    takes_constraints: ClassVar[bool] = True
    metric: ClassVar[str] = CONSTRAINTS
    constraints: dict[str, float] = field(default_factory=dict)
    limit: float = 1.0
    grace_windows: int = 0

    @property
    def metrics(self) -> Sequence[str]:
        """The constrained metrics."""
        return list(self.constraints)

    @property
    def limits(self) -> list[MetricLimit]:
        """The limit on each of the metrics."""
        return [
            MetricLimit(metric, self.limit * largest, self.grace_windows)
            for metric, largest in self.constraints.items()
        ]

    def signals(self, curves: Curves, steps_planned: np.ndarray | int) -> np.ndarray:
        """Return the largest multiple of a constraint so far; what is not read counts not."""
        return np.fmax.reduce(
            [value_so_far(metric, curves) / largest for metric, largest in self.constraints.items()]
        )

    def stop(self, curves: Curves, signal: float) -> Stop:
        """Return the first of the constraints that the trial breaks after its latest window."""
        reached = {metric: float(value_so_far(metric, curves)[-1]) for metric in self.constraints}
        broken = next(
            limit
            for limit in self.limits
            if reached[limit.metric] / self.constraints[limit.metric] > self.limit
        )
        return Stop(self.name, broken.metric, broken.limit, reached[broken.metric])

    @classmethod
    def variants(cls, arms: Sequence[Mapping[str, Any]]) -> Sequence[Self]:
        """Return it with the config's constraints if an arm has the rule."""
        return [cls(arm[CONSTRAINTS]) for arm in arms[:1]]

    @property
    @for_readers
    def quantity(self) -> str:
        """What is compared with the limit."""
        return "largest multiple of a constraint"

    @property
    @for_readers
    def unit(self) -> str:
        """Multiples have none."""
        return ""

    @property
    @for_readers
    def label(self) -> str:
        """What the rule is, as a noun within a sentence."""
        return "limit on all constraints"

    @property
    @for_readers
    def style(self) -> RuleStyle:
        """The red in which limits of the application are drawn."""
        return RuleStyle("Constraints", "#b2182b")

    @for_readers
    def limit_text(self, digits: int = 3) -> str:
        """Return the multiple: "1.2 times the constraints"."""
        return f"{number(self.limit, digits)}{NO_BREAK}times the constraints"

    @for_readers
    def description(self, limit: str = "") -> str:
        """Return when the rule stops a trial, as the end of a sentence, with each metric's limit."""
        parts = [f"its {one.quantity} exceeds {one.limit_text()}" for one in self.limits]
        return f"as soon as {' or '.join(parts)}" if parts else super().description(limit)
