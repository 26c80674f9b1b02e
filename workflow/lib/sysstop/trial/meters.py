"""What a process costs while it trains: time, CPU and memory, read from Linux' own accounting.

A new metric is an entry in `study.metrics` and a meter here, entered in `METERS`.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil

from sysstop.study.studies import Trial

MB = 2**20


@dataclass(frozen=True)
class Clocks:
    """The clocks that meters read, in nanoseconds: wall time, and CPU time of this process.

    The CPU time comes from `clock_gettime`, which resolves nanoseconds; psutil's process times tick
    every 10 ms, far too coarse for steps of a millisecond.
    """

    wall_ns: Callable[[], int] = time.perf_counter_ns
    cpu_ns: Callable[[], int] = time.process_time_ns


class Meter:
    """Reads one or more metrics of one trial; it is made when the trial begins, before its models.

    A meter has the methods that it needs. Those that it leaves as they are here are never called, so
    that a training step costs nothing more.
    """

    metrics: ClassVar[tuple[str, ...]]
    """the names of the metrics that it reads"""

    def __init__(self, trial: Trial, folds: int, clocks: Clocks) -> None:
        """Begin to measure a trial that trains so many fold models."""

    def begin_window(self) -> None:
        """Do what is due when a window begins."""

    def begin_fit(self) -> None:
        """Do what is due before a mini-batch is drawn, scaled and fitted to one fold model."""

    def end_fit(self) -> None:
        """Do what is due after it."""

    def begin_evaluation(self) -> None:
        """Do what is due before a loss on a mini-batch, or a validation of all models."""

    def end_evaluation(self) -> None:
        """Do what is due after it."""

    def end_training(self) -> None:
        """Do what is due after the window's steps, while the last mini-batch is still alive."""

    def end_window(self) -> Mapping[str, float]:
        """Return the value of each of `metrics` at the end of a window, after its evaluation."""
        raise NotImplementedError


class TrialClock(Meter):
    """Wall and CPU time since the trial began."""

    metrics = ("wall_time_s", "cpu_time_s")

    def __init__(self, trial: Trial, folds: int, clocks: Clocks) -> None:
        self._clocks = clocks
        self._began_wall_ns = clocks.wall_ns()
        self._began_cpu_ns = clocks.cpu_ns()

    def end_window(self) -> Mapping[str, float]:
        """Return both times in seconds."""
        return {
            "wall_time_s": (self._clocks.wall_ns() - self._began_wall_ns) / 1e9,
            "cpu_time_s": (self._clocks.cpu_ns() - self._began_cpu_ns) / 1e9,
        }


class MemoryReader(Meter):
    """Private memory of this process: resident minus shared, so data that workers share is left out.

    The peak is the kernel's high-water mark of resident memory, reset at the start of each window
    through /proc/self/clear_refs, minus the shared memory at the time of reading. Both are read
    while the window's last mini-batch is alive.
    """

    metrics = ("memory_mb", "memory_peak_mb", "memory_baseline_mb")

    def __init__(self, trial: Trial, folds: int, clocks: Clocks) -> None:
        self._process = psutil.Process()
        self._baseline_mb, _ = self._read()
        self._memory_mb = self._peak_mb = self._baseline_mb

    def begin_window(self) -> None:
        """Forget the peak so far."""
        Path("/proc/self/clear_refs").write_text("5")

    def end_training(self) -> None:
        """Read the memory now, and its peak since the window began."""
        self._memory_mb, self._peak_mb = self._read()

    def end_window(self) -> Mapping[str, float]:
        """Return the memory, its peak and what it was before the trial, in MB (2**20 bytes)."""
        return {
            "memory_mb": self._memory_mb,
            "memory_peak_mb": self._peak_mb,
            "memory_baseline_mb": self._baseline_mb,
        }

    def _read(self) -> tuple[float, float]:
        memory = self._process.memory_info()
        status = Path("/proc/self/status").read_text()
        peak_kb = int(status.partition("VmHWM:")[2].split(None, 1)[0])
        peak_bytes = max(peak_kb * 1024, memory.rss)
        return (memory.rss - memory.shared) / MB, (peak_bytes - memory.shared) / MB


class EvaluationClock(Meter):
    """Wall time spent on losses and validation since the trial began."""

    metrics = ("eval_time_s",)

    def __init__(self, trial: Trial, folds: int, clocks: Clocks) -> None:
        self._now_ns = clocks.wall_ns
        self._total_ns = self._began_ns = 0

    def begin_evaluation(self) -> None:
        """Start the clock."""
        self._began_ns = self._now_ns()

    def end_evaluation(self) -> None:
        """Stop the clock."""
        self._total_ns += self._now_ns() - self._began_ns

    def end_window(self) -> Mapping[str, float]:
        """Return the time in seconds."""
        return {"eval_time_s": self._total_ns / 1e9}


class StepClock(Meter):
    """Wall and CPU time of training steps, summed over the trial and over the current window."""

    metrics = ("step_time_ms", "sample_time_us", "train_time_s", "cpu_percent", "samples_used")

    def __init__(self, trial: Trial, folds: int, clocks: Clocks) -> None:
        self._wall_ns, self._cpu_ns = clocks.wall_ns, clocks.cpu_ns
        self._batch_size = trial.configuration.batch_size
        self._warmup_fits = trial.budget.warmup_steps * folds
        self._fits = self._timed_fits = self._train_ns = 0
        self._began_wall_ns = self._began_cpu_ns = 0
        self.begin_window()

    def begin_window(self) -> None:
        """Forget the steps of the window before."""
        self._window_wall_ns = self._window_cpu_ns = self._timed_ns = self._timed_fits = 0

    def begin_fit(self) -> None:
        """Start both clocks."""
        self._began_wall_ns = self._wall_ns()
        self._began_cpu_ns = self._cpu_ns()

    def end_fit(self) -> None:
        """Stop both clocks, and count the step of one fold model."""
        wall_ns = self._wall_ns() - self._began_wall_ns
        self._window_cpu_ns += self._cpu_ns() - self._began_cpu_ns
        self._window_wall_ns += wall_ns
        if self._fits >= self._warmup_fits:
            self._timed_ns += wall_ns
            self._timed_fits += 1
        self._fits += 1

    def end_window(self) -> Mapping[str, float]:
        """Return the window's step time, time per sample and CPU, and the trial's sums.

        The step time is NaN in a window of nothing but warm-up steps.
        """
        self._train_ns += self._window_wall_ns
        step_time_ns = self._timed_ns / self._timed_fits if self._timed_fits else float("nan")
        return {
            "step_time_ms": step_time_ns / 1e6,
            "sample_time_us": step_time_ns / 1e3 / self._batch_size,
            "train_time_s": self._train_ns / 1e9,
            "cpu_percent": 100 * self._window_cpu_ns / max(self._window_wall_ns, 1),
            "samples_used": self._fits * self._batch_size,
        }


METERS: list[type[Meter]] = [TrialClock, MemoryReader, EvaluationClock, StepClock]
"""All meters, in the order in which they begin. They end in reverse, so that the time of a training
step, which the last one reads, holds nothing of the others."""


def begin_meters(trial: Trial, folds: int, clocks: Clocks) -> list[Meter]:
    """Return all meters of a trial that begins now."""
    return [meter(trial, folds, clocks) for meter in METERS]


def hooks(meters: Iterable[Meter], name: str) -> list[Callable[[], None]]:
    """Return the method of this name of each meter that has one of its own."""
    return [
        getattr(meter, name)
        for meter in meters
        if getattr(type(meter), name) is not getattr(Meter, name)
    ]
