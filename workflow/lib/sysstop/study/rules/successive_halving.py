"""Successive halving: at each rung only the best trials go on."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sysstop.run.provenance import for_readers
from sysstop.study.rules.base import SHARES, ComparingRule, Curves, RuleStyle
from sysstop.study.wording import with_unit


@dataclass(frozen=True)
class SuccessiveHalving(ComparingRule):
    """Keep a share of the trials at each rung, which lie at 1, 2, 4, 8, ... windows.

    Asynchronous (Li et al. 2020, arXiv:1810.05934), in the form that stops instead of pausing: a
    trial goes on if it is among the best share of those that have reached the rung so far.
    """

    name: ClassVar[str] = "successive_halving"
    stopped_is_candidate: ClassVar[bool] = True
    metric: ClassVar[str] = "val_loss"
    compares_windows: ClassVar[bool] = True
    limits: ClassVar[Sequence[float]] = SHARES
    limit: float = 0.5

    def asks_after(self, window: int) -> bool:
        """Return whether the window is a rung."""
        return (window + 1) & window == 0

    def own_values(self, curves: Curves) -> np.ndarray:
        """Return the validation loss of each window."""
        return curves[self.metric]

    def signal(
        self, own: float, window: int, others: Sequence[float], finished: Sequence[float]
    ) -> float:
        """Return the share of those at the rung, itself included, that are better than the trial."""
        return bisect_left(others, own) / (len(others) + 1)

    @property
    @for_readers
    def label(self) -> str:
        """What the rule is, as a noun within a sentence."""
        return f"successive halving on {self.quantity}"

    @property
    @for_readers
    def style(self) -> RuleStyle:
        """A light green."""
        return RuleStyle("Successive halving", "#6cc070")

    @for_readers
    def limit_text(self, digits: int = 3) -> str:
        """Return the share that is kept at a rung, in percent."""
        return with_unit(100 * self.limit, "%", digits)

    @for_readers
    def description(self, limit: str = "") -> str:
        """Return when the rule stops a trial, as the end of a sentence."""
        return f"once its {self.quantity} is not among the lowest {limit or self.limit_text()} at a rung"
