"""What the baseline recorded of each trial, and where a rule would have stopped it.

The baseline trains every trial to the end, so its windows show what a rule would have seen. A trial
that the rule stops after a window has used what that window records, and its model is worth what
that window measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sysstop.study.keys import REPLICATE
from sysstop.study.metrics import metric_names
from sysstop.study.rules import Curves
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM

TRAIN_TIME = "steady_train_time_s"
"""What savings of time are counted in: it hardly depends on what else the machine does."""


@dataclass(frozen=True)
class Recording:
    """The trials of one study, mostly the baseline's, in the order of their ids.

    `curves` has each metric and `step` as an array of trials x windows, NaN where a trial had
    ended; `windows` counts the windows of each trial. `completed` is false for diverged trials.
    Failed trials are left out.
    """

    trial_ids: np.ndarray
    steps_planned: np.ndarray
    completed: np.ndarray
    windows: np.ndarray
    curves: Curves

    def after(self, metric: str, windows_used: np.ndarray) -> np.ndarray:
        """Return a metric of each trial at the end of its last used window (counted from 1)."""
        return at_window(self.curves[metric], windows_used)

    def saved_time_fraction(self, windows_used: np.ndarray) -> float:
        """Return the share of the steady training time that ending after so many windows saves.

        It is never negative: rounding errors can make a saving of nothing so.
        """
        used_s = self.after(TRAIN_TIME, windows_used).sum()
        return max(0.0, float(1 - used_s / self.after(TRAIN_TIME, self.windows).sum()))

    @property
    def winner(self) -> int | None:
        """The place of the baseline's best trial; of equal scores the first. None if all diverged."""
        scores = self.final_scores()
        return None if np.isnan(scores).all() else int(np.nanargmax(scores))

    def final_scores(self) -> np.ndarray:
        """Return the score of each trial with its whole budget, NaN where it diverged."""
        scores = np.where(self.completed, self.after("score", self.windows), np.nan)
        return np.where(np.isfinite(scores), scores, np.nan)


def at_window(values: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Return of `values` (trials x windows) that of each trial's window, which is counted from 1."""
    return np.take_along_axis(values, windows[:, None] - 1, axis=1)[:, 0]


@dataclass(frozen=True)
class Stops:
    """What a rule does to the trials of a recording: windows used by each, and which it stopped."""

    windows_used: np.ndarray
    stopped: np.ndarray


def recordings(
    trials: pd.DataFrame, windows: pd.DataFrame, arm: str = BASELINE_ARM
) -> Iterator[tuple[dict[str, Any], Recording]]:
    """Yield the keys (`REPLICATE`) and the recording of each study of an arm that has trials left.

    `trials` and `windows` fit `trials_schema` and `windows_schema`.
    """
    recorded_trials = trials[(trials["arm"] == arm) & (trials["status"] != Status.FAILED)]
    windows_of = dict(iter(windows[windows["arm"] == arm].groupby(REPLICATE)))
    for keys, of_study in recorded_trials.groupby(REPLICATE):
        of_study = of_study[of_study["steps_used"] > 0].sort_values("trial_id")
        if of_study.empty:
            continue
        recorded = windows_of[keys]
        trial_ids = of_study["trial_id"].to_numpy(str)
        recorded = recorded[recorded["trial_id"].isin(trial_ids)]
        row = np.searchsorted(trial_ids, recorded["trial_id"].to_numpy(str))
        column = recorded["window"].to_numpy() - 1
        shape = (len(trial_ids), column.max() + 1)
        curves = {}
        for name in ["step", *metric_names()]:
            curves[name] = np.full(shape, np.nan)
            curves[name][row, column] = recorded[name]
        yield (
            dict(zip(REPLICATE, keys, strict=True)),
            Recording(
                trial_ids,
                of_study["steps_planned"].to_numpy(),
                (of_study["status"] == Status.COMPLETED).to_numpy(),
                np.bincount(row, minlength=len(trial_ids)),
                curves,
            ),
        )


def replay_stops(signals: np.ndarray, recording: Recording, limit: float) -> Stops:
    """Return where a limit stops the trials.

    `signals` are a rule's `effective_signals` (trials x windows).
    """
    fires = signals > limit
    stopped = fires.any(axis=1)
    return Stops(np.where(stopped, fires.argmax(axis=1) + 1, recording.windows), stopped)


def best_left(recording: Recording, stops: Stops, stopped_is_candidate: bool) -> float:
    """Return the best score among the models left, NaN if none is.

    The models of completed trials are left, and if stopped trials stay candidates, so are theirs,
    as they were when stopped.
    """
    scores = recording.after("score", stops.windows_used)
    candidates = np.where(stops.stopped, stopped_is_candidate, recording.completed)
    scores = scores[candidates & np.isfinite(scores)]
    return scores.max() if len(scores) else np.nan
