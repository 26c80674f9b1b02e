"""The reference step: a small, fixed piece of training that shows how fast the machine is just now.

Wall time contains what other programs take of a core, and CPU time still varies with the core's
clock, its caches and its hypervisor. A reference step that runs now and then between the training
steps of a trial, in the same process, is slowed by all of that as well. Its CPU time divided by what
it takes at nominal speed is the slowdown, and the CPU time of the steps divided by the slowdown is
steady time: what the steps would take at nominal speed.
"""

import math
import mmap
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sysstop.data.split import Split

# These four were chosen by measurement, see docs/steady-time.md and benchmarks/steady_time.py.
ROWS = 32
CPU_SHARE = 0.025
LEAST_READINGS = 5
HIGHEST_MULTIPLE = 1.5
WARMUP_STEPS = 2


@dataclass(frozen=True)
class Clocks:
    """The clocks that are read while a trial trains, in nanoseconds: wall time, and CPU time of this process.

    The CPU time comes from `clock_gettime`, which resolves nanoseconds; psutil's process times tick
    every 10 ms, far too coarse for steps of a millisecond.
    """

    wall_ns: Callable[[], int] = time.perf_counter_ns
    cpu_ns: Callable[[], int] = time.process_time_ns


class SharedRows:
    """Fixed rows of the training part, drawn into shared memory, which counts in no metric."""

    def __init__(self, split: Split, rows: np.ndarray) -> None:
        self._features, self._rows = split.train_features, rows
        width = self._features.shape[1]
        memory = mmap.mmap(-1, max(1, 8 * len(rows) * width))
        self._drawn = np.frombuffer(memory, count=len(rows) * width).reshape(-1, width)

    def __len__(self) -> int:
        return len(self._rows)

    def draw(self) -> np.ndarray:
        """Return the rows as they are (rows x features), in place of those drawn before."""
        return np.take(self._features, self._rows, axis=0, out=self._drawn, mode="clip")


class ReferenceStep:
    """One `partial_fit` of a linear regressor on fixed rows, drawn and scaled as a training step does.

    It depends on the data set alone, not on the algorithm or on anything in the grid.
    """

    def __init__(self, split: Split, rows: int = ROWS) -> None:
        from sklearn.linear_model import SGDRegressor

        count = len(split.train_features)
        self._rows = SharedRows(split, np.linspace(0, count - 1, min(rows, count)).astype(int))
        self._mean, self._scale = split.feature_mean[-1], split.feature_scale[-1]
        self._target = np.where(np.arange(len(self._rows)) % 2, 1.0, -1.0)
        self._model = SGDRegressor(learning_rate="constant", eta0=1e-6, shuffle=False)

    def __call__(self) -> None:
        """Draw the rows, scale and fit them."""
        batch = self._rows.draw()
        batch -= self._mean
        batch /= self._scale
        self._model.partial_fit(batch, self._target)


class Reference:
    """Runs the reference step beside a trial's steps and says how slow the machine is.

    It takes `CPU_SHARE` of the CPU time of the steps, and in the first window at least
    `LEAST_READINGS`. `readings_ns` are the CPU times of all its steps; `wall_ns` and `cpu_ns` are
    what it has taken in all, for the meters to leave out. `nominal_us` is its CPU time at nominal
    speed, `steps_cpu_ns` that of the training steps, as it was last told.
    """

    def __init__(
        self, step: Callable[[], object], clocks: Clocks, nominal_us: float = math.nan
    ) -> None:
        self._step, self._clocks, self.nominal_us = step, clocks, nominal_us
        self.wall_ns = self.cpu_ns = self.steps_cpu_ns = 0
        self.readings_ns: list[int] = []
        self._readings_before_window = 0

    def begin_window(self) -> None:
        """Begin to count a window's readings."""
        self._readings_before_window = len(self.readings_ns)

    def run_if_due(self, steps_cpu_ns: int, windows_done: float) -> None:
        """Run the reference step if it has had less than its share.

        `steps_cpu_ns` is the CPU time of all training steps so far, `windows_done` how many windows
        they fill.
        """
        self.steps_cpu_ns = steps_cpu_ns
        least = LEAST_READINGS * min(1.0, windows_done)
        if self.cpu_ns < CPU_SHARE * steps_cpu_ns or len(self.readings_ns) < least:
            self.run()

    def run(self) -> None:
        """Run the reference step and read its CPU time."""
        wall_ns, cpu_ns = self._clocks.wall_ns(), self._clocks.cpu_ns()
        self._step()
        reading_ns = self._clocks.cpu_ns() - cpu_ns
        self.readings_ns.append(reading_ns)
        self.cpu_ns += reading_ns
        self.wall_ns += self._clocks.wall_ns() - wall_ns

    def slowdown(self) -> float:
        """Return the reference's mean CPU time in this window, as a multiple of the nominal one.

        A window with fewer readings than `LEAST_READINGS` is joined with the latest of the windows
        before. NaN if no time was read.
        """
        count = max(LEAST_READINGS, len(self.readings_ns) - self._readings_before_window)
        latest_ns = without_interrupts(self.readings_ns[-count:])
        return statistics.fmean(latest_ns) / 1e3 / self.nominal_us if any(latest_ns) else math.nan


def without_interrupts(readings_ns: Sequence[float]) -> list[float]:
    """Return the readings, each at most `HIGHEST_MULTIPLE` of the larger of its two neighbours.

    A single high reading is one that an interrupt hit. There are too few readings of the reference
    for interrupts to average out, as they do over the steps. A machine that becomes slower makes
    the neighbours high as well.
    """
    if len(readings_ns) < 2:
        return list(readings_ns)
    before_ns = [readings_ns[1], *readings_ns[:-1]]
    after_ns = [*readings_ns[1:], readings_ns[-2]]
    return [
        min(reading, HIGHEST_MULTIPLE * max(neighbours))
        for reading, *neighbours in zip(readings_ns, before_ns, after_ns, strict=True)
    ]


def trial_reference(split: Split, nominal_us: float, clocks: Clocks) -> Reference:
    """Return the warm reference of a trial that begins now."""
    step = ReferenceStep(split)
    for _ in range(WARMUP_STEPS):
        step()
    return Reference(step, clocks, nominal_us)
