"""The plateau of a loss: the usual early stopping, which looks only at the trial's own model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from sysstop.run.provenance import for_readers
from sysstop.study.metrics import METRICS
from sysstop.study.rules.base import Curves, RuleStyle, TrialBounds, TrialRule
from sysstop.study.wording import counted, number


@dataclass(frozen=True)
class Plateau(TrialRule):
    """Stop when a metric has not fallen by `min_improvement` for more than `patience` windows.

    This is the ordinary early stopping on the validation loss that system limits are compared with.
    """

    name: ClassVar[str] = "plateau"
    stopped_is_candidate: ClassVar[bool] = True
    patience: int
    metric: str = "val_loss"
    min_improvement: float = 0.0
    grace_windows: int = 0

    @property
    def limit(self) -> float:
        """The windows without improvement that are tolerated."""
        return float(self.patience)

    def signals(self, curves: Curves, steps_planned: np.ndarray | int) -> np.ndarray:
        """Return the number of windows since the metric last improved."""
        values = curves[self.metric]
        best, since_best = values[..., 0], np.zeros(values.shape)
        for window in range(1, values.shape[-1]):
            improved = values[..., window] < best - self.min_improvement
            best = np.where(improved, values[..., window], best)
            since_best[..., window] = np.where(improved, 0, since_best[..., window - 1] + 1)
        return since_best

    @classmethod
    def watched_metrics(cls) -> Sequence[str]:
        """Return the metrics that fall as a model improves, the default first."""
        falling = [
            metric.name
            for metric in METRICS
            if metric.kind == "quality" and metric.direction == "down"
        ]
        return sorted(falling, key=lambda name: name != cls.metric)

    @classmethod
    def at(cls, metric: str, limit: float) -> Self:
        """Return the rule with this patience."""
        return cls(patience=limit, metric=metric)

    @classmethod
    def variants(cls, arms: Sequence[Mapping[str, Any]]) -> Sequence[Self]:
        """Return the rule with the least improvement of the first arm."""
        least = arms[0].get("min_improvement", 0.0) if arms else 0.0
        return [cls(patience=0, min_improvement=least)]

    @classmethod
    @for_readers
    def value_mistakes(
        cls, key: str, parameters: Mapping[str, Any], bounds: TrialBounds
    ) -> Iterator[str]:
        """Also yield a patience that the budget cannot exhaust, and a negative improvement."""
        yield from super().value_mistakes(key, parameters, bounds)
        improvement, patience = parameters.get("min_improvement", 0), parameters["patience"]
        if improvement < 0:
            yield f"{key}.min_improvement: found {improvement}; it cannot be negative"
        if not 0 <= patience < bounds.windows - 2:
            yield (
                f"{key}.patience: found {patience}; with the budget's {bounds.windows} windows it "
                f"must be at least 0 and below {bounds.windows - 2}, or it can never be exceeded "
                "before the last window; change it, or raise budget.steps"
            )

    @property
    @for_readers
    def label(self) -> str:
        """What the rule is, as a noun within a sentence."""
        return f"plateau of {self.quantity}"

    @property
    @for_readers
    def style(self) -> RuleStyle:
        """The darkest green."""
        return RuleStyle("Plateau of loss", "#00441b")

    @for_readers
    def limit_text(self, digits: int = 3) -> str:
        """Return the patience in windows."""
        return counted(round(self.limit), "window")

    @for_readers
    def description(self, limit: str = "") -> str:
        """Return when the rule stops a trial, as the end of a sentence."""
        by = f" by more than {number(self.min_improvement)}" if self.min_improvement else ""
        return f"once its {self.quantity} has not fallen{by} for more than {self.limit_text()}"
