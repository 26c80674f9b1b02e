"""A warm process from which the jobs of a run are forked, so that none of them waits for imports.

Most jobs of a small study are over sooner than Python has imported what they use. So a run starts one
process that imports all of it once. A script that Snakemake starts hands itself over to that process
and waits; a fork of the process runs the script, prints where the script would print, and ends with
it. Without such a process a script runs as usual.
"""

import importlib
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
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
    keep_out_of_collection,
)
from sysstop.run.job import report

# The server's socket in the run's folder, where no job looks that a cluster runs elsewhere.
SOCKET = "jobs"
# Set in jobs that have been handed over.
FORKED_VARIABLE = "SYSSTOP_FORKED_JOB"
STANDARD_STREAMS = (0, 1, 2)
PASSED_ON = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Script:
    """A script to run, and where."""

    path: Path
    folder: Path
    environment: dict[str, str]


def start_job_server(modules: Iterable[str]) -> subprocess.Popen:
    """Start and return the server of this run's jobs, which ends with this process.

    It imports the modules. Jobs that begin in the meantime wait for it, so that nothing runs beside
    those that measure.
    """
    path = own_run_folder() / SOCKET
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener, path.with_suffix(".log").open("wb") as output:
        listener.bind(str(path))
        listener.listen(100)
        return subprocess.Popen(
            [sys.executable, "-m", "sysstop.run.job_server", str(listener.fileno()), *modules],
            env=os.environ | {"PYTHONPATH": str(LIBRARY_FOLDER)},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the scripts, which pass it on
        )


def hand_over(script: Path, log: Path) -> None:
    """Have the run's server run this process's script, and end as the script did.

    Returns if there is no such server, or if it ended before it had begun. `log` is that of the job, in
    which it stands if the server has ended since.
    """
    if OWNER_VARIABLE not in os.environ or FORKED_VARIABLE in os.environ:
        return
    try:
        connection = Client(str(own_run_folder() / SOCKET))
        connection.send(Script(script, Path.cwd(), dict(os.environ)))
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
        report(
            log,
            "The process that this job was forked from has died, for example because memory ran out. "
            "Run the same command again; finished trials are kept.",
        )
        end_like(1)


def end_like(exit_code: int) -> NoReturn:
    """End this process with an exit code, or by the signal that a negative one stands for."""
    if exit_code < 0:
        for passed_on in PASSED_ON:
            signal.signal(passed_on, signal.SIG_DFL)
        os.kill(os.getpid(), -exit_code)
    os._exit(exit_code)


def serve(listener: socket.socket) -> Path:
    """Fork for each script that is handed over; return in the fork, with the script to run."""
    with accept_in_fork(lambda: Connection(listener.accept()[0].detach())) as connection:
        listener.close()
        return _fork_job(connection)


def _fork_job(connection: Connection) -> Path:
    """Return the script in a process that is ready to run it; the parent answers for its end."""
    script = connection.recv()
    streams = [recv_handle(connection) for _ in STANDARD_STREAMS]
    job = os.fork()
    if job != 0:
        for stream in streams:
            os.close(stream)
        connection.send(job)
        exit_code = await_child(job, connection)
        if exit_code is not None:
            connection.send(exit_code)
        os._exit(0)
    die_with_parent()
    for stream, standard in zip(streams, STANDARD_STREAMS, strict=True):
        os.dup2(stream, standard)
        os.close(stream)
    os.chdir(script.folder)
    os.environ.update(script.environment)  # what imports have set in it stays
    os.environ[FORKED_VARIABLE] = "yes"
    return script.path


def main() -> None:
    """Import, and serve: `python -m sysstop.run.job_server LISTENER_FD MODULE...`."""
    die_with_parent()
    listener_fd, *modules = sys.argv[1:]
    for module in modules:
        importlib.import_module(module)
    keep_out_of_collection()
    script = serve(socket.socket(fileno=int(listener_fd)))
    sys.argv = [str(script)]
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main()
