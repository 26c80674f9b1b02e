"""Stopping rules: small pure objects that see the windows so far and answer stop or go on.

Every rule turns each window of a trial into one number, its signal, and fires as soon as the signal
exceeds the rule's limit. The live search and the offline replay ask the very same objects: the
search about one trial after each window, the replay about all windows of all trials at once.

A new rule is one class here, entered in `RULES`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

Window = Mapping[str, float]
Courses = Mapping[str, np.ndarray]
"""Metrics by name, each an array whose last axis is a trial's windows (... x windows)."""


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

    def signals(self, courses: Courses, steps_planned: np.ndarray | int) -> np.ndarray:
        """Return the number that is compared with the limit after each window (... x windows).

        What it says after a window depends on that window and those before it alone. `courses`
        has at least `step` and the rule's metric; `steps_planned` fits their leading axes.
        """
        ...


@dataclass(frozen=True)
class MetricLimit:
    """Stop as soon as a metric of the latest window exceeds the limit."""

    name: ClassVar[str] = "metric_limit"
    stopped_is_candidate: ClassVar[bool] = False
    metric: str
    limit: float
    grace_windows: int = 0

    def signals(self, courses: Courses, steps_planned: np.ndarray | int) -> np.ndarray:
        """Return the metric's value in each window, in the metric's unit."""
        return courses[self.metric]


@dataclass(frozen=True)
class PredictedTrainTime:
    """Stop as soon as the training time predicted for the whole trial exceeds the limit.

    The prediction is `predicted_train_time`. That of the first window holds the warm-up and would
    be far too high, so that the rule then asks for the time used so far alone.
    """

    name: ClassVar[str] = "predicted_train_time"
    stopped_is_candidate: ClassVar[bool] = False
    limit: float
    grace_windows: int = 0
    metric: ClassVar[str] = "train_time_s"

    def signals(self, courses: Courses, steps_planned: np.ndarray | int) -> np.ndarray:
        """Return the training time predicted for the whole trial after each window, in seconds."""
        seconds = courses[self.metric]
        predicted = predicted_train_time(courses["step"], seconds, steps_planned)
        predicted[..., 0] = seconds[..., 0]
        return predicted


def predicted_train_time(
    step: np.ndarray, seconds: np.ndarray, steps_planned: np.ndarray | int
) -> np.ndarray:
    """Return the training time of the whole trial as predicted after each window (... x windows).

    `step` and `seconds` (... x windows) are what the trial has used until then. It is extrapolated
    linearly from all windows but the first, which holds the warm-up; after that one from itself.
    """
    own_seconds, own_steps = seconds - seconds[..., :1], step - step[..., :1]
    own_seconds[..., 0], own_steps[..., 0] = seconds[..., 0], step[..., 0]
    return seconds + own_seconds / own_steps * (np.expand_dims(steps_planned, -1) - step)


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

    def signals(self, courses: Courses, steps_planned: np.ndarray | int) -> np.ndarray:
        """Return the number of windows since the metric last improved."""
        values = courses[self.metric]
        best, since_best = values[..., 0], np.zeros(values.shape)
        for window in range(1, values.shape[-1]):
            improved = values[..., window] < best - self.min_improvement
            best = np.where(improved, values[..., window], best)
            since_best[..., window] = np.where(improved, 0, since_best[..., window - 1] + 1)
        return since_best


RULES: dict[str, type] = {rule.name: rule for rule in (MetricLimit, PredictedTrainTime, Plateau)}


def heeded_signals(rule: Rule, courses: Courses, steps_planned: np.ndarray | int) -> np.ndarray:
    """Return a rule's signals after each window, minus infinity where they can stop nothing.

    A rule is not asked in its first `grace_windows` windows, nor once the planned steps are done. A
    signal that is not a number never stops a trial.
    """
    signals = np.array(rule.signals(courses, steps_planned), dtype=float)
    # Not so where a trial is done, nor where it had ended before (its step is not a number).
    goes_on = courses["step"] < np.expand_dims(steps_planned, -1)
    signals[~goes_on | np.isnan(signals)] = -np.inf
    signals[..., : rule.grace_windows] = -np.inf
    return signals


def decide(rule: Rule | None, windows: Sequence[Window], steps_planned: int) -> Stop | None:
    """Ask a rule whether a trial is to stop after these windows."""
    if rule is None:
        return None
    courses = {
        name: np.array([window[name] for window in windows], dtype=float)
        for name in ("step", rule.metric)
    }
    value = float(heeded_signals(rule, courses, steps_planned)[-1])
    if value > rule.limit:
        return Stop(rule.name, rule.metric, rule.limit, value)
    return None
