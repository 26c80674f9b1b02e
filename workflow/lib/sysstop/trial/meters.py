"""What a process costs while it trains: time, CPU and memory, read from Linux's own accounting.

A new metric is an entry in `study.metrics` and a meter here, entered in `METERS`.
"""

import math
import os
import resource
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import psutil

from sysstop.study.studies import Trial
from sysstop.trial.estimators import stored_bytes
from sysstop.trial.reference import Clocks, Reference, SharedRows, trial_reference

if TYPE_CHECKING:
    from sysstop.trial.training import FoldModel

KB, MB = 2**10, 2**20

# Predictions get this share of the CPU time of the training steps, and one turn of the first window.
PREDICTIONS_CPU_SHARE = 0.018
CALLS_IN_TURN, MOST_TURNS = 5, 5
BLOCK_ROWS = 1000


class Meter:
    """Reads one or more metrics of one trial; it is made when the trial begins, before its models.

    A meter has the methods that it needs. Those that it does not override are never called, so that
    they cost a training step nothing.
    """

    metrics: ClassVar[tuple[str, ...]]
    """the names of the metrics that it reads"""

    def __init__(self, trial: Trial, folds: int, clocks: Clocks, reference: Reference) -> None:
        """Begin to measure a trial that trains this many fold models.

        What `reference` takes belongs to no metric.
        """

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

    def between_fits(self) -> None:
        """Do what is due after a fold model's fit and loss, when nothing is timed."""

    def end_training(self) -> None:
        """Do what is due after the window's steps, while the last mini-batch is still alive."""

    def begin_predictions(self) -> None:
        """Do what is due before the models are used as an application uses them."""

    def predict(self, models: "Sequence[FoldModel]") -> None:
        """Use the models after a window's validation; a diverged trial's models are never used."""

    def end_predictions(self) -> None:
        """Do what is due after it."""

    def end_window(self) -> Mapping[str, float]:
        """Return the value of each of `metrics` at the end of a window, after its evaluation."""
        raise NotImplementedError


class TrialClock(Meter):
    """Wall and CPU time since the trial began, without the reference's and that of predictions."""

    metrics = ("wall_time_s", "cpu_time_s")

    def __init__(self, trial: Trial, folds: int, clocks: Clocks, reference: Reference) -> None:
        self._clocks, self._reference = clocks, reference
        self._began_wall_ns = clocks.wall_ns()
        self._began_cpu_ns = clocks.cpu_ns()
        self._halted_wall_ns = self._halted_cpu_ns = 0

    def begin_predictions(self) -> None:
        """Halt the clocks."""
        self._halted_wall_ns = self._clocks.wall_ns()
        self._halted_cpu_ns = self._clocks.cpu_ns()

    def end_predictions(self) -> None:
        """Let the clocks go on."""
        self._began_wall_ns += self._clocks.wall_ns() - self._halted_wall_ns
        self._began_cpu_ns += self._clocks.cpu_ns() - self._halted_cpu_ns

    def end_window(self) -> Mapping[str, float]:
        """Return both times in seconds."""
        wall_ns = self._clocks.wall_ns() - self._began_wall_ns - self._reference.wall_ns
        cpu_ns = self._clocks.cpu_ns() - self._began_cpu_ns - self._reference.cpu_ns
        return {"wall_time_s": wall_ns / 1e9, "cpu_time_s": cpu_ns / 1e9}


class SchedulerReader(Meter):
    """What the kernel and the hypervisor have kept from this process since the trial began.

    Involuntary context switches come from getrusage(2), the time spent ready but waiting for a core
    from /proc/self/schedstat, the time stolen by the hypervisor from /proc/stat for the cores that
    this process may use. What the kernel does not count is NaN.
    """

    metrics = ("context_switches", "run_queue_delay_s", "stolen_time_s")

    def __init__(self, trial: Trial, folds: int, clocks: Clocks, reference: Reference) -> None:
        self._began = self._read()

    def end_window(self) -> Mapping[str, float]:
        """Return the counts and times since the trial began."""
        now = self._read()
        return {name: now[name] - self._began[name] for name in self.metrics}

    def _read(self) -> dict[str, float]:
        schedstat = Path("/proc/self/schedstat")
        return {
            "context_switches": resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw,
            "run_queue_delay_s": int(schedstat.read_text().split()[1]) / 1e9
            if schedstat.exists()
            else math.nan,
            "stolen_time_s": _stolen_s(os.sched_getaffinity(0)),
        }


def _stolen_s(cores: Iterable[int]) -> float:
    """Return the time that the hypervisor has kept from these cores since the host was started."""
    counts = Path("/proc/stat").read_text()
    ticks = 0.0
    for core in cores:
        counters = counts.partition(f"cpu{core} ")[2].split(None, 8)
        ticks += int(counters[7]) if len(counters) > 7 else math.nan
    return ticks / os.sysconf("SC_CLK_TCK")


class MemoryReader(Meter):
    """Private memory of this process: resident minus shared, so data that workers share is left out.

    The peak is the kernel's high-water mark of resident memory, reset at the start of each window
    through /proc/self/clear_refs, minus the shared memory at the time of reading. Both are read
    while the window's last mini-batch is alive.
    """

    metrics = ("memory_mb", "memory_peak_mb", "memory_baseline_mb")

    def __init__(self, trial: Trial, folds: int, clocks: Clocks, reference: Reference) -> None:
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

    def __init__(self, trial: Trial, folds: int, clocks: Clocks, reference: Reference) -> None:
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
    """Time of training steps, over the trial and over the current window: wall, CPU and steady."""

    metrics = (
        "step_time_ms",
        "sample_time_us",
        "train_time_s",
        "steady_step_time_ms",
        "steady_sample_time_us",
        "steady_train_time_s",
        "slowdown",
        "cpu_percent",
        "samples_used",
    )

    def __init__(self, trial: Trial, folds: int, clocks: Clocks, reference: Reference) -> None:
        self._wall_ns, self._cpu_ns = clocks.wall_ns, clocks.cpu_ns
        self._reference = reference
        self._batch_size = trial.configuration.batch_size
        self._window_fits = trial.budget.window_steps * folds
        self._warmup_fits = trial.budget.warmup_steps * folds
        self._fits = self._train_wall_ns = self._train_cpu_ns = 0
        self._steady_train_ns = 0.0
        self._began_wall_ns = self._began_cpu_ns = 0
        self.begin_window()

    def begin_window(self) -> None:
        """Forget the steps of the window before."""
        self._window_wall_ns = self._window_cpu_ns = 0
        self._timed_wall_ns = self._timed_cpu_ns = self._timed_fits = 0
        self._reference.begin_window()

    def begin_fit(self) -> None:
        """Start both clocks."""
        self._began_wall_ns = self._wall_ns()
        self._began_cpu_ns = self._cpu_ns()

    def end_fit(self) -> None:
        """Stop both clocks, and count the step of one fold model."""
        cpu_ns = self._cpu_ns() - self._began_cpu_ns
        wall_ns = self._wall_ns() - self._began_wall_ns
        self._window_cpu_ns += cpu_ns
        self._window_wall_ns += wall_ns
        if self._fits >= self._warmup_fits:
            self._timed_wall_ns += wall_ns
            self._timed_cpu_ns += cpu_ns
            self._timed_fits += 1
        self._fits += 1

    def between_fits(self) -> None:
        """Run the reference step if it is due."""
        self._reference.run_if_due(
            self._train_cpu_ns + self._window_cpu_ns, self._fits / self._window_fits
        )

    def end_window(self) -> Mapping[str, float]:
        """Return the window's time per step and per sample, CPU and slowdown, and the trial's sums.

        The time per step is NaN in a window of nothing but warm-up steps.
        """
        self._train_wall_ns += self._window_wall_ns
        self._train_cpu_ns += self._window_cpu_ns
        slowdown = self._reference.slowdown()
        self._steady_train_ns += self._window_cpu_ns / slowdown
        wall_ns = cpu_ns = math.nan
        if self._timed_fits:
            wall_ns = self._timed_wall_ns / self._timed_fits
            cpu_ns = self._timed_cpu_ns / self._timed_fits
        return {
            "step_time_ms": wall_ns / 1e6,
            "sample_time_us": wall_ns / 1e3 / self._batch_size,
            "train_time_s": self._train_wall_ns / 1e9,
            "steady_step_time_ms": cpu_ns / slowdown / 1e6,
            "steady_sample_time_us": cpu_ns / slowdown / 1e3 / self._batch_size,
            "steady_train_time_s": self._steady_train_ns / 1e9,
            "slowdown": slowdown,
            "cpu_percent": 100 * self._window_cpu_ns / max(self._window_wall_ns, 1),
            "samples_used": self._fits * self._batch_size,
        }


class Predictions:
    """Some rows of the training part, and how long the latest predictions for them took."""

    def __init__(self, rows: SharedRows) -> None:
        self.rows = rows
        self.wall_ns: deque[float] = deque(maxlen=CALLS_IN_TURN * MOST_TURNS)
        self.steady_ns: deque[float] = deque(maxlen=CALLS_IN_TURN * MOST_TURNS)

    def us_per_row(self, times_ns: Iterable[float]) -> float:
        """Return the median of these times for one row, in microseconds."""
        return statistics.median(times_ns) / 1e3 / len(self.rows)


class PredictionMeter(Meter):
    """What an application asks of a model: how long predictions take, and how large the model is.

    After a window's validation the first fold's model takes turns: it is pickled, and predicts the
    target of one row and that of `BLOCK_ROWS` rows, each `CALLS_IN_TURN` times, which warms it up alike
    in every turn; before the first turn it does so once more. The reference step runs as often right
    before them: what it takes between training steps depends on how much these leave of the caches, and
    so on the batch size. There are up to `MOST_TURNS`, as long as one more would keep all of them within
    `PREDICTIONS_CPU_SHARE` of the CPU time of the training steps; a window without any keeps the values
    of the one before. A prediction draws raw rows, scales them, asks the estimator and puts its answer
    into the target's unit; imputation and encoding come before a trial. A value is the median of the
    latest predictions.

    All this counts in no other metric: it comes after the window's memory was read, the rows are in
    shared memory, and `TrialClock` stands still meanwhile.
    """

    metrics = (
        "predict_time_us",
        "predict_sample_us",
        "steady_predict_time_us",
        "steady_predict_sample_us",
        "model_mb",
    )

    def __init__(self, trial: Trial, folds: int, clocks: Clocks, reference: Reference) -> None:
        self._clocks, self._reference = clocks, reference
        self._nominal_us = trial.nominal_repeated_us
        self._cpu_ns = self._turns = 0
        self._kinds: list[Predictions] = []
        self._repeated: Reference | None = None
        self._values = dict.fromkeys(self.metrics, math.nan)

    def predict(self, models: "Sequence[FoldModel]") -> None:
        """Take as many turns as are due."""
        share_ns = PREDICTIONS_CPU_SHARE * self._reference.steps_cpu_ns
        for _ in range(MOST_TURNS):
            # One more takes what they took on average.
            if self._cpu_ns * (self._turns + 1) <= self._turns * share_ns:
                self._take_turn(models[0])

    def end_window(self) -> Mapping[str, float]:
        """Return the times per row and the size in MB (2**20 bytes); NaN before the first turn."""
        return self._values

    def _take_turn(self, model: "FoldModel") -> None:
        self._turns += 1
        if not self._kinds:
            count = len(model.split.train_features)
            rows = np.linspace(0, count - 1, BLOCK_ROWS).astype(int)
            self._kinds = [Predictions(SharedRows(model.split, of)) for of in (rows[:1], rows)]
            self._repeated = trial_reference(model.split, self._nominal_us, self._clocks)
            for kind in self._kinds:
                self._call(kind, model)  # cold
        for kind in self._kinds:
            wall_ns, steady_ns = self._call(kind, model)
            kind.wall_ns.extend(wall_ns)
            kind.steady_ns.extend(steady_ns)
        size, _, _ = self._timed(lambda: stored_bytes(model.stored))
        one, block = self._kinds
        self._values = {
            "predict_time_us": one.us_per_row(one.wall_ns),
            "predict_sample_us": block.us_per_row(block.wall_ns),
            "steady_predict_time_us": one.us_per_row(one.steady_ns),
            "steady_predict_sample_us": block.us_per_row(block.steady_ns),
            # The digits of a seed take a few bytes more or less.
            "model_mb": float(np.ceil(size / KB)) * KB / MB,
        }

    def _call(self, kind: Predictions, model: "FoldModel") -> tuple[list[float], list[float]]:
        """Return the wall and the steady times of some predictions, in nanoseconds."""
        self._repeated.begin_window()
        for _ in range(CALLS_IN_TURN):
            self._repeated.run()
            self._cpu_ns += self._repeated.readings_ns[-1]
        slowdown = self._repeated.slowdown()
        calls = [self._timed(lambda: model.predict(kind.rows.draw())) for _ in range(CALLS_IN_TURN)]
        return [wall_ns for _, wall_ns, _ in calls], [cpu_ns / slowdown for *_, cpu_ns in calls]

    def _timed(self, work: Callable[[], Any]) -> tuple[Any, int, int]:
        """Return what some of the meter's work returns, with its wall and CPU time."""
        wall_ns, cpu_ns = self._clocks.wall_ns(), self._clocks.cpu_ns()
        result = work()
        cpu_ns = self._clocks.cpu_ns() - cpu_ns
        self._cpu_ns += cpu_ns
        return result, self._clocks.wall_ns() - wall_ns, cpu_ns


METERS: list[type[Meter]] = [
    TrialClock,
    SchedulerReader,
    MemoryReader,
    EvaluationClock,
    PredictionMeter,
    StepClock,
]
"""All meters, in the order in which they begin. They end in reverse, so that the time of a training
step, which the last one reads, includes none of the others' work."""


def begin_meters(trial: Trial, folds: int, clocks: Clocks, reference: Reference) -> list[Meter]:
    """Return all meters of a trial that begins now."""
    return [meter(trial, folds, clocks, reference) for meter in METERS]


def hooks(meters: Iterable[Meter], name: str) -> list[Callable[..., None]]:
    """Return the method with this name of each meter that overrides it."""
    return [
        getattr(meter, name)
        for meter in meters
        if getattr(type(meter), name) is not getattr(Meter, name)
    ]
