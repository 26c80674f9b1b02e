"""Run each trial in a fresh process, so that no trial inherits another's heap.

The processes are forked from a warm template (see `trial_template`), which is a process of its own,
without Ray. Parent, template and child share one connection and take strict turns on it: trial,
window, "continue" or "stop", window, ..., ended.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path

from sysstop.studies import Trial

CONTINUE, STOP = "continue", "stop"
LIBRARY_FOLDER = Path(__file__).parents[1]

# One thread per worker: the study measures one core, and trials run side by side.
THREAD_LIMITS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Ended:
    """How a trial's process ended: the exit code (negative: the signal that killed it) and why."""

    exit_code: int
    error: str = ""


class TrialProcess:
    """The parent's side: starts the template, then runs trials one after the other."""

    def __init__(self, split_folder: Path) -> None:
        self._connection, theirs = Pipe()
        command = [sys.executable, "-m", "sysstop.trial_template"]
        command += [str(theirs.fileno()), str(split_folder)]
        self._template = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            env=os.environ | THREAD_LIMITS | {"PYTHONPATH": str(LIBRARY_FOLDER)},
        )
        theirs.close()
        self._running = False
        self._child_waits = False

    def start(self, trial: Trial) -> None:
        """Begin a trial; one that still runs is stopped first."""
        self.stop()
        self._connection.send(trial)
        self._running = True

    def next_window(self) -> dict | Ended:
        """Return the next window's record, or how the process ended if it died before."""
        if self._child_waits:
            self._connection.send(CONTINUE)
        answer = self._receive()
        self._running = self._child_waits = not isinstance(answer, Ended)
        return answer

    def stop(self) -> None:
        """End the running trial, if any, and wait until its process is gone."""
        if self._running:
            self._connection.send(STOP)
            while not isinstance(self._receive(), Ended):
                continue
        self._running = self._child_waits = False

    def close(self) -> None:
        """End the template and whatever it still runs."""
        self._connection.close()
        try:
            self._template.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._template.kill()
            self._template.wait()

    def _receive(self) -> dict | Ended:
        try:
            return self._connection.recv()
        except EOFError as error:
            raise RuntimeError(
                "the template process of the trials died; its own message stands above"
            ) from error
