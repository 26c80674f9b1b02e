"""Successive halving: at each rung only the best trials go on."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sysstop.run.provenance import for_readers
from sysstop.study.rules.base import Curves, RuleStyle
from sysstop.study.rules.quantile_rule import QuantileRule


@dataclass(frozen=True)
class SuccessiveHalving(QuantileRule):
    """Keep a share of the trials at each rung, which lie at 1, 2, 4, 8, ... windows.

    Asynchronous (Li et al. 2020, arXiv:1810.05934), in the form that stops instead of pausing: a
    trial goes on if it is among the best share of those that have reached the rung so far.

    With the limit 0.5 it decides as Ray Tune's `AsyncHyperBandScheduler` does with
    `time_attr="training_iteration"` (a window), `grace_period=1`, `reduction_factor=2` and one
    bracket. With another limit Ray also moves the rungs apart, by its reduction factor 1 / `limit`;
    here they stay. Ray leaves out losses that are not a number; here they count as the worst.
    """

    name: ClassVar[str] = "successive_halving"
    least_others: ClassVar[int] = 1
    limit: float = 0.5

    def asks_after(self, window: int) -> bool:
        """Return whether the window is a rung."""
        return (window + 1) & window == 0

    def own_values(self, curves: Curves) -> np.ndarray:
        """Return the validation loss of each window."""
        return curves[self.metric]

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
    def description(self, limit: str = "") -> str:
        """Return when the rule stops a trial, as the end of a sentence."""
        return f"once its {self.quantity} is not among the lowest {limit or self.limit_text()} at a rung"
