"""What a trial reports at the end of each window, and what its journal keeps of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sysstop.results.journal import FinishedTrial, window_columns
from sysstop.study.status import TrialEnd
from sysstop.study.studies import Trial


@dataclass(frozen=True)
class Window:
    """What a trial reports at the end of a window."""

    number: int
    """from 1"""
    step: int
    """training steps done since the trial began"""
    losses: np.ndarray
    """the training loss of each of the window's steps, mean over folds"""
    metrics: Mapping[str, float]
    """the value of each metric of the registry"""
    end: TrialEnd | None = None
    """how the trial ended with this window; None if it goes on"""
    core: int | None = None
    """the core that is reserved for the trial's process; None if none was free"""
    rule_wait_s: float = 0.0
    """how long the trial then waited for the verdict of a rule that compares trials"""

    @property
    def row(self) -> dict[str, float]:
        """The step and the metrics, by the names of their columns."""
        return {"step": self.step, **self.metrics}


def finished_trial(
    trial_id: str,
    trial: Trial,
    windows: Sequence[Window],
    end: TrialEnd,
    environment: Mapping[str, Any],
) -> FinishedTrial:
    """Return a trial that ended after these windows; a failed one may have none.

    `environment` is that of the host where it ran; empty if that is not known.
    """
    rows = [window.row for window in windows]
    return FinishedTrial(
        trial_id,
        trial.configuration,
        trial.steps_planned,
        end,
        environment,
        windows={name: [row[name] for row in rows] for name in window_columns()},
        losses=np.concatenate([[], *(window.losses for window in windows)]),
        core=windows[-1].core if windows else None,
    )
