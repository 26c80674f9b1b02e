"""What a search asks a cluster for: memory and run time, estimated from its data, grid and budget.

A cluster kills a job that takes more than it asked for, so these are upper bounds, with times of
two to four times what a shared AMD EPYC core took. They are not forecasts.
"""

import math
from collections.abc import Mapping
from typing import Any

from sysstop.study.hyperparameters import SAMPLE
from sysstop.study.studies import (
    Budget,
    grid_batch_sizes,
    grid_size,
    rows_of_fold_model,
)

# Snakemake in the job, the search, Ray's own processes and its object store.
SEARCH_MB = 2000
# Ray's worker, and a trial's process before it has drawn a mini-batch.
WORKER_MB = 500
# A mini-batch is drawn and scaled, which takes twice its size at the peak, and its loss computed.
BATCH_COPIES = 3
# Row numbers of the training part: those of each fold, and a permutation of them.
INDEX_BYTES_PER_ROW_AND_FOLD = 24
VALUE_BYTES = 8
MB = 2**20

# Start of the job, of Ray and of its workers on a busy node.
START_S = 600
# The trial's fork, its first read of the data and its round trip.
TRIAL_S = 2
# One `partial_fit` of one linear model, whatever the batch; 0.2 to 0.4 ms were measured.
FIT_S = 1e-3
# Per sample and model: this for each feature, and for `SAMPLE_FEATURES` more.
FIT_FEATURE_S = 5e-9
SAMPLE_FEATURES = 25
# Nothing is known of other estimators in advance. They may take that many times as long, and hold that
# many values for each sample of a batch, as a network of a few hundred units does.
LINEAR_MODELS = "sklearn.linear_model."
OTHER_TIMES = 20.0
OTHER_VALUES_PER_SAMPLE = 1000
# Validation, per row: for each feature, and for each model.
VALIDATION_FEATURE_S = 5e-9
VALIDATION_MODEL_S = 50e-9


def is_linear(estimator: str) -> bool:
    """Return whether an estimator is one of scikit-learn's linear models, whose cost is known."""
    return estimator.startswith(LINEAR_MODELS)


def search_memory_mb(
    summary: Mapping[str, Any], grid: Mapping[str, Any], workers: int, linear: bool = True
) -> int:
    """Return the memory in MB (2^20 bytes) that a search needs at most.

    `summary` is that of the data set's split. All workers are assumed to train on the grid's
    largest batch at the same time; the data are mapped into memory once for all of them. `linear`
    says whether the models are (`is_linear`).
    """
    width = max(summary["features"], 0 if linear else OTHER_VALUES_PER_SAMPLE)
    batch_values = max(grid_batch_sizes(grid, _fold_rows(summary)), default=0) * width
    batch_mb = BATCH_COPIES * batch_values * VALUE_BYTES / MB
    index_mb = summary["train_rows"] * summary["folds"] * INDEX_BYTES_PER_ROW_AND_FOLD / MB
    data_mb = summary["rows"] * summary["features"] * VALUE_BYTES / MB
    return math.ceil(SEARCH_MB + data_mb + workers * (WORKER_MB + index_mb + batch_mb))


def search_runtime_min(
    summary: Mapping[str, Any],
    grid: Mapping[str, Any],
    budget: Budget,
    workers: int,
    linear: bool = True,
) -> int:
    """Return the time in minutes that a search asks a cluster for: its start and `search_time_s`."""
    return math.ceil((START_S + search_time_s(summary, grid, budget, workers, linear)) / 60)


def search_time_s(
    summary: Mapping[str, Any],
    grid: Mapping[str, Any],
    budget: Budget,
    workers: int,
    linear: bool = True,
) -> float:
    """Return the time in seconds that a search's trials need at most, when none is stopped early.

    `workers` trials run at a time and the longest may be the last to start, so that takes no longer
    than the sum of all trials divided by `workers`, plus the longest. `linear` says whether the models are
    (`is_linear`).
    """
    fold_rows = _fold_rows(summary)
    times_s = [
        trial_time_s(summary, batch_size, budget, linear)
        for batch_size in grid_batch_sizes(grid, fold_rows)
    ]
    longest_s, trials = max(times_s, default=0), grid_size(grid, fold_rows)
    all_s = sum(times_s) * trials / max(1, len(times_s))
    # Which of the grid are in a sample is not known here; they might be the longest.
    all_s = min(all_s, longest_s * (grid.get(SAMPLE) or trials))
    return all_s / workers + longest_s


def trial_time_s(
    summary: Mapping[str, Any], batch_size: int, budget: Budget, linear: bool = True
) -> float:
    """Return the seconds that a trial needs at most on one core, of models that are linear or not."""
    times = 1.0 if linear else OTHER_TIMES
    features = summary["features"]
    # One model per class if there are more than two, otherwise a single one.
    models = summary["classes"] if summary["classes"] > 2 else 1
    steps = budget.steps_planned(batch_size, _fold_rows(summary))
    sample_s = (features + SAMPLE_FEATURES) * FIT_FEATURE_S
    train_s = times * summary["folds"] * steps * models * (FIT_S + batch_size * sample_s)
    if budget.seconds is not None:
        train_s = min(train_s, budget.seconds)
    row_s = features * VALIDATION_FEATURE_S + models * VALIDATION_MODEL_S
    windows = math.ceil(steps / budget.window_steps)
    return TRIAL_S + train_s + times * windows * summary["train_rows"] * row_s


def _fold_rows(summary: Mapping[str, Any]) -> int:
    return rows_of_fold_model(summary["train_rows"], summary["folds"])
