"""What the trials of a study have shown each other so far, for a rule that compares them.

The live search keeps one scoreboard, the replay one for each virtual search, so that both ask the
rule about the same things.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sysstop.study.rules.base import ComparingRule, Curves
from sysstop.study.status import Status, Stop


@dataclass(frozen=True)
class Showing:
    """What a trial shows after a window: by what it is judged, and what others are compared with."""

    window: int
    """from 0"""
    own: float
    shown: float
    status: Status | None = None
    """how the trial ended with this window; None if it wants to go on, and so asks for a verdict"""


def compared_values(rule: ComparingRule, curves: Curves) -> tuple[np.ndarray, np.ndarray]:
    """Return a rule's own and shown values after each window (... x windows), NaN as the worst."""
    own, shown = rule.own_values(curves), rule.shown_values(curves)
    return np.where(np.isnan(own), np.inf, own), np.where(np.isnan(shown), np.inf, shown)


def showing_after(
    rule: ComparingRule, windows: Sequence[Mapping[str, float]], status: Status | None
) -> Showing | None:
    """Return what a trial shows after the last of its windows, None if the rule is not asked then.

    A window has its metrics by name. `status` says how the trial ended with it, if it did: what
    others are compared with includes every trial's last window.
    """
    window = len(windows) - 1
    if status is None and not rule.asks_after(window):
        return None
    curves = {rule.metric: np.array([row[rule.metric] for row in windows], dtype=float)}
    own, shown = compared_values(rule, curves)
    return Showing(window, float(own[-1]), float(shown[-1]), status)


class Scoreboard:
    """What trials have shown at each window, and at the end of their budget."""

    def __init__(self, rule: ComparingRule) -> None:
        self._rule = rule
        self._shown_at: defaultdict[int, list[float]] = defaultdict(list)
        self._finished: list[float] = []

    def signal(self, own: float, shown: float, window: int) -> float:
        """Note what a trial shows after a window; return the rule's signal, from what others showed."""
        others = self._shown_at[window]
        signal = self._rule.signal(own, window, others, self._finished)
        if self._rule.compares_windows:
            insort(others, shown)
        return signal

    def finish(self, shown: float) -> None:
        """Note what a trial shows that has used its whole budget."""
        insort(self._finished, shown)

    def show(self, showing: Showing) -> Stop | None:
        """Note what a trial shows; return whether it is to stop, None if it has ended by itself."""
        signal = self.signal(showing.own, showing.shown, showing.window)
        if showing.status == Status.COMPLETED:
            self.finish(showing.shown)
        if showing.status is None and signal > self._rule.limit:
            return Stop(self._rule.name, self._rule.metric, self._rule.limit, signal)
        return None

    def add_ended(self, curves: Curves, status: Status) -> None:
        """Note all that a trial showed which is over; its curves are one array of windows each."""
        own, shown = (values.tolist() for values in compared_values(self._rule, curves))
        last = len(own) - 1
        for window in range(len(own)):
            if window == last or self._rule.asks_after(window):
                ended = status if window == last else None
                self.show(Showing(window, own[window], shown[window], ended))
