"""Stopping rules: small pure objects that see the windows so far and answer stop or go on.

Every rule turns the windows of a trial into one number, its signal, and fires as soon as the signal
exceeds the rule's limit. The live search and the offline replay ask the very same objects.

A new rule is one class here, entered in `RULES`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

Window = Mapping[str, float]


@dataclass(frozen=True)
class Stop:
    """A rule's decision to stop: which metric crossed which limit, with which value."""

    rule: str
    metric: str
    limit: float
    value: float


class Rule(Protocol):
    """What every stopping rule offers.

    `stopped_is_candidate` says whether the model of a trial that the rule stopped may still be chosen
    as the best: a trial that broke a limit may not, one that ceased to improve may.
    """

    name: ClassVar[str]
    stopped_is_candidate: ClassVar[bool]
    metric: str
    limit: float
    grace_windows: int

    def signal(self, windows: Sequence[Window], steps_planned: int) -> float:
        """Return the number that is compared with the limit, from all windows so far."""
        ...


@dataclass(frozen=True)
class MetricLimit:
    """Stop as soon as a metric of the latest window exceeds the limit."""

    name: ClassVar[str] = "metric_limit"
    stopped_is_candidate: ClassVar[bool] = False
    metric: str
    limit: float
    grace_windows: int = 0

    def signal(self, windows: Sequence[Window], steps_planned: int) -> float:
        """Return the metric's value in the latest window, in the metric's unit."""
        return windows[-1][self.metric]


@dataclass(frozen=True)
class PredictedTrainTime:
    """Stop as soon as the training time predicted for the whole trial exceeds the limit.

    The prediction extrapolates linearly from the windows so far; the first window, which holds the
    warm-up, gives no pace of its own once there is a second one.
    """

    name: ClassVar[str] = "predicted_train_time"
    stopped_is_candidate: ClassVar[bool] = False
    limit: float
    grace_windows: int = 0
    metric: ClassVar[str] = "train_time_s"

    def signal(self, windows: Sequence[Window], steps_planned: int) -> float:
        """Return the predicted training time of the whole trial in seconds."""
        first, latest = windows[0], windows[-1]
        if len(windows) == 1:
            seconds_per_step = latest["train_time_s"] / latest["step"]
        else:
            seconds = latest["train_time_s"] - first["train_time_s"]
            seconds_per_step = seconds / (latest["step"] - first["step"])
        return latest["train_time_s"] + seconds_per_step * (steps_planned - latest["step"])


@dataclass(frozen=True)
class Plateau:
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

    def signal(self, windows: Sequence[Window], steps_planned: int) -> float:
        """Return the number of windows since the metric last improved."""
        best, best_at = windows[0][self.metric], 0
        for at, window in enumerate(windows):
            if window[self.metric] < best - self.min_improvement:
                best, best_at = window[self.metric], at
        return float(len(windows) - 1 - best_at)


RULES: dict[str, type] = {rule.name: rule for rule in (MetricLimit, PredictedTrainTime, Plateau)}


def decide(rule: Rule | None, windows: Sequence[Window], steps_planned: int) -> Stop | None:
    """Ask a rule whether a trial is to stop after these windows.

    A rule is not asked in its first `grace_windows` windows, nor once the planned steps are done. A
    signal that is not a number never stops a trial.
    """
    if rule is None or len(windows) <= rule.grace_windows:
        return None
    if windows[-1]["step"] >= steps_planned:
        return None
    value = rule.signal(windows, steps_planned)
    if value > rule.limit:
        return Stop(rule.name, rule.metric, rule.limit, value)
    return None
