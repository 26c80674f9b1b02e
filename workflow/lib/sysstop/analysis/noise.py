"""How far readings differ where nothing differs: the noise floor, from trials that ran twice.

A trial that no rule stopped repeats the baseline's trial, bit for bit in every machine-learning
metric. What differs between the two is noise and drift of the machine's speed. A separate arm with
the rule `none` repeats the whole baseline (an A/A comparison); other arms repeat the trials that
they do not stop.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pa

from sysstop.analysis.recording import Recording
from sysstop.results.tables import checked, described_by
from sysstop.study.keys import PAIR, REPLICATE, STUDY, TRIAL
from sysstop.study.metrics import metric_names
from sysstop.study.rules import TrialRule
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM

# Studies that agree in these and differ only in their arm are compared with each other.
FLOOR_QUANTILE = 0.95
# The drift of a study is not computed from fewer trials.
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

    Each metric is there twice: as it is, and with the suffix `_of_baseline`.
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


def time_drift(trials: pd.DataFrame, metric: str) -> pd.Series:
    """Return by study how much less training time its repeated trials took than the baseline's.

    `metric` is the training time that is compared, wall or steady. The drift is a fraction of the
    baseline's time, like a saving, but one that no rule caused. Studies with fewer repeated trials
    than `LEAST_REPEATED_TRIALS` are left out.
    """
    by_study = repeated_trials(trials).groupby(STUDY)
    times = by_study[[metric, f"{metric}_of_baseline"]].sum()
    drift = 1 - times[metric] / times[f"{metric}_of_baseline"]
    return drift[by_study.size() >= LEAST_REPEATED_TRIALS].rename("time_drift")


def saving_floor(trials: pd.DataFrame, metric: str) -> pd.Series:
    """Return by data set and algorithm the largest drift of any study: savings below it are noise.

    `metric` is the training time in which savings are counted, wall or steady.
    """
    return time_drift(trials, metric).abs().groupby(level=PAIR).max()


def repeated_readings(windows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the first window of each trial that was read in several arms.

    `windows` fits `windows_schema`. A row has a trial's keys and its reading of each metric as a
    multiple of the mean over the arms of the same repetition. The first window is there in every
    arm, since a rule is asked only at its end; where all of it was warm-up, it is the next one.
    """
    read = windows.dropna(subset=list(metrics)).sort_values([*TRIAL, "window"])
    first = read.drop_duplicates(TRIAL)
    by_trial = first.groupby([*REPLICATE, "trial_id", "window"])
    repeated = by_trial["arm"].transform("size") > 1
    multiples = {name: first[name] / by_trial[name].transform("mean") for name in metrics}
    return first[TRIAL].assign(**multiples)[repeated].reset_index(drop=True)


def reading_noise(rule: TrialRule, repeated: Iterable[tuple[Recording, Recording]]) -> float:
    """Return how far two readings of a rule's signal differ after the same window of one trial.

    `repeated` are studies that ran twice, such as the baseline and an arm of the same repetition.
    It is the 95 % quantile of the relative difference over all windows that both have, NaN if there
    are none. A window is read over fewer steps than a trial, so this is more than the noise floor of
    a trial's value.
    """
    differences = [np.empty(0)]
    for first, again in repeated:
        _, place, place_again = np.intersect1d(
            first.trial_ids, again.trial_ids, return_indices=True
        )
        windows = min(study.curves["step"].shape[1] for study in (first, again))
        signals, signals_again = (
            rule.signals(study.curves, study.steps_planned)[places, :windows]
            for study, places in ((first, place), (again, place_again))
        )
        read = (signals > 0) & np.isfinite(signals_again)
        differences.append(np.abs(signals_again[read] / signals[read] - 1))
    known = np.concatenate(differences)
    return float(np.quantile(known, FLOOR_QUANTILE)) if len(known) else np.nan
