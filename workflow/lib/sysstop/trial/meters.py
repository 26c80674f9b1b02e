"""What a process costs while it trains: time, CPU and memory, read from Linux' own accounting."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MB = 2**20


@dataclass
class StepClock:
    """Wall and CPU time of training steps, summed over the trial and over the current window.

    The CPU time comes from `clock_gettime`, which resolves nanoseconds; psutil's process times tick
    every 10 ms, far too coarse for steps of a millisecond.
    """

    warmup_fits: int
    wall_ns: int = 0
    cpu_ns: int = 0
    fits: int = 0
    _window_wall_ns: int = 0
    _window_cpu_ns: int = 0
    _timed_ns: int = 0
    _timed_fits: int = 0

    def start(self) -> tuple[int, int]:
        """Return the current wall and CPU time in nanoseconds."""
        return time.perf_counter_ns(), time.process_time_ns()

    def stop(self, started: tuple[int, int]) -> None:
        """Count one fit of one fold model that began at `started`."""
        wall_ns = time.perf_counter_ns() - started[0]
        self._window_wall_ns += wall_ns
        self._window_cpu_ns += time.process_time_ns() - started[1]
        if self.fits >= self.warmup_fits:
            self._timed_ns += wall_ns
            self._timed_fits += 1
        self.fits += 1

    def end_window(self) -> dict[str, float]:
        """Return the window's step time in ms and CPU in percent, and begin the next window.

        The step time is NaN in a window of nothing but warm-up steps.
        """
        step_time_ns = self._timed_ns / self._timed_fits if self._timed_fits else float("nan")
        cpu_percent = 100 * self._window_cpu_ns / max(self._window_wall_ns, 1)
        self.wall_ns += self._window_wall_ns
        self.cpu_ns += self._window_cpu_ns
        self._window_wall_ns = self._window_cpu_ns = self._timed_ns = self._timed_fits = 0
        return {"step_time_ms": step_time_ns / 1e6, "cpu_percent": cpu_percent}


@dataclass
class MemoryReader:
    """Private memory of this process: resident minus shared, so data that workers share is left out.

    The peak is the kernel's high-water mark of resident memory, reset at the start of each window
    through /proc/self/clear_refs, minus the shared memory at the time of reading.
    """

    _process: psutil.Process = field(default_factory=psutil.Process)

    def reset_peak(self) -> None:
        """Forget the peak so far."""
        Path("/proc/self/clear_refs").write_text("5")

    def read(self) -> dict[str, float]:
        """Return the memory now and its peak since the last reset, in MB (2**20 bytes)."""
        memory = self._process.memory_info()
        status = Path("/proc/self/status").read_text()
        peak_kb = int(status.partition("VmHWM:")[2].split(None, 1)[0])
        return {
            "memory_mb": (memory.rss - memory.shared) / MB,
            "memory_peak_mb": (max(peak_kb * 1024, memory.rss) - memory.shared) / MB,
        }
