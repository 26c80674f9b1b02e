"""What a search asks a cluster for covers what was measured, and grows with what makes it grow."""

from dataclasses import replace

import pytest

from sysstop.plan.resources import search_memory_mb, search_runtime_min, trial_time_s
from sysstop.study.studies import Budget

BUDGET = Budget(steps=400, epochs=None, seconds=None, window_steps=50, warmup_steps=10)
LONG_BUDGET = replace(BUDGET, steps=20_000)
GRID = {"batch_size": [4, 256], "learning_rate": [0.1, 0.001], "alpha": [0.01]}


def summary(rows, features, classes=0, folds=3):
    """The summary of a split, with 30 % of the rows for the test."""
    counts = {"rows": rows, "train_rows": round(0.7 * rows), "test_rows": round(0.3 * rows)}
    return counts | {"features": features, "classes": classes, "folds": folds}


SMALL = summary(1000, 4)


@pytest.mark.parametrize(
    ("data", "batch_size", "measured_s"),
    # Median wall time of trials of `config/pmlb-small.yaml` on two shared AMD EPYC cores.
    [
        (summary(3848, 4), 4, 0.496),
        (summary(3848, 4), 256, 0.535),
        (summary(70_000, 784, 10), 4, 4.785),
        (summary(70_000, 784, 10), 256, 10.577),
        (summary(494_020, 41, 23), 4, 8.047),
        (summary(494_020, 41, 23), 256, 9.114),
    ],
)
def test_a_trials_time_is_more_than_was_measured_and_not_absurd(data, batch_size, measured_s):
    estimate_s = trial_time_s(data, batch_size, BUDGET) - 2  # without the allowance per trial
    assert 1.5 * measured_s < estimate_s < 6 * measured_s


def test_memory_covers_the_largest_batch_of_every_worker():
    # 195.7 MB more at rest and 391.7 MB at the peak were measured for a batch of 32,768 x 784 numbers.
    data = summary(70_000, 784, 10, folds=5)
    grid = GRID | {"batch_size": "powers_of_two"}
    one, two = (search_memory_mb(data, grid, workers) for workers in (1, 2))
    assert two - one > 391.7 + 150
    assert one > 70_000 * 784 * 8 / 2**20 + 391.7
    assert search_memory_mb(data, grid, 8) < 16_000


@pytest.mark.parametrize(
    "larger", [summary(2_000_000, 4), summary(1000, 40_000)], ids=["rows", "features"]
)
def test_larger_data_need_more_memory_and_time(larger):
    assert search_memory_mb(larger, GRID, 2) > search_memory_mb(SMALL, GRID, 2)
    minutes = search_runtime_min(SMALL, GRID, LONG_BUDGET, 2)
    assert search_runtime_min(larger, GRID, LONG_BUDGET, 2) > minutes


def test_time_grows_with_classes_grid_and_budget_and_falls_with_workers():
    data = summary(100_000, 100, 2)
    grid = GRID | {"alpha": [10.0**-i for i in range(10)]}
    minutes = search_runtime_min(data, GRID, LONG_BUDGET, 2)
    assert search_runtime_min(data | {"classes": 20}, GRID, LONG_BUDGET, 2) > minutes
    assert search_runtime_min(data, grid, LONG_BUDGET, 2) > minutes
    assert search_runtime_min(data, GRID, BUDGET, 2) < minutes
    assert search_runtime_min(data, GRID, LONG_BUDGET, 8) < minutes


def test_a_budget_of_epochs_or_seconds_bounds_the_time():
    data = summary(100_000, 100, 2)
    unbounded_s = trial_time_s(data, 256, LONG_BUDGET)
    assert trial_time_s(data, 256, replace(LONG_BUDGET, epochs=0.5)) < unbounded_s
    assert trial_time_s(data, 256, replace(LONG_BUDGET, seconds=1)) < unbounded_s


def test_a_grid_without_a_batch_that_fits_still_gets_a_job_to_say_so():
    data = summary(3, 4, folds=2)
    grid = GRID | {"batch_size": "powers_of_two"}
    assert search_memory_mb(data, grid, 1) > 0
    assert search_runtime_min(data, grid, BUDGET, 1) > 0
