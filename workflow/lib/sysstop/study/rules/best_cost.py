"""A multiple of the least cost: stop what costs far more than the cheapest finished trial."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sysstop.run.provenance import for_readers
from sysstop.study.rules.base import NOT_ASKED, ComparingRule, Curves, RuleStyle
from sysstop.study.wording import number


@dataclass(frozen=True)
class BestCost(ComparingRule):
    """Stop a trial that has cost more than a multiple of the cheapest finished one.

    Modelled on the cost-based early stopping of Zeus (You et al. 2023, NSDI), here for steady
    training time. Until a trial has finished, nothing is stopped; where all trials run at once, those
    that cost most go on until the cheapest one ends.
    """

    name: ClassVar[str] = "best_cost"
    stopped_is_candidate: ClassVar[bool] = False
    metric: ClassVar[str] = "steady_train_time_s"
    compares_windows: ClassVar[bool] = False
    limits: ClassVar[Sequence[float]] = tuple(np.geomspace(1, 32, 11).round(2).tolist())
    allowed_limits: ClassVar[str] = "a multiple of at least 1"
    limit: float = 2.0

    @classmethod
    def allows_limit(cls, limit: float) -> bool:
        """Return whether the limit is such a multiple."""
        return math.isfinite(limit) and limit >= 1

    def own_values(self, curves: Curves) -> np.ndarray:
        """Return the steady training time so far in seconds."""
        return curves[self.metric]

    def signal(
        self, own: float, window: int, others: Sequence[float], finished: Sequence[float]
    ) -> float:
        """Return the trial's training time as a multiple of the shortest finished one's."""
        return own / finished[0] if finished else NOT_ASKED

    @property
    @for_readers
    def label(self) -> str:
        """What the rule is, as a noun within a sentence."""
        return f"multiple of the least {self.quantity}"

    @property
    @for_readers
    def style(self) -> RuleStyle:
        """The green of the median rule, dashed."""
        return RuleStyle("Multiple of least time", "#117a43", dashed=True)

    @for_readers
    def limit_text(self, digits: int = 3) -> str:
        """Return the multiple: "2 times"."""
        return f"{number(self.limit, digits)} times"

    @for_readers
    def description(self, limit: str = "") -> str:
        """Return when the rule stops a trial, as the end of a sentence."""
        return (
            f"as soon as its {self.quantity} exceeds {limit or self.limit_text()} the least of a "
            "finished trial"
        )
