"""Stopping rules that compare a trial with the others of its study: the usual early stopping.

They are what stopping on system metrics has to be compared with. What such a rule sees depends on
which trials have run so far, so they are not replayed trial by trial but in the study's virtual
time (see `replay.virtual_searches`). They do not run live.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from sysstop.study.rules import Courses

SHARES = tuple(round(0.05 * step, 2) for step in range(1, 20))
NOT_ASKED = -np.inf


class ComparingRule(Protocol):
    """What every comparing rule offers; it stops a trial whose signal exceeds the limit.

    `limits` are those that the replay tries. Unless the rule `compares_windows`, it is not told what
    others have shown at the same window.
    """

    name: ClassVar[str]
    stopped_is_candidate: ClassVar[bool]
    metric: ClassVar[str]
    compares_windows: ClassVar[bool]
    limits: ClassVar[Sequence[float]]

    def asks_after(self, window: int) -> bool:
        """Return whether the rule is asked after a window (from 0)."""
        ...

    def own_values(self, courses: Courses) -> np.ndarray:
        """Return what a trial is judged by after each window (trials x windows)."""
        ...

    def shown_values(self, courses: Courses) -> np.ndarray:
        """Return what the others are compared with (trials x windows)."""
        ...

    def signal(
        self, own: float, window: int, others: Sequence[float], finished: Sequence[float]
    ) -> float:
        """Return the number that is compared with the limit.

        `own` is the trial's own value after its window `window` (from 0), `others` are the values
        shown at that window so far, in ascending order, and `finished` those shown by trials that
        used their whole budget, at its end.
        """
        ...


@dataclass(frozen=True)
class MedianRule:
    """Stop a trial whose best loss is worse than what a share of the others had on average.

    With the limit 0.5 it is the median stopping rule of Google Vizier (Golovin et al. 2017,
    doi:10.1145/3097983.3098043), which asks once three others have come as far.
    """

    name: ClassVar[str] = "median"
    stopped_is_candidate: ClassVar[bool] = True
    metric: ClassVar[str] = "val_loss"
    compares_windows: ClassVar[bool] = True
    limits: ClassVar[Sequence[float]] = SHARES
    least_others: ClassVar[int] = 3

    def asks_after(self, window: int) -> bool:
        """Return True: the rule is asked after every window."""
        return True

    def own_values(self, courses: Courses) -> np.ndarray:
        """Return the smallest validation loss so far."""
        return np.minimum.accumulate(courses[self.metric], axis=-1)

    def shown_values(self, courses: Courses) -> np.ndarray:
        """Return the mean validation loss so far."""
        losses = courses[self.metric]
        return losses.cumsum(axis=-1) / np.arange(1, losses.shape[-1] + 1)

    def signal(
        self, own: float, window: int, others: Sequence[float], finished: Sequence[float]
    ) -> float:
        """Return the share of the others whose mean loss is better than this trial's best."""
        if len(others) < self.least_others:
            return NOT_ASKED
        return bisect_left(others, own) / len(others)


@dataclass(frozen=True)
class BestCost:
    """Stop a trial that has cost more than a multiple of the cheapest finished one.

    After the early stopping on cost of Zeus (You et al. 2023, NSDI), here for training time.
    """

    name: ClassVar[str] = "best_cost"
    stopped_is_candidate: ClassVar[bool] = False
    metric: ClassVar[str] = "train_time_s"
    compares_windows: ClassVar[bool] = False
    limits: ClassVar[Sequence[float]] = tuple(np.geomspace(1, 32, 11).round(2).tolist())

    def asks_after(self, window: int) -> bool:
        """Return True: the rule is asked after every window."""
        return True

    def own_values(self, courses: Courses) -> np.ndarray:
        """Return the training time so far in seconds."""
        return courses[self.metric]

    shown_values = own_values

    def signal(
        self, own: float, window: int, others: Sequence[float], finished: Sequence[float]
    ) -> float:
        """Return the trial's training time as a multiple of the shortest finished one's."""
        return own / finished[0] if finished else NOT_ASKED


@dataclass(frozen=True)
class SuccessiveHalving:
    """Keep a share of the trials at each rung, which lie at 1, 2, 4, 8, ... windows.

    Asynchronous (Li et al. 2020, arXiv:1810.05934), in the form that stops instead of pausing: a
    trial goes on if it is among the best share of those that have come to the rung so far.
    """

    name: ClassVar[str] = "successive_halving"
    stopped_is_candidate: ClassVar[bool] = True
    metric: ClassVar[str] = "val_loss"
    compares_windows: ClassVar[bool] = True
    limits: ClassVar[Sequence[float]] = SHARES

    def asks_after(self, window: int) -> bool:
        """Return whether the window is a rung."""
        return (window + 1) & window == 0

    def own_values(self, courses: Courses) -> np.ndarray:
        """Return the validation loss of each window."""
        return courses[self.metric]

    shown_values = own_values

    def signal(
        self, own: float, window: int, others: Sequence[float], finished: Sequence[float]
    ) -> float:
        """Return the share of those at the rung, itself included, that are better than the trial."""
        return bisect_left(others, own) / (len(others) + 1)


COMPARING_RULES: tuple[ComparingRule, ...] = (MedianRule(), BestCost(), SuccessiveHalving())
