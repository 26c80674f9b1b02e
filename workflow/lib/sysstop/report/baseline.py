"""What the baseline's completed trials say about the batch size."""

import pandas as pd

from sysstop.study.hyperparameters import BATCH_SIZE
from sysstop.study.keys import PAIR
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM

STEP_TIME, SAMPLE_TIME = "steady_step_time_ms", "steady_sample_time_us"
# Samples that cost at most this multiple of the cheapest are called cheap.
CHEAP_FACTOR = 2.0


def completed_baseline(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that show a configuration's full cost: of the baseline, and completed."""
    return trials[(trials["arm"] == BASELINE_ARM) & (trials["status"] == Status.COMPLETED)]


def cheap_batch_sizes(trials: pd.DataFrame) -> pd.Series:
    """Return for each data set and algorithm from which batch size on samples are cheap.

    It is the smallest batch size of the grid whose median steady time per sample is at most
    `CHEAP_FACTOR` times the least median.
    """
    times = completed_baseline(trials).groupby([*PAIR, BATCH_SIZE])[SAMPLE_TIME].median()
    cheap = times <= CHEAP_FACTOR * times.groupby(level=PAIR).transform("min")
    return times[cheap].reset_index().groupby(PAIR)[BATCH_SIZE].min()
