"""A limit on a metric: the plain form of stopping on what a trial costs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from sysstop.run.provenance import for_readers
from sysstop.study.metrics import METRIC_BY_NAME, limitable_metrics, steady_system_metrics
from sysstop.study.rules.base import (
    LIMITS_ON_CPU_AND_MEMORY,
    LIMITS_ON_TIME,
    Curves,
    RuleStyle,
    TrialBounds,
    TrialRule,
    value_so_far,
)
from sysstop.study.rules.metric_colours import COLOURS, SPARE_COLOURS
from sysstop.study.wording import capitalised

TIME_UNITS = ("µs", "ms", "s")


@dataclass(frozen=True)
class MetricLimit(TrialRule):
    """Stop as soon as a trial's value of a metric so far (`value_so_far`) exceeds the limit."""

    name: ClassVar[str] = "metric_limit"
    stopped_is_candidate: ClassVar[bool] = False
    limits_system_metric: ClassVar[bool] = True
    takes_quantile: ClassVar[bool] = True
    metric: str
    limit: float
    grace_windows: int = 0

    def signals(self, curves: Curves, steps_planned: np.ndarray | int) -> np.ndarray:
        """Return the trial's value of the metric so far after each window, in the metric's unit."""
        return value_so_far(self.metric, curves)

    @classmethod
    def watched_metrics(cls) -> Sequence[str]:
        """Return the metrics of what a trial costs or has used."""
        return limitable_metrics()

    @classmethod
    def variants(cls, arms: Sequence[Mapping[str, Any]]) -> Sequence[Self]:
        """Return a limit on every system metric, and on what the arms limit besides.

        Of times the steady ones count; a limit on a wall time is replayed if an arm has one.
        """
        metrics = dict.fromkeys([*steady_system_metrics(), *(arm["metric"] for arm in arms)])
        return [cls(metric, limit=np.inf) for metric in metrics]

    @classmethod
    @for_readers
    def value_mistakes(
        cls, key: str, parameters: Mapping[str, Any], bounds: TrialBounds
    ) -> Iterator[str]:
        """Also yield the limits that no trial of this run can exceed."""
        yield from super().value_mistakes(key, parameters, bounds)
        metric, limit = parameters["metric"], parameters.get("limit", 0)
        memory_mb, seconds = bounds.memory_mb or math.inf, bounds.seconds or math.inf
        if metric in ("memory_mb", "memory_peak_mb") and limit > memory_mb:
            yield (
                f"{key}.limit: {limit} MB can never be exceeded on this machine, which has "
                f"{memory_mb:.0f} MB; use less"
            )
        if metric == "cpu_percent" and limit >= 100:
            yield (
                f"{key}.limit: {limit} % can never be exceeded: a trial runs on one core; use less "
                "than 100"
            )
        if metric == "steady_train_time_s" and limit >= seconds:
            yield (
                f"{key}.limit: {limit} s can never be exceeded, because budget.seconds ends trials "
                f"at {seconds} s; use less"
            )

    @property
    @for_readers
    def family(self) -> str:
        """The limits on time, or those on CPU and memory."""
        timed = METRIC_BY_NAME[self.metric].unit in TIME_UNITS
        return LIMITS_ON_TIME if timed else LIMITS_ON_CPU_AND_MEMORY

    @property
    @for_readers
    def style(self) -> RuleStyle:
        """The metric's colour; metrics without one share a few spare colours."""
        label = capitalised(self.quantity)
        if self.metric in COLOURS:
            return RuleStyle(label, *COLOURS[self.metric])
        others = [name for name in METRIC_BY_NAME if name not in COLOURS]
        return RuleStyle(label, SPARE_COLOURS[others.index(self.metric) % len(SPARE_COLOURS)])
