"""Calibrations measure real searches with real Ray."""

import pytest

from sysstop.data.split import load_split, write_split
from sysstop.plan import calibration as calibration_module
from sysstop.plan.calibration import (
    calibrate,
    calibrated_configurations,
    measure_overhead,
    steps_filling,
    tune_overhead,
    window_readings,
)
from sysstop.plan.trial_cost import Reading, sample_least_s
from sysstop.results.journal import FinishedTrial
from sysstop.run.errors import UserError
from sysstop.study.status import Status, TrialEnd
from sysstop.study.studies import Budget, Study
from tests.shipped import ALGORITHMS, point

pytestmark = pytest.mark.machine

GRID = {"batch_size": [2, 16, 128], "learning_rate": [0.1, 0.001], "alpha": [0.01, 0.001]}
WINDOW_STEPS = 50
BUDGET = Budget(steps=1000, epochs=None, seconds=None, window_steps=WINDOW_STEPS, warmup_steps=10)
STUDY = Study("random", "logistic_regression", "none", 1)


@pytest.fixture(scope="module")
def measure(split_folder):
    def run(what, study=STUDY, grid=GRID, folder=split_folder, **settings):
        return what(
            study,
            folder,
            algorithm=ALGORITHMS[study.algorithm],
            grid=grid,
            seed=1,
            workers=2,
            ray_address="local",
            **settings,
        )

    return run


@pytest.fixture(scope="module")
def calibration(measure):
    """Its longer windows are the study's own, at whatever pace this machine trains."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration_module, "WINDOW_TRAIN_S", 1e6)
        return measure(calibrate, window_steps=WINDOW_STEPS)


def test_every_calibrated_batch_size_is_read_in_short_and_in_longer_windows(calibration):
    for size in GRID["batch_size"]:
        steps = {r.steps for r in calibration.readings if r.batch_size == size}
        assert steps == {1, WINDOW_STEPS}
    assert {r.starts for r in calibration.readings} == {0, 1}
    assert all(r.validations == 1 for r in calibration.readings)


def test_a_calibration_knows_its_data(calibration, split_folder):
    split = load_split(split_folder)
    assert calibration.folds == split.folds
    assert calibration.fold_train_rows == split.fold_train_rows
    assert calibration.sample_least_s == sample_least_s(split)


def test_overhead_is_measured_in_all_its_parts(measure):
    overhead = measure(measure_overhead, budget=BUDGET)
    # Differences of two readings, which noise may swallow.
    assert min(overhead.ray_start_s, overhead.imports_s, overhead.tune_s, overhead.trial_s) >= 0
    # Each holds the start of a process and its imports.
    assert overhead.search_job_s > 0
    assert overhead.export_job_s > 0
    assert overhead.export_trial_s > 0


def test_ray_tunes_own_time_is_separated_from_that_of_each_trial():
    # 1.5 s, and 0.05 s more for each trial of a worker.
    assert tune_overhead(1.55, 1.85, more_trials=6) == pytest.approx((1.5, 0.05))


@pytest.mark.parametrize(("few_s", "many_s"), [(2.0, 1.5), (-0.1, 0.3), (0.1, 9.0)])
def test_noise_makes_no_overhead_negative(few_s, many_s):
    assert min(tune_overhead(few_s, many_s, more_trials=6)) >= 0


def test_batch_sizes_are_calibrated_from_the_smallest_to_the_largest():
    grid = GRID | {"batch_size": "powers_of_two"}
    sizes = [found.batch_size for found in calibrated_configurations(grid, 2**14)]
    assert (sizes[0], sizes[-1], len(sizes)) == (2, 2**14, 5)
    assert sizes == sorted(set(sizes))


def test_a_calibration_trains_at_the_smallest_learning_rate():
    found = calibrated_configurations(GRID, 200)
    assert {configuration.values["learning_rate"] for configuration in found} == {0.001}


def test_what_may_make_a_trial_dearer_is_varied_at_the_smallest_and_the_largest_batch():
    grid = GRID | {"width": [8, 16], "batch_size": [2, 4, 8]}
    found = [(c.batch_size, c.values["width"]) for c in calibrated_configurations(grid, 200)]
    assert found == [(2, 8), (4, 8), (8, 8), (2, 16), (8, 16)]


@pytest.mark.parametrize(("train_s", "steps"), [(0.001, 50), (0.05, 10), (0.4, 1), (7.0, 1)])
def test_windows_train_about_so_long_but_are_no_longer_than_the_studys(train_s, steps):
    reading = Reading(2, "", 0, 1, 1, train_s, train_s, train_s, 10.0)
    assert steps_filling(0.5, reading, most=50) == steps


def trial(status, train_time_s):
    count = len(train_time_s)
    windows = {
        "step": [5 * (at + 1) for at in range(count)],
        "train_time_s": train_time_s,
        "cpu_time_s": [0.1 + value for value in train_time_s],
        "wall_time_s": [0.2 + value for value in train_time_s],
        "memory_peak_mb": [50.0] * count,
    }
    configuration, end = point(8, 0.1, 0.001), TrialEnd(status, "")
    return FinishedTrial("a", configuration, 100, end, {}, windows, losses=[])


def test_readings_are_what_each_window_added():
    first, second = window_readings(trial(Status.COMPLETED, [1.0, 1.5]), [])
    assert (first.starts, second.starts) == (1, 0)
    assert (first.steps, second.steps) == (5, 5)
    assert (first.wall_time_s, second.wall_time_s) == pytest.approx((1.2, 0.5))
    assert second.cpu_time_s == pytest.approx(0.5)


def test_a_window_in_which_the_model_diverged_has_no_validation():
    diverged = window_readings(trial(Status.DIVERGED, [1.0, 1.5]), [])
    assert [reading.validations for reading in diverged] == [1, 0]
    assert list(window_readings(trial(Status.DIVERGED, [0.0]), [])) == []


def test_a_grid_at_which_every_model_diverges_at_once_cannot_be_calibrated(
    measure, make_random_split, tmp_path
):
    write_split(make_random_split("regression"), tmp_path / "split")
    grid = {"batch_size": [128], "learning_rate": [1e300], "alpha": [0.001]}
    study = Study("random", "linear_regression", "none", 1)
    with pytest.raises(UserError, match="cannot be calibrated"):
        measure(calibrate, study, grid, tmp_path / "split", window_steps=WINDOW_STEPS)


def test_configurations_of_one_batch_size_are_enough():
    grid = {"batch_size": [8], "learning_rate": [0.1], "alpha": [0.001]}
    assert calibrated_configurations(grid, 200) == [point(8, 0.1, 0.001)]
