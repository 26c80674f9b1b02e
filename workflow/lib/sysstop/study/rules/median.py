"""The median stopping rule: worse than half of the others at the same point."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sysstop.run.provenance import for_readers
from sysstop.study.rules.base import Curves, RuleStyle
from sysstop.study.rules.quantile_rule import QuantileRule


@dataclass(frozen=True)
class MedianRule(QuantileRule):
    """Stop a trial whose best loss is worse than what a share of the others had on average.

    With the limit 0.5 it is the median stopping rule of Google Vizier (Golovin et al. 2017,
    doi:10.1145/3097983.3098043), which applies once three others have come as far.

    Then it decides as Ray Tune's `MedianStoppingRule` does with `time_attr="training_iteration"` (a
    window), `grace_period=1`, `min_samples_required=3` and `hard_stop=True`. While too few have come
    as far, Ray pauses a trial for others that wait, unless `min_time_slice` forbids it; here it goes
    on. Ray leaves out means that are not finite; here they count as the worst.
    """

    name: ClassVar[str] = "median"
    least_others: ClassVar[int] = 3
    limit: float = 0.5

    def own_values(self, curves: Curves) -> np.ndarray:
        """Return the smallest validation loss so far."""
        return np.minimum.accumulate(curves[self.metric], axis=-1)

    def shown_values(self, curves: Curves) -> np.ndarray:
        """Return the mean validation loss so far."""
        losses = curves[self.metric]
        return losses.cumsum(axis=-1) / np.arange(1, losses.shape[-1] + 1)

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
    def description(self, limit: str = "") -> str:
        """Return when the rule stops a trial, as the end of a sentence."""
        return (
            f"once more than {limit or self.limit_text()} of the others had a lower mean "
            f"{self.quantity} than its best"
        )
