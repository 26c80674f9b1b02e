"""A limit on the training time that a trial is predicted to take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from sysstop.run.provenance import for_readers
from sysstop.study.metrics import METRICS
from sysstop.study.rules.base import LIMITS_ON_TIME, Curves, RuleStyle, TrialRule
from sysstop.study.rules.metric_colours import COLOURS
from sysstop.study.wording import capitalised, metric_label


@dataclass(frozen=True)
class PredictedTrainTime(TrialRule):
    """Stop as soon as the training time predicted for the whole trial exceeds the limit.

    The prediction is `predicted_train_time`. In the first window, which includes the warm-up, it
    would be far too high, so the rule then uses only the time used so far.
    """

    name: ClassVar[str] = "predicted_train_time"
    stopped_is_candidate: ClassVar[bool] = False
    limits_system_metric: ClassVar[bool] = True
    takes_quantile: ClassVar[bool] = True
    limit: float
    metric: str = "steady_train_time_s"
    grace_windows: int = 0

    def signals(self, curves: Curves, steps_planned: np.ndarray | int) -> np.ndarray:
        """Return the training time predicted for the whole trial after each window, in seconds."""
        seconds = curves[self.metric]
        predicted = predicted_train_time(curves["step"], seconds, steps_planned)
        predicted[..., 0] = seconds[..., 0]
        return predicted

    @classmethod
    def watched_metrics(cls) -> Sequence[str]:
        """Return the metrics that grow with the steps, the default first."""
        growing = [metric.name for metric in METRICS if metric.prediction == "extrapolated"]
        return sorted(growing, key=lambda name: name != cls.metric)

    @classmethod
    def variants(cls, arms: Sequence[Mapping[str, Any]]) -> Sequence[Self]:
        """Return it on steady time, and on what the arms predict besides."""
        metrics = dict.fromkeys([cls.metric, *(arm.get("metric", cls.metric) for arm in arms)])
        return [cls(np.inf, metric) for metric in metrics]

    @property
    @for_readers
    def quantity(self) -> str:
        """The metric, as predicted."""
        return f"predicted {metric_label(self.metric)}"

    @property
    @for_readers
    def family(self) -> str:
        """The limits on time."""
        return LIMITS_ON_TIME

    @property
    @for_readers
    def style(self) -> RuleStyle:
        """The colour of the limit on the training time itself, dashed."""
        colour, _ = COLOURS.get(self.metric, COLOURS[type(self).metric])
        return RuleStyle(capitalised(self.quantity), colour, dashed=True)


def predicted_train_time(
    step: np.ndarray, seconds: np.ndarray, steps_planned: np.ndarray | int
) -> np.ndarray:
    """Return the training time of the whole trial as predicted after each window (... x windows).

    `step` and `seconds` (... x windows) are what the trial has used so far. They are extrapolated
    linearly from all windows but the first, which includes the warm-up; after the first window,
    from that one.
    """
    own_seconds, own_steps = seconds - seconds[..., :1], step - step[..., :1]
    own_seconds[..., 0], own_steps[..., 0] = seconds[..., 0], step[..., 0]
    return seconds + own_seconds / own_steps * (np.expand_dims(steps_planned, -1) - step)
