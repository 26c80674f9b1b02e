"""The median stopping rule: worse than half of the others at the same point."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sysstop.run.provenance import for_readers
from sysstop.study.rules.base import NOT_ASKED, SHARES, ComparingRule, Curves, RuleStyle
from sysstop.study.wording import with_unit


@dataclass(frozen=True)
class MedianRule(ComparingRule):
    """Stop a trial whose best loss is worse than what a share of the others had on average.

    With the limit 0.5 it is the median stopping rule of Google Vizier (Golovin et al. 2017,
    doi:10.1145/3097983.3098043), which applies once three others have come as far.
    """

    name: ClassVar[str] = "median"
    stopped_is_candidate: ClassVar[bool] = True
    metric: ClassVar[str] = "val_loss"
    compares_windows: ClassVar[bool] = True
    limits: ClassVar[Sequence[float]] = SHARES
    least_others: ClassVar[int] = 3
    limit: float = 0.5

    def own_values(self, curves: Curves) -> np.ndarray:
        """Return the smallest validation loss so far."""
        return np.minimum.accumulate(curves[self.metric], axis=-1)

    def shown_values(self, curves: Curves) -> np.ndarray:
        """Return the mean validation loss so far."""
        losses = curves[self.metric]
        return losses.cumsum(axis=-1) / np.arange(1, losses.shape[-1] + 1)

    def signal(
        self, own: float, window: int, others: Sequence[float], finished: Sequence[float]
    ) -> float:
        """Return the share of the others whose mean loss is better than this trial's best."""
        if len(others) < self.least_others:
            return NOT_ASKED
        return bisect_left(others, own) / len(others)

    @property
    @for_readers
    def label(self) -> str:
        """What the rule is, as a noun within a sentence."""
        return f"median rule on {self.quantity}"

    @property
    @for_readers
    def style(self) -> RuleStyle:
        """A middle green."""
        return RuleStyle("Median rule", "#117a43")

    @for_readers
    def limit_text(self, digits: int = 3) -> str:
        """Return the share of the others in percent."""
        return with_unit(100 * self.limit, "%", digits)

    @for_readers
    def description(self, limit: str = "") -> str:
        """Return when the rule stops a trial, as the end of a sentence."""
        return (
            f"once more than {limit or self.limit_text()} of the others had a lower mean "
            f"{self.quantity} than its best"
        )
