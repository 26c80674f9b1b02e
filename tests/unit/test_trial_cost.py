"""The cost of a trial from readings whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from sysstop.plan.trial_cost import (
    Calibration,
    CostModel,
    Overhead,
    Reading,
    read_calibration,
    read_overhead,
    write_json,
)

START_S, VALIDATION_S, STEP_S, SAMPLE_S = 0.02, 0.1, 0.003, 2e-5
MEMORY_MB, SAMPLE_MB = 60.0, 0.01


def cost_s(batch_size, starts, validations, steps):
    return (
        START_S * starts + VALIDATION_S * validations + STEP_S * steps
        + SAMPLE_S * steps * batch_size
    )  # fmt: skip


def reading(batch_size, starts, steps, validations=1, factor=1.0):
    wall_s = cost_s(batch_size, starts, validations, steps) * factor
    return Reading(
        batch_size,
        starts,
        validations,
        steps,
        cpu_time_s=0.9 * wall_s,
        wall_time_s=wall_s,
        train_time_s=(STEP_S + SAMPLE_S * batch_size) * steps,
        memory_peak_mb=MEMORY_MB + SAMPLE_MB * batch_size,
    )


READINGS = [
    reading(size, starts, steps)
    for size, window_steps in ((4, 50), (256, 20), (4096, 1))
    for steps in {1, window_steps}
    for starts in (1, 0, 0)
]


@pytest.mark.parametrize("batch_size", [4, 32, 1000, 4096, 65536])
def test_costs_are_linear_in_the_batch_size_and_so_known_between_and_beyond_the_readings(
    batch_size,
):
    cost = CostModel(READINGS).cost(batch_size, steps=400, window_steps=100)
    assert cost.wall_time_s == pytest.approx(cost_s(batch_size, 1, 4, 400))
    assert cost.cpu_time_s == pytest.approx(0.9 * cost.wall_time_s)
    assert cost.memory_peak_mb == pytest.approx(MEMORY_MB + SAMPLE_MB * batch_size)


def test_a_last_window_that_is_shorter_has_a_validation_too():
    model = CostModel(READINGS)
    longer, shorter = model.cost(4, 201, 100), model.cost(4, 200, 100)
    assert longer.wall_time_s - shorter.wall_time_s == pytest.approx(
        cost_s(4, 0, validations=1, steps=1)
    )


def test_one_reading_that_something_else_disturbed_hardly_moves_the_costs():
    disturbed = [*READINGS, reading(4, 0, 50, factor=20.0)]
    cost = CostModel(disturbed).cost(256, steps=400, window_steps=100)
    assert cost.wall_time_s == pytest.approx(cost_s(256, 1, 4, 400), rel=0.1)


def test_a_window_that_diverged_counts_without_a_validation():
    diverged = [*READINGS, *[reading(64, 0, steps, validations=0) for steps in (3, 7, 20)]]
    cost = CostModel(diverged).cost(64, steps=400, window_steps=100)
    assert cost.wall_time_s == pytest.approx(cost_s(64, 1, 4, 400))


def test_no_cost_is_below_zero_where_readings_are_noisy():
    rng = np.random.default_rng(1)
    noisy = [reading(size, 0, 1, factor=rng.uniform(0.5, 2)) for size in (2, 4, 8, 16)]
    cost = CostModel(noisy).cost(1, steps=1, window_steps=1)
    assert 0 <= cost.wall_time_s < 1


def test_a_budget_of_seconds_ends_a_trial_after_the_window_that_uses_it_up(make_trial):
    model = CostModel(READINGS)
    trial = make_trial(batch_size=256, steps=1000, window_steps=10)
    window_s = 10 * (STEP_S + SAMPLE_S * 256)
    assert model.steps(trial) == 1000
    limited = replace(trial, budget=replace(trial.budget, seconds=2.5 * window_s))
    assert model.steps(limited) == 30
    assert model.steps(replace(limited, steps_planned=15)) == 15


def test_what_is_written_is_read_again(tmp_path):
    calibration = Calibration(READINGS, 3, 1000, "digest", "a processor")
    overhead = Overhead(4.0, 1.5, 1.4, 0.05, 3.0, 0.1)
    write_json(calibration, tmp_path / "calibration.json")
    write_json(overhead, tmp_path / "overhead.json")
    assert read_calibration(tmp_path / "calibration.json") == calibration
    assert read_overhead(tmp_path / "overhead.json") == overhead
