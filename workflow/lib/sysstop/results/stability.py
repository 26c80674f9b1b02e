"""Which readings of step time are unstable, by the criteria of pyperf.

pyperf (https://pyperf.readthedocs.io) warns of a benchmark whose values spread over more than 10 % of
their mean, whose smallest or largest value is off the mean by more than 50 %, or whose values are
shorter than a millisecond.
"""

import numpy as np
import pandas as pd

FEW_READINGS, SPREAD, EXTREME, SHORT = "few", "spread", "extreme", "short"
CRITERIA = {
    FEW_READINGS: "fewer than three windows",
    SPREAD: "the windows' standard deviation is over 10 % of their mean",
    EXTREME: "a window is off the mean by more than 50 %",
    SHORT: "a window's steps take less than a millisecond in all",
}
"""What makes a trial's step time unstable."""

LEAST_READINGS = 3
LARGEST_SPREAD = 0.10
LARGEST_DEVIATION = 0.50
SHORTEST_MS = 1.0


def unstable_readings(windows: pd.DataFrame) -> pd.Series:
    """Return by trial id which of `CRITERIA` make its step time unstable, joined by commas.

    `windows` holds trial_id, step_time_ms and train_time_s (cumulative) of one study, in order. A
    window that is not a number (all of it was warm-up) is left out.
    """
    own_ms = 1e3 * windows.groupby("trial_id", sort=False)["train_time_s"].diff()
    own_ms = own_ms.fillna(1e3 * windows["train_time_s"])
    readings = windows.assign(own_ms=own_ms).dropna(subset="step_time_ms")
    by_trial = readings.groupby("trial_id", sort=False)
    step_time = by_trial["step_time_ms"].agg(["count", "mean", "std", "min", "max"])
    mean = step_time["mean"]
    deviation = np.maximum(step_time["max"] - mean, mean - step_time["min"])
    found = {
        FEW_READINGS: step_time["count"] < LEAST_READINGS,
        SPREAD: step_time["std"] > LARGEST_SPREAD * mean,
        EXTREME: deviation > LARGEST_DEVIATION * mean,
        SHORT: by_trial["own_ms"].min() < SHORTEST_MS,
    }
    named = pd.DataFrame({name: np.where(is_so, f"{name},", "") for name, is_so in found.items()})
    return pd.Series(named.sum(axis=1).str.rstrip(",").to_numpy(), index=step_time.index)
