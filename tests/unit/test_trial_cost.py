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
    sample_least_s,
    write_json,
)

START_S, VALIDATION_S, STEP_S, SAMPLE_S = 0.02, 0.1, 0.003, 2e-5
SAMPLE_LEAST_S = 1e-6
MEMORY_MB, SAMPLE_MB = 60.0, 0.01


def cost_s(batch_size, starts, validations, steps):
    return (
        START_S * starts + VALIDATION_S * validations + STEP_S * steps
        + SAMPLE_S * steps * batch_size
    )  # fmt: skip


def reading(batch_size, starts, steps, validations=1, factor=1.0, variant=""):
    wall_s = cost_s(batch_size, starts, validations, steps) * factor
    return Reading(
        batch_size,
        variant,
        starts,
        validations,
        steps,
        cpu_time_s=0.9 * wall_s,
        wall_time_s=wall_s,
        train_time_s=(STEP_S + SAMPLE_S * batch_size) * steps * factor,
        memory_peak_mb=(MEMORY_MB + SAMPLE_MB * batch_size) * (factor if variant else 1),
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
    cost = CostModel(READINGS, SAMPLE_LEAST_S).cost(batch_size, steps=400, window_steps=100)
    assert cost.wall_time_s == pytest.approx(cost_s(batch_size, 1, 4, 400))
    assert cost.cpu_time_s == pytest.approx(0.9 * cost.wall_time_s)
    assert cost.memory_peak_mb == pytest.approx(MEMORY_MB + SAMPLE_MB * batch_size)


def test_a_last_window_that_is_shorter_has_a_validation_too():
    model = CostModel(READINGS, SAMPLE_LEAST_S)
    longer, shorter = model.cost(4, 201, 100), model.cost(4, 200, 100)
    assert longer.wall_time_s - shorter.wall_time_s == pytest.approx(
        cost_s(4, 0, validations=1, steps=1)
    )


def test_a_dearer_variant_costs_what_it_was_measured_to_cost_more():
    wide = [
        reading(size, starts, steps, factor=3.0, variant="width=64")
        for size in (4, 4096)
        for steps in (1, 20)
        for starts in (1, 0, 0)
    ]
    deep = [
        reading(size, starts, steps, factor=2.0, variant="depth=2")
        for size in (4, 4096)
        for steps in (1, 20)
        for starts in (1, 0, 0)
    ]
    model = CostModel([*READINGS, *wide, *deep], SAMPLE_LEAST_S)
    usual = model.cost(256, 400, 100, ["width=16", "depth=1"])
    both = model.cost(256, 400, 100, ["width=64", "depth=2"])
    assert usual == model.cost(256, 400, 100)
    assert both.wall_time_s == pytest.approx(6 * usual.wall_time_s, rel=0.01)
    assert both.memory_peak_mb == pytest.approx(6 * usual.memory_peak_mb, rel=0.01)


def test_one_reading_that_something_else_disturbed_hardly_moves_the_costs():
    disturbed = [*READINGS, reading(4, 0, 50, factor=20.0)]
    cost = CostModel(disturbed, SAMPLE_LEAST_S).cost(256, steps=400, window_steps=100)
    assert cost.wall_time_s == pytest.approx(cost_s(256, 1, 4, 400), rel=0.1)


def test_a_window_that_diverged_counts_without_a_validation():
    diverged = [*READINGS, *[reading(64, 0, steps, validations=0) for steps in (3, 7, 20)]]
    cost = CostModel(diverged, SAMPLE_LEAST_S).cost(64, steps=400, window_steps=100)
    assert cost.wall_time_s == pytest.approx(cost_s(64, 1, 4, 400))


def test_no_cost_is_below_zero_where_readings_are_noisy():
    rng = np.random.default_rng(1)
    noisy = [reading(size, 0, 1, factor=rng.uniform(0.5, 2)) for size in (2, 4, 8, 16)]
    cost = CostModel(noisy, SAMPLE_LEAST_S).cost(1, steps=1, window_steps=1)
    assert 0 <= cost.wall_time_s < 1


def faster_in_larger_batches():
    """Readings of a machine whose neighbour was busy while the small batches ran."""
    return [
        replace(found, train_time_s=found.train_time_s * factor)
        for size, factor in ((2, 1.5), (16, 1.0), (128, 0.5))
        for steps in (1, 50)
        for starts in (1, 0, 0)
        for found in [reading(size, starts, steps, factor=factor)]
    ]


def test_a_sample_costs_no_less_than_it_can_where_noise_hides_its_cost():
    model = CostModel(faster_in_larger_batches(), SAMPLE_LEAST_S)
    small, large = (model.cost(size, steps=100, window_steps=50) for size in (16, 10**6))
    more_s = SAMPLE_LEAST_S * 100 * (10**6 - 16)
    assert large.cpu_time_s - small.cpu_time_s >= 0.99 * more_s
    assert large.wall_time_s - small.wall_time_s >= 0.99 * more_s
    assert large.train_time_s - small.train_time_s >= 0.99 * more_s


def test_more_steps_cost_more_where_noise_hides_what_a_sample_costs():
    model = CostModel(faster_in_larger_batches(), SAMPLE_LEAST_S)
    few, many = (model.cost(16, steps, window_steps=50) for steps in (100, 1000))
    assert many.train_time_s > 5 * few.train_time_s


def test_readings_show_what_a_sample_costs_or_are_known_not_to():
    assert not CostModel(READINGS, SAMPLE_LEAST_S).hides_sample_cost
    assert CostModel(faster_in_larger_batches(), SAMPLE_LEAST_S).hides_sample_cost


def test_batch_sizes_that_need_not_differ_noticeably_hide_nothing():
    assert not CostModel(faster_in_larger_batches(), 1e-9).hides_sample_cost
    one_size = [found for found in READINGS if found.batch_size == 4]
    assert not CostModel(one_size, SAMPLE_LEAST_S).hides_sample_cost


@pytest.mark.parametrize(
    ("rows", "features", "classes", "measured_s"),
    # What a sample and fold cost in trials of `config/pmlb-small.yaml` on shared AMD EPYC cores: the
    # difference between batches of 4 and 256, in 400 steps of 3 folds.
    [(3848, 4, 0, 1.3e-7), (700, 784, 10, 1.9e-5), (500, 41, 23, 3.5e-6)],
)
def test_the_least_that_a_sample_costs_is_less_than_was_measured(
    make_random_split, rows, features, classes, measured_s
):
    task = "classification" if classes else "regression"
    split = make_random_split(task, rows=rows, features=features, classes=classes)
    assert measured_s / 50 < sample_least_s(split) / split.folds < measured_s


def test_a_budget_of_seconds_ends_a_trial_after_the_window_that_uses_it_up(make_trial):
    model = CostModel(READINGS, SAMPLE_LEAST_S)
    trial = make_trial(batch_size=256, steps=1000, window_steps=10)
    window_s = 10 * (STEP_S + SAMPLE_S * 256)
    assert model.steps(trial) == 1000
    limited = replace(trial, budget=replace(trial.budget, seconds=2.5 * window_s))
    assert model.steps(limited) == 30
    assert model.steps(replace(limited, steps_planned=15)) == 15


def test_what_is_written_is_read_again(tmp_path):
    calibration = Calibration(READINGS, 3, 1000, "digest", "a processor", SAMPLE_LEAST_S)
    overhead = Overhead(4.0, 1.2, 1.5, 1.4, 0.05, 3.0, 0.1, 2.0)
    write_json(calibration, tmp_path / "calibration.json")
    write_json(overhead, tmp_path / "overhead.json")
    assert read_calibration(tmp_path / "calibration.json") == calibration
    assert read_overhead(tmp_path / "overhead.json") == overhead
