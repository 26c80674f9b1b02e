import time

import numpy as np
import pytest

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


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_cpu_is_the_share_of_the_steps_wall_time_that_was_computing():
    clock = StepClock(warmup_fits=0)
    started = clock.start()
    busy(0.1)
    clock.stop(started)
    computing = clock.end_window()["cpu_percent"]
    started = clock.start()
    time.sleep(0.1)
    clock.stop(started)
    waiting = clock.end_window()["cpu_percent"]
    assert waiting < 20 < computing


def test_time_between_steps_is_not_training_time():
    clock = StepClock(warmup_fits=0)
    started = clock.start()
    clock.stop(started)
    time.sleep(0.1)
    started = clock.start()
    clock.stop(started)
    clock.end_window()
    assert clock.wall_ns < 0.05e9


def fastest(action, repeats=20):
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def test_the_monitor_costs_less_than_two_hundredths_of_the_shortest_window(
    classification_split, make_trial
):
    """Two pairs of clock readings for each fit, and memory and its peak once per window."""
    budget = {"steps": 100, "window_steps": 100}
    (record,) = train(make_trial(batch_size=1, **budget), classification_split)
    clock, reader = StepClock(warmup_fits=0), MemoryReader()

    def monitor_a_window():
        reader.reset_peak()
        for _ in range(100 * classification_split.folds):
            clock.stop(clock.start())
        clock.end_window()
        reader.read()

    assert fastest(monitor_a_window) < 0.02 * record["train_time_s"]
