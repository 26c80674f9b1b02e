"""How far readings differ where nothing differs: the noise floor, from trials that ran twice.

A trial that no rule stopped is the baseline's trial once more, bit for bit in every machine-learning
metric. What differs between the two is noise, and drift of the machine's speed. An arm of its own
with the rule `none` repeats the whole baseline (an A/A comparison); other arms repeat what they let
run.
"""

import numpy as np
import pandas as pd
import pandera.pandas as pa

from sysstop.results.tables import checked, described_by
from sysstop.study.keys import PAIR, REPLICATE, STUDY
from sysstop.study.metrics import metric_names
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM

# Studies that agree in these and differ in their arm alone are compared with each other.
FLOOR_QUANTILE = 0.95
# The drift of a study is not told from fewer trials.
LEAST_REPEATED_TRIALS = 3
_NUMBER = {"nullable": True, "coerce": True}

NOISE_SCHEMA = pa.DataFrameSchema(
    {
        **described_by(PAIR),
        "metric": pa.Column(str, coerce=True),
        "repeated_trials": pa.Column(int, pa.Check.ge(1), coerce=True),
        "median_difference": pa.Column(float, pa.Check.ge(0), **_NUMBER),
        "floor": pa.Column(float, pa.Check.ge(0), **_NUMBER),
    },
    strict=True,
    unique=[*PAIR, "metric"],
    ordered=True,
)


def repeated_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the completed trials of other arms that the baseline completed too, in as many steps.

    Each metric stands there twice: as it is, and with the suffix `_of_baseline`.
    """
    completed = trials[trials["status"] == Status.COMPLETED]
    is_baseline = completed["arm"] == BASELINE_ARM
    keys = [*REPLICATE, "trial_id", "steps_used"]
    baseline = completed.loc[is_baseline, [*keys, *metric_names("system")]]
    return completed[~is_baseline].merge(baseline, on=keys, suffixes=("", "_of_baseline"))


def noise_table(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the noise floor of each system metric, by data set and algorithm (`NOISE_SCHEMA`).

    `median_difference` and `floor` are the median and the 95 % quantile of the relative difference
    between the two readings of a repeated trial. A pair without repeated trials has no row.
    """
    repeated = repeated_trials(trials)
    rows = []
    for (dataset, algorithm), of_pair in repeated.groupby(PAIR):
        for metric in metric_names("system"):
            difference = (of_pair[metric] / of_pair[f"{metric}_of_baseline"] - 1).abs()
            difference = difference.replace(np.inf, np.nan)
            quantiles = difference.quantile([0.5, FLOOR_QUANTILE])
            rows.append([dataset, algorithm, metric, len(of_pair), *quantiles])
    return checked(pd.DataFrame(rows, columns=list(NOISE_SCHEMA.columns)), NOISE_SCHEMA)


def time_drift(trials: pd.DataFrame) -> pd.Series:
    """Return by study how much less training time its repeated trials took than the baseline's.

    It is a fraction of the baseline's time, like a saving, but one that no rule made. Studies with
    fewer than `LEAST_REPEATED_TRIALS` are left out.
    """
    by_study = repeated_trials(trials).groupby(STUDY)
    times = by_study[["train_time_s", "train_time_s_of_baseline"]].sum()
    drift = 1 - times["train_time_s"] / times["train_time_s_of_baseline"]
    return drift[by_study.size() >= LEAST_REPEATED_TRIALS].rename("time_drift")


def saving_floor(trials: pd.DataFrame) -> pd.Series:
    """Return by data set and algorithm the largest drift of any study: savings below it are noise."""
    drift = time_drift(trials).abs()
    return drift.groupby(level=PAIR).max().rename("noise_floor")
