"""How the windows of trials become rows of a table, and each trial's one value of every metric."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sysstop.results.journal import FinishedTrial
from sysstop.study.metrics import METRICS


def window_rows(trials: Sequence[FinishedTrial]) -> pd.DataFrame:
    """Return one row per trial and window: trial_id, window (from 1), step and all metrics."""
    parts = []
    for trial in trials:
        parts.append(pd.DataFrame(trial.windows, dtype=float))
        parts[-1].insert(0, "window", np.arange(1, len(parts[-1]) + 1))
        parts[-1].insert(0, "trial_id", trial.trial_id)
    return pd.concat(parts)


def trial_values(windows: pd.DataFrame) -> pd.DataFrame:
    """Return each trial's steps and metrics by trial id, from its `window_rows`.

    The registry of metrics says how the values of a metric's windows become one.
    """
    by_trial = windows.groupby("trial_id", sort=False)
    values = by_trial.agg({metric.name: metric.over_windows for metric in METRICS})
    values["steps_used"] = by_trial["step"].last()
    # groupby's "last" skips missing values, but a diverged trial's score is missing for good.
    final = by_trial.tail(1).set_index("trial_id")
    for metric in METRICS:
        if metric.over_windows == "last":
            values[metric.name] = final[metric.name]
    return values


def trial_rows(trials: Sequence[FinishedTrial], windows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per trial: what it is, how it ended, and its value of each metric.

    `windows` are the trials' `window_rows`.
    """
    rows = pd.DataFrame([trial.row | trial.configuration.values for trial in trials])
    rows = rows.join(trial_values(windows), on="trial_id")
    rows["steps_used"] = rows["steps_used"].fillna(0)
    return rows
