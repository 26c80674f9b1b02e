from collections import Counter

import numpy as np
import pytest

from sysstop.trial import meters as system_metrics
from sysstop.trial.meters import MemoryReader, StepClock
from sysstop.trial.training import train


def test_memory_rises_by_an_array_that_is_alive():
    reader = MemoryReader()
    before = reader.read()["memory_mb"]
    array = np.ones(64 * 2**20 // 8)
    assert reader.read()["memory_mb"] - before == pytest.approx(64, abs=2)
    assert array.any()


def test_the_peak_remembers_an_array_that_is_gone_until_it_is_reset():
    reader = MemoryReader()
    reader.reset_peak()
    before = reader.read()
    array = np.ones(64 * 2**20 // 8)
    del array
    after = reader.read()
    assert after["memory_peak_mb"] - before["memory_mb"] == pytest.approx(64, abs=2)
    assert after["memory_mb"] - before["memory_mb"] < 2
    reader.reset_peak()
    assert reader.read()["memory_peak_mb"] - before["memory_mb"] < 2


def test_memory_shared_through_a_mapped_file_does_not_count(tmp_path):
    np.save(tmp_path / "array.npy", np.ones(64 * 2**20 // 8))
    reader = MemoryReader()
    before = reader.read()["memory_mb"]
    mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    assert mapped.sum() > 0
    assert reader.read()["memory_mb"] - before < 2


class Clocks:
    """Clocks of wall and CPU time that go on only when a test says so, and count their readings."""

    def __init__(self):
        self.wall_ns = self.cpu_ns = 0
        self.read = Counter()

    def perf_counter_ns(self):
        self.read["wall"] += 1
        return self.wall_ns

    def process_time_ns(self):
        self.read["cpu"] += 1
        return self.cpu_ns

    def compute(self, ms):
        self.wall_ns += ms * 10**6
        self.cpu_ns += ms * 10**6

    def wait(self, ms):
        self.wall_ns += ms * 10**6


@pytest.fixture
def clocks(monkeypatch):
    clocks = Clocks()
    monkeypatch.setattr(system_metrics, "time", clocks)
    return clocks


def test_cpu_is_the_share_of_the_steps_wall_time_that_was_computing(clocks):
    clock = StepClock(warmup_fits=0)
    for computing_ms, waiting_ms in ((3, 1), (0, 4)):
        started = clock.start()
        clocks.compute(computing_ms)
        clocks.wait(waiting_ms)
        clock.stop(started)
        assert clock.end_window()["cpu_percent"] == 25 * computing_ms


def test_time_between_steps_is_not_training_time(clocks):
    clock = StepClock(warmup_fits=0)
    for _ in range(2):
        started = clock.start()
        clocks.compute(5)
        clock.stop(started)
        clocks.compute(100)
    assert clock.end_window()["step_time_ms"] == 5
    assert (clock.wall_ns, clock.cpu_ns) == (10 * 10**6, 10 * 10**6)


def test_the_monitor_reads_two_clocks_around_each_fit_and_memory_once_per_window(
    classification_split, make_trial, clocks, monkeypatch
):
    """What it costs is measured by `make bench`."""
    calls = Counter()
    for name in ("read", "reset_peak"):
        original = getattr(MemoryReader, name)

        def counted(reader, name=name, original=original):
            calls[name] += 1
            return original(reader)

        monkeypatch.setattr(MemoryReader, name, counted)
    windows = list(train(make_trial(steps=30, window_steps=10), classification_split))
    fits = 30 * classification_split.folds
    assert clocks.read == {"wall": 2 * fits, "cpu": 2 * fits}
    before_the_first = 1
    assert calls == {"read": before_the_first + len(windows), "reset_peak": len(windows)}
