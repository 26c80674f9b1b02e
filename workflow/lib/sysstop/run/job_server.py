"""Warm processes from which the jobs of a run are forked, so that none of them waits for imports.

Most jobs of a small study are over sooner than Python has imported what they use. So a run starts a
server that imports all of it once. A script that Snakemake or Ray starts hands itself over to that
server and waits; a fork of the server runs the script, prints where the script would print, and ends
with it. Without such a server a script runs as usual.

Ray's workers have a server that has not imported Ray, since Ray reads which job a worker belongs to
when it is imported.
"""

import atexit
import contextlib
import importlib
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from typing import NoReturn

from sysstop.run.environment import LIBRARY_FOLDER
from sysstop.run.folder import OWNER_VARIABLE, own_run_folder
from sysstop.run.forking import (
    accept_in_fork,
    await_child,
    die_with_parent,
    fork,
    keep_out_of_collection,
)
from sysstop.run.job import report

# The servers' sockets in the run's folder, where no job looks that a cluster runs elsewhere.
JOBS, RAY_WORKERS = "jobs", "ray-workers"
# Holds the ID of a process that a script has been handed over to.
FORKED_VARIABLE = "SYSSTOP_FORKED_JOB"
SERVER_DIED = (
    "The process that this job was forked from has died, for example because memory ran out. Run the same "
    "command again; finished trials are kept."
)
STANDARD_STREAMS = (0, 1, 2)
PASSED_ON = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Script:
    """A script to run, and where."""

    path: Path
    arguments: tuple[str, ...]
    folder: Path
    environment: dict[str, str]


def start_servers(modules: Mapping[str, Sequence[str]]) -> subprocess.Popen:
    """Start the servers of this run's jobs, by the modules that each imports after the one before it.

    They end with this process. Jobs that begin in the meantime wait for them, so that nothing runs
    beside those that measure. Returns the process of the first server, with which the others end.
    """
    with contextlib.ExitStack() as kept:
        arguments, listeners = [], []
        for name, imported in modules.items():
            path = own_run_folder() / name
            path.unlink(missing_ok=True)
            listener = kept.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            listener.listen(100)
            listeners.append(listener.fileno())
            arguments += [str(listener.fileno()), ",".join(imported)]
        output = kept.enter_context((own_run_folder() / "servers.log").open("wb"))
        return subprocess.Popen(
            [sys.executable, "-m", "sysstop.run.job_server", str(os.getpid()), *arguments],
            env=os.environ | {"PYTHONPATH": str(LIBRARY_FOLDER)},
            pass_fds=listeners,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the scripts, which pass it on
        )


def hand_over(script: Path, *arguments: str, server: str = JOBS, log: Path | None = None) -> None:
    """Have a server of the run run a script in place of this process, which ends as the script does.

    Returns if there is no such server, or if it ended before it had begun. `log` is that of a job, which
    says so if the server has ended since.
    """
    if OWNER_VARIABLE not in os.environ or os.environ.get(FORKED_VARIABLE) == str(os.getpid()):
        return
    try:
        connection = Client(str(own_run_folder() / server))
        connection.send(Script(script, arguments, Path.cwd(), dict(os.environ)))
        for stream in STANDARD_STREAMS:
            send_handle(connection, stream, None)
        pid = connection.recv()
    except (OSError, EOFError):
        return
    for passed_on in PASSED_ON:
        signal.signal(passed_on, lambda number, _: os.kill(pid, number))
    try:
        end_like(connection.recv())
    except EOFError:
        if log:
            report(log, SERVER_DIED)
        end_like(1)


def end_like(exit_code: int) -> NoReturn:
    """End this process with an exit code, or by the signal that a negative one stands for."""
    if exit_code < 0:
        for passed_on in PASSED_ON:
            signal.signal(passed_on, signal.SIG_DFL)
        os.kill(os.getpid(), -exit_code)
    os._exit(exit_code)


def serve(listener: socket.socket) -> Script:
    """Fork for each script that is handed over; return in the fork, with the script to run."""
    with accept_in_fork(lambda: Connection(listener.accept()[0].detach())) as connection:
        listener.close()
        return _fork_job(connection)


def _fork_job(connection: Connection) -> Script:
    """Return the script in a process that is ready to run it; the parent answers for its end."""
    script = connection.recv()
    streams = [recv_handle(connection) for _ in STANDARD_STREAMS]
    job = fork()
    if job != 0:
        for stream in streams:
            os.close(stream)
        connection.send(job)
        exit_code = await_child(job, connection)
        if exit_code is not None:
            connection.send(exit_code)
        os._exit(0)
    os.setsid()  # a signal to its group, as Ray sends to a worker's, is for this job alone
    for stream, standard in zip(streams, STANDARD_STREAMS, strict=True):
        os.dup2(stream, standard)
        os.close(stream)
    os.chdir(script.folder)
    os.environ.update(script.environment)  # what imports have set in it stays
    os.environ[FORKED_VARIABLE] = str(os.getpid())
    return script


def import_for(servers: Sequence[tuple[socket.socket, Sequence[str]]]) -> socket.socket:
    """Import what the servers import; return the listener of the one that this process is to be.

    Each server is forked from the one before it.
    """
    (listener, modules), *others = servers
    for module in modules:
        importlib.import_module(module)
    if others and fork() == 0:
        listener.close()
        return import_for(others)
    for other, _ in others:
        other.close()
    return listener


def run(script: Script) -> int:
    """Run a script; return the exit code if it ends as it should, else raise what it raised."""
    sys.argv = [str(script.path), *script.arguments]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        return end.code or 0
    return 0


def leave(exit_codes: Sequence[int]) -> None:
    """End this process, which has nothing left to do, without freeing what it shares with the server."""
    for exit_code in exit_codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


def main() -> None:
    """Import, and serve: `python -m sysstop.run.job_server PARENT_PID [LISTENER_FD MODULE,...]...`."""
    parent, *given = sys.argv[1:]
    die_with_parent(int(parent))
    exit_codes: list[int] = []
    atexit.register(leave, exit_codes)  # before what is imported, so called after it
    servers = [
        (socket.socket(fileno=int(fd)), modules.split(","))
        for fd, modules in zip(given[::2], given[1::2], strict=True)
    ]
    listener = import_for(servers)
    keep_out_of_collection()
    exit_codes.append(run(serve(listener)))


if __name__ == "__main__":
    main()
