"""Steady time: what the reference step beside a trial's steps makes of a machine that slows down."""

import gc
import json
import math
import os
from multiprocessing import get_context

import numpy as np
import pytest

from sysstop.run.errors import UserError
from sysstop.study.metrics import metric_names
from sysstop.trial import training
from sysstop.trial.nominal import (
    measure_nominal,
    measure_nominal_apart,
    read_nominal,
    write_nominal,
)
from sysstop.trial.reference import (
    CPU_SHARE,
    HIGHEST_MULTIPLE,
    LEAST_READINGS,
    Clocks,
    Reference,
    ReferenceStep,
)
from sysstop.trial.training import train

FEW_PAGES_MB = 8 * 4 / 1024
STEADY = ("steady_step_time_ms", "steady_sample_time_us", "steady_train_time_s")


class SlowedClocks:
    """Clocks for which all that is timed takes 1 ms, times how slow the machine is at that moment.

    While others have the core, wall time goes on as well, but not CPU time.
    """

    def __init__(self, slow_after_ms=float("inf"), slowdown=1.0, others_ms=0.0):
        self.slow_after_ms, self.slowdown, self.others_ms = slow_after_ms, slowdown, others_ms
        self.cpu_ms = self.wall_ms = 0.0

    def cpu_ns(self):
        slow = self.cpu_ms >= self.slow_after_ms
        self.cpu_ms += self.slowdown if slow else 1.0
        self.wall_ms += (self.slowdown if slow else 1.0) + (self.others_ms if slow else 0.0)
        return round(self.cpu_ms * 1e6)

    def wall_ns(self):
        return round(self.wall_ms * 1e6)


def last_window(make_trial, split, clocks, **budget):
    trial = make_trial(steps=200, window_steps=50, nominal_reference_us=1000.0, **budget)
    *_, last = train(trial, split, clocks=clocks)
    return last.metrics


@pytest.mark.parametrize("slow_after_ms", [0, 777])
def test_steady_time_ignores_a_slow_machine_and_other_programs(
    make_trial, classification_split, slow_after_ms
):
    quiet = last_window(make_trial, classification_split, SlowedClocks())
    slowed = last_window(
        make_trial, classification_split, SlowedClocks(slow_after_ms, slowdown=3, others_ms=20)
    )
    assert slowed["train_time_s"] > 2 * quiet["train_time_s"]
    assert slowed["slowdown"] == pytest.approx(3 * quiet["slowdown"])
    assert [slowed[name] for name in STEADY] == pytest.approx(
        [quiet[name] for name in STEADY], rel=0.05
    )


def test_at_nominal_speed_steady_time_is_cpu_time(make_trial, classification_split):
    metrics = last_window(make_trial, classification_split, SlowedClocks())
    assert metrics["slowdown"] == 1
    assert metrics["steady_step_time_ms"] == pytest.approx(1)
    assert metrics["steady_train_time_s"] == pytest.approx(200 * classification_split.folds / 1e3)


def test_a_budget_in_seconds_is_one_of_steady_time(make_trial, classification_split):
    def samples(clocks):
        return last_window(make_trial, classification_split, clocks, seconds=0.3)["samples_used"]

    assert samples(SlowedClocks()) == samples(SlowedClocks(0, slowdown=10)) > 0


def readings_of(clocks, count_fits, step_ms):
    """How many reference steps of 1 ms run beside that many fits."""
    reference = Reference(lambda: None, clocks, 1000.0)
    for fit in range(1, count_fits + 1):
        reference.run_if_due(int(fit * step_ms * 1e6), windows_done=fit / 150)
    return len(reference.readings_ns)


def test_the_reference_takes_its_share_and_five_readings_of_the_first_window():
    clocks = SlowedClocks()
    assert readings_of(clocks, 8 * 150, step_ms=1) == pytest.approx(8 * 150 * CPU_SHARE, abs=1)
    assert readings_of(clocks, 150, step_ms=0.01) == LEAST_READINGS
    assert readings_of(clocks, 8 * 150, step_ms=0.01) == LEAST_READINGS


class Readings:
    """A CPU clock that makes the reference take these times."""

    def __init__(self, *readings_ms):
        self.times_ns = [ns for ms in readings_ms for ns in (0, round(ms * 1e6))]

    def cpu_ns(self):
        return self.times_ns.pop(0)

    def wall_ns(self):
        return 0


def slowdown_of(before_ms, window_ms):
    reference = Reference(lambda: None, Readings(*before_ms, *window_ms), nominal_us=1000.0)
    for _ in before_ms:
        reference.run()
    reference.begin_window()
    for _ in window_ms:
        reference.run()
    return reference.slowdown()


def test_a_window_with_few_readings_is_joined_with_those_before():
    assert slowdown_of([9, 1, 1, 1], [2, 2]) == pytest.approx((1 + 1 + 1 + 2 + 2) / 5)
    assert slowdown_of([9, 9], [2, 2, 2, 2, 2, 2]) == 2
    assert np.isnan(slowdown_of([], []))


def test_a_reading_that_an_interrupt_hit_counts_little():
    assert slowdown_of([], [1, 1, 100, 1, 1]) == pytest.approx((4 + HIGHEST_MULTIPLE) / 5)
    assert slowdown_of([], [1, 1, 3, 3, 3]) == pytest.approx(11 / 5)


def train_and_exit(trial, split, write, core=None, step=None):
    """Train a trial in this process, write its last window as a line, and end the process."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    if step is not None:
        training.trial_reference = lambda split, nominal_us, clocks: Reference(
            step, clocks, nominal_us
        )
    *_, last = train(trial, split)
    os.write(write, json.dumps(last.metrics).encode() + b"\n")
    os._exit(0)


def lines_of(read, write):
    os.close(write)
    with os.fdopen(read) as answer:
        lines = [json.loads(line) for line in answer]
    os.wait()
    return lines


def begin_in_a_child(trial, split, core):
    """Train a trial in a process of its own on a core; return what reads its last window."""
    read, write = os.pipe()
    if os.fork() == 0:
        train_and_exit(trial, split, write, core)
    return lambda: lines_of(read, write)[0]


def without_and_with_the_reference(trial, split):
    """The last windows of a trial in two children of one warm process, as a template is one."""
    read, write = os.pipe()
    if os.fork() == 0:
        list(train(trial, split))
        gc.collect()
        gc.freeze()
        for step in (lambda: None, None):
            if os.fork() == 0:
                train_and_exit(trial, split, write, step=step)
            os.wait()
        os._exit(0)
    return lines_of(read, write)


@pytest.mark.parametrize("features", [5, 800])
def test_the_reference_leaves_models_and_memory_untouched(make_trial, make_random_split, features):
    split = make_random_split("classification", rows=600, features=features)
    trial = make_trial(steps=60, window_steps=30, nominal_reference_us=500.0)
    without, with_reference = without_and_with_the_reference(trial, split)
    for name in (*metric_names("quality"), "samples_used"):
        np.testing.assert_equal(with_reference[name], without[name], err_msg=name)
    for name in ("memory_mb", "memory_peak_mb"):
        # Where small objects lie decides how many pages of 4 kB are in use.
        assert with_reference[name] == pytest.approx(without[name], abs=FEW_PAGES_MB), name


def keep_busy(core):
    os.sched_setaffinity(0, {core})
    numbers = np.ones(1_000_000)
    while True:
        numbers *= 1.0000001


@pytest.mark.machine
def test_two_workers_of_one_nominal_agree_although_neighbours_slow_one(
    make_trial, make_random_split
):
    quiet_core, busy_core = sorted(os.sched_getaffinity(0))[:2]
    split = make_random_split("classification", rows=3000, features=50)
    trial = make_trial(steps=500, window_steps=50)
    # Three, so that the core is the busier one also where a stranger's process is on the other.
    neighbours = [
        get_context("fork").Process(target=keep_busy, args=(busy_core,), daemon=True)
        for _ in range(3)
    ]
    for neighbour in neighbours:
        neighbour.start()
    try:
        workers = [begin_in_a_child(trial, split, core) for core in (quiet_core, busy_core)]
        quiet, slowed = (last_window() for last_window in workers)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.join()
    apart = {
        name: abs(math.log(slowed[name] / quiet[name]))
        for name in ("train_time_s", "steady_train_time_s")
    }
    assert slowed["run_queue_delay_s"] > quiet["run_queue_delay_s"]
    assert apart["steady_train_time_s"] < apart["train_time_s"] / 2


def test_the_nominal_is_what_a_step_takes(classification_split):
    nominal = measure_nominal(classification_split, SlowedClocks(), readings=20)
    assert (nominal.reference_us, nominal.repeated_us, nominal.readings) == (1000.0, 1000.0, 20)
    real = measure_nominal(classification_split, Clocks(), readings=20)
    assert min(real.reference_us, real.repeated_us) > 0


def test_a_nominal_is_measured_apart_and_kept(split_folder, tmp_path):
    nominal = measure_nominal_apart(split_folder)
    assert nominal.reference_us > 0
    write_nominal(nominal, tmp_path / "nominal.json")
    assert read_nominal(tmp_path / "nominal.json") == nominal


def test_a_nominal_that_cannot_be_measured_is_told_in_a_message(tmp_path):
    with pytest.raises(UserError, match="no_split could not be measured"):
        measure_nominal_apart(tmp_path / "no_split")


def test_the_reference_step_depends_on_the_data_alone(make_random_split):
    for task in ("classification", "regression"):
        ReferenceStep(make_random_split(task, rows=40, features=3))()
