"""What a search asks a cluster for: memory and run time, estimated from its data, grid and budget.

A cluster kills a job that takes more than it asked for, so these are upper bounds, with times of two
to four times what a shared AMD EPYC core took. They are no forecast.
"""

import math
from collections.abc import Mapping
from typing import Any

from sysstop.study.studies import Budget, grid_batch_sizes, rows_of_fold_model

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
# Per sample and model: this for each feature, and for as many more as `SAMPLE_FEATURES`.
FIT_FEATURE_S = 5e-9
SAMPLE_FEATURES = 25
# Validation, per row: for each feature, and for each model.
VALIDATION_FEATURE_S = 5e-9
VALIDATION_MODEL_S = 50e-9


def search_memory_mb(summary: Mapping[str, Any], grid: Mapping[str, Any], workers: int) -> int:
    """Return the memory in MB (2^20 bytes) that a search needs at most.

    `summary` is that of the data set's split. All workers are taken to train on the grid's largest
    batch at the same time; the data are mapped into memory once for all of them.
    """
    batch_values = max(grid_batch_sizes(grid, _fold_rows(summary)), default=0) * summary["features"]
    batch_mb = BATCH_COPIES * batch_values * VALUE_BYTES / MB
    index_mb = summary["train_rows"] * summary["folds"] * INDEX_BYTES_PER_ROW_AND_FOLD / MB
    data_mb = summary["rows"] * summary["features"] * VALUE_BYTES / MB
    return math.ceil(SEARCH_MB + data_mb + workers * (WORKER_MB + index_mb + batch_mb))


def search_runtime_min(
    summary: Mapping[str, Any], grid: Mapping[str, Any], budget: Budget, workers: int
) -> int:
    """Return the time in minutes that a search needs at most, when no trial is stopped early.

    `workers` trials run at a time and the longest may be the last to start, so that takes no longer
    than the sum of all trials divided by `workers`, plus the longest.
    """
    configurations_per_size = len(grid["learning_rate"]) * len(grid["alpha"])
    times_s = [
        trial_time_s(summary, batch_size, budget)
        for batch_size in grid_batch_sizes(grid, _fold_rows(summary))
    ]
    trials_s = configurations_per_size * sum(times_s) / workers + max(times_s, default=0)
    return math.ceil((START_S + trials_s) / 60)


def trial_time_s(summary: Mapping[str, Any], batch_size: int, budget: Budget) -> float:
    """Return the seconds that a trial needs at most on one core."""
    features = summary["features"]
    # One model for each class beyond two classes, otherwise a single one.
    models = summary["classes"] if summary["classes"] > 2 else 1
    steps = budget.steps_planned(batch_size, _fold_rows(summary))
    sample_s = (features + SAMPLE_FEATURES) * FIT_FEATURE_S
    train_s = summary["folds"] * steps * models * (FIT_S + batch_size * sample_s)
    if budget.seconds is not None:
        train_s = min(train_s, budget.seconds)
    row_s = features * VALIDATION_FEATURE_S + models * VALIDATION_MODEL_S
    windows = math.ceil(steps / budget.window_steps)
    return TRIAL_S + train_s + windows * summary["train_rows"] * row_s


def _fold_rows(summary: Mapping[str, Any]) -> int:
    return rows_of_fold_model(summary["train_rows"], summary["folds"])
