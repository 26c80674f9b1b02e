from collections import Counter

import numpy as np
import pytest

from sysstop.study.metrics import metric_names
from sysstop.trial.meters import (
    CALLS_IN_TURN,
    METERS,
    MOST_TURNS,
    EvaluationClock,
    MemoryReader,
    StepClock,
    TrialClock,
)
from sysstop.trial.reference import LEAST_READINGS, Clocks, Reference
from sysstop.trial.training import train


def no_step():
    """A reference step that does nothing, in no time."""


@pytest.fixture
def reader(make_trial):
    return MemoryReader(make_trial(), 1, Clocks(), Reference(no_step, Clocks()))


def read(reader):
    """What the reader returns for a window that ends now."""
    reader.end_training()
    return reader.end_window()


def test_every_metric_of_cost_is_read_by_one_meter():
    read_by = Counter(name for meter in METERS for name in meter.metrics)
    assert read_by == Counter(metric_names("system", "accounting"))


def test_memory_rises_by_an_array_that_is_alive(reader):
    before = read(reader)["memory_mb"]
    array = np.ones(64 * 2**20 // 8)
    assert read(reader)["memory_mb"] - before == pytest.approx(64, abs=2)
    assert array.any()
    assert read(reader)["memory_baseline_mb"] == pytest.approx(before, abs=2)


def test_the_peak_remembers_an_array_that_is_gone_until_the_next_window(reader):
    reader.begin_window()
    before = read(reader)
    array = np.ones(64 * 2**20 // 8)
    del array
    after = read(reader)
    assert after["memory_peak_mb"] - before["memory_mb"] == pytest.approx(64, abs=2)
    assert after["memory_mb"] - before["memory_mb"] < 2
    reader.begin_window()
    assert read(reader)["memory_peak_mb"] - before["memory_mb"] < 2


def test_memory_shared_through_a_mapped_file_does_not_count(reader, tmp_path):
    np.save(tmp_path / "array.npy", np.ones(64 * 2**20 // 8))
    before = read(reader)["memory_mb"]
    mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    assert mapped.sum() > 0
    assert read(reader)["memory_mb"] - before < 2


class SetClocks:
    """Clocks that advance only when a test says so, and count how often they are read."""

    def __init__(self):
        self.readings, self.now_ns = Counter(), Counter()

    def wall_ns(self):
        self.readings["wall"] += 1
        return self.now_ns["wall"]

    def cpu_ns(self):
        self.readings["cpu"] += 1
        return self.now_ns["cpu"]

    def compute(self, ms):
        self.now_ns["cpu"] += ms * 10**6
        self.wait(ms)

    def wait(self, ms):
        self.now_ns["wall"] += ms * 10**6


@pytest.fixture
def clocks():
    return SetClocks()


@pytest.fixture
def step_clock(make_trial, clocks):
    def make(warmup_steps=0, folds=1):
        trial = make_trial(warmup_steps=warmup_steps, batch_size=8)
        return StepClock(trial, folds, clocks, Reference(no_step, clocks))

    return make


def test_cpu_is_the_share_of_the_steps_wall_time_that_was_computing(step_clock, clocks):
    meter = step_clock()
    for computing_ms, waiting_ms in ((3, 1), (0, 4)):
        meter.begin_window()
        meter.begin_fit()
        clocks.compute(computing_ms)
        clocks.wait(waiting_ms)
        meter.end_fit()
        assert meter.end_window()["cpu_percent"] == 25 * computing_ms


def test_time_between_steps_is_not_training_time(step_clock, clocks):
    meter = step_clock()
    for _ in range(2):
        meter.begin_fit()
        clocks.compute(5)
        meter.end_fit()
        clocks.compute(100)
    values = meter.end_window()
    assert (values["step_time_ms"], values["train_time_s"]) == (5, 0.01)
    assert (values["sample_time_us"], values["samples_used"]) == (625, 16)


def test_training_time_is_summed_over_windows_and_step_time_is_not(step_clock, clocks):
    meter = step_clock(warmup_steps=1, folds=2)
    for step_ms, step_time_ms, train_time_s in ((1, 1, 0.004), (3, 3, 0.016)):
        meter.begin_window()
        for _ in range(4):
            meter.begin_fit()
            clocks.compute(step_ms)
            meter.end_fit()
        values = meter.end_window()
        assert (values["step_time_ms"], values["train_time_s"]) == (step_time_ms, train_time_s)


def test_time_of_evaluation_and_of_the_whole_trial(make_trial, clocks):
    of_evaluation, of_trial = (
        meter(make_trial(), 1, clocks, Reference(no_step, clocks))
        for meter in (EvaluationClock, TrialClock)
    )
    clocks.compute(1)
    of_evaluation.begin_evaluation()
    clocks.wait(2)
    of_evaluation.end_evaluation()
    clocks.compute(4)
    assert of_evaluation.end_window() == {"eval_time_s": 0.002}
    assert of_trial.end_window() == {"wall_time_s": 0.007, "cpu_time_s": 0.005}


def test_a_trial_is_timed_by_the_clocks_that_it_is_given(classification_split, make_trial, clocks):
    *_, last = train(make_trial(), classification_split, clocks=clocks)
    times = ("step_time_ms", "train_time_s", "eval_time_s", "cpu_time_s", "wall_time_s")
    assert [last.metrics[name] for name in times] == [0] * len(times)


def test_the_meters_read_few_clocks_and_memory_once_per_window(
    classification_split, make_trial, clocks, monkeypatch
):
    """What they cost is measured by `make bench`."""
    calls = Counter()
    for name in ("_read", "begin_window"):
        original = getattr(MemoryReader, name)

        def counted(reader, name=name, original=original):
            calls[name] += 1
            return original(reader)

        monkeypatch.setattr(MemoryReader, name, counted)
    trial = make_trial(steps=30, window_steps=10)
    windows = list(train(trial, classification_split, clocks=clocks))
    fits, count = 30 * classification_split.folds, len(windows)
    once, evaluations = 1, fits + count
    # The time of these clocks stands still: the reference has no share, and predictions never exceed theirs.
    references = LEAST_READINGS
    # Of one row and of a block, each with as many reference steps before them, and cold at first.
    in_turn = 2 * 2 * CALLS_IN_TURN
    predictions = 2 * in_turn + count * (2 + 2 * MOST_TURNS * (in_turn + once))
    assert clocks.readings == {
        "wall": 2 * fits + 2 * evaluations + 2 * references + predictions + once + count,
        "cpu": 2 * fits + 2 * references + predictions + once + count,
    }
    assert calls == {"_read": once + count, "begin_window": count}
