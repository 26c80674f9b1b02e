"""Run each trial in a fresh process, so that no trial inherits another's heap.

The processes are forked from a warm template (see `trial.template`), which is a process of its own,
without Ray. Parent, template and trial share one connection: the parent first sends the algorithm,
whose estimator the template imports, then a request for each trial; the trial sends its windows, and
the template how the trial ended. A trial asks its rule itself. Only where that compares trials, it
sends what it has to show and waits for the parent's answer. A parent that has seen enough closes the
connection, which kills the trial. It also closes it if a template hangs, or if a trial died that may
not have read an answer, and goes on with another template.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import IO

from sysstop.run.environment import measured_environment
from sysstop.study.rules import ArmRule, Showing
from sysstop.study.status import Stop
from sysstop.study.studies import Trial
from sysstop.trial.window import Window

# A template's own work takes milliseconds.
TEMPLATE_TIMEOUT_S = 10.0
# Names the socket of the run's own server of templates, where there is one.
SERVER_VARIABLE = "SYSSTOP_TRIAL_SERVER"


@dataclass(frozen=True)
class Request:
    """A trial to run, the rule that may stop it, and the data that it trains on."""

    trial: Trial
    rule: ArmRule | None
    split_folder: Path


# Of what a process printed, this much is kept.
LAST_WORDS_BYTES = 20_000
LAST_WORDS_LENGTH = 2000
CRASH = "Fatal Python error"


@dataclass(frozen=True)
class Ended:
    """How a trial's process ended."""

    exit_code: int
    """negative: the signal that killed it"""
    last_words: str = ""
    """the end of what it printed: the exception, if it raised one"""


def last_words(printed: IO[bytes]) -> str:
    """Return the end of a file that a process printed to, in one line.

    After a crash that is what Python's `faulthandler` says of it, without its long list of modules.
    """
    printed.seek(max(0, printed.seek(0, os.SEEK_END) - LAST_WORDS_BYTES))
    lines = printed.read().decode(errors="replace").splitlines()
    words = " ".join(line.strip() for line in lines if not line.startswith("Extension modules:"))
    crash = words.rfind(CRASH)
    if crash >= 0:  # faulthandler begins with what matters most, all others end with it
        return words[crash:].strip()[:LAST_WORDS_LENGTH]
    return words.strip()[-LAST_WORDS_LENGTH:]


def printed_by(server: Path) -> Path:
    """Return the file to which the server of templates with this socket prints."""
    return server.with_suffix(".log")


def template_command(address: int | Path) -> list[str]:
    """Return the command by which this process starts a template, which ends with it.

    `address` is the descriptor of the one connection that it serves, or the path of the socket where
    it listens.
    """
    return [sys.executable, "-m", "sysstop.trial.template", str(os.getpid()), str(address)]


class TrialProcess:
    """The parent's side: has trials run one after the other.

    A template that takes longer than `template_timeout_s` to report the end of a trial, or to end
    when it is no longer needed, is given up. `show` takes what a trial shows the others and returns
    the verdict, where the trial asks for one; trials with a rule that compares them need it.
    """

    def __init__(
        self,
        template_timeout_s: float = TEMPLATE_TIMEOUT_S,
        show: Callable[[Showing], Stop | None] | None = None,
    ) -> None:
        self._template_timeout_s = template_timeout_s
        self._show = show
        self._connection: Connection | None = None
        self._template: subprocess.Popen | None = None
        self._printed: IO[bytes] | None = None  # by the template
        self._running = self._answered = False

    def start(self, request: Request) -> None:
        """Begin a trial; one that still runs is killed first."""
        if self._running:
            self.close()
        if self._connection is None:
            self._connection = self._connect()
            self._connection.send(request.trial.algorithm)
        self._connection.send(request)
        self._running, self._answered = True, False

    def next_window(self, timeout_s: float | None = None) -> Window | Ended | None:
        """Return the next window, or how the process ended if it died before its end.

        What the trial shows the others before that window is passed on, and it is told the verdict.
        After a window that ended the trial, the trial's process is gone. It is gone, too, when
        `timeout_s` seconds have passed without an answer; then None is returned. Without a timeout
        this waits for ever.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        answer = None
        while answer is None or isinstance(answer, Showing):
            left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._connection.poll(left_s):
                self.close()
                return None
            answer = self._receive()
            if isinstance(answer, Showing):
                self._pass_on(answer)
        if isinstance(answer, Ended) and self._answered:
            self.close()  # an answer that it left unread would be the next trial's request
        self._running = isinstance(answer, Window) and answer.end is None
        if isinstance(answer, Window) and answer.end is not None:
            if self._connection.poll(self._template_timeout_s):
                self._receive()
            else:
                self.close()
        return answer

    def close(self) -> None:
        """End the template and whatever it still runs.

        A hanging template of the run's server is left until the run ends.
        """
        if self._connection is not None:
            self._connection.close()
        if self._printed is not None:
            self._printed.close()
        if self._template is not None:
            try:
                self._template.wait(self._template_timeout_s)
            except subprocess.TimeoutExpired:
                self._template.kill()  # Linux kills its trial then
                self._template.wait()
        self._connection, self._template, self._printed, self._running = None, None, None, False

    def _connect(self) -> Connection:
        """Connect to a warm template of the run's server; without one, start a template."""
        server = os.environ.get(SERVER_VARIABLE)
        if server:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                connection = Client(server)
                self._printed = printed_by(Path(server)).open("rb")
                return connection
        ours, theirs = Pipe()
        self._printed = os.fdopen(os.memfd_create("output"), "rb")
        self._template = subprocess.Popen(
            template_command(theirs.fileno()),
            pass_fds=[theirs.fileno()],
            env=measured_environment(),
            stdout=self._printed,
            stderr=self._printed,
        )
        theirs.close()
        return ours

    def _pass_on(self, showing: Showing) -> None:
        """Show what a trial shows; answer it if it asks for a verdict."""
        stop = self._show(showing)
        if showing.status is None:
            self._answered = True
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is gone
                self._connection.send(stop)

    def _receive(self) -> Window | Ended | Showing:
        try:
            return self._connection.recv()
        except (EOFError, ConnectionResetError) as error:
            words = last_words(self._printed)
            raise RuntimeError(
                f"the template process of the trials died; its last words: {words or 'none'}"
            ) from error
