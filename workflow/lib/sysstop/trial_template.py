"""The warm template of the trials' processes: imports and data once, then a fork for each trial."""

import ctypes
import gc
import os
import signal
import socket
import sys
from multiprocessing.connection import Connection
from pathlib import Path

# Imported before the first fork, so that no trial pays for it.
import sklearn.linear_model  # noqa: F401

from sysstop.splits import Split, load_split
from sysstop.studies import Trial
from sysstop.training import train
from sysstop.trial_process import STOP, Ended

_PR_SET_PDEATHSIG = 1


def run_trial(connection: Connection, trial: Trial, split: Split) -> None:
    """Run one trial in this process, asking after each window whether to go on."""
    for record in train(trial, split):
        connection.send(record)
        if connection.recv() == STOP or record["status"]:
            return


def serve(connection: Connection, split_folder: Path) -> None:
    """Fork a child for each trial received, until the connection closes."""
    split = load_split(split_folder)
    gc.collect()
    gc.freeze()
    while True:
        try:
            trial = connection.recv()
        except EOFError:
            return
        if not isinstance(trial, Trial):
            continue  # an answer to a child that died before it could read it
        error_read, error_write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(error_read)
            _run_child(connection, trial, split, error_write)
        os.close(error_write)
        with os.fdopen(error_read) as errors:
            error = errors.read()
        _, status = os.waitpid(child, 0)
        try:
            connection.send(Ended(os.waitstatus_to_exitcode(status), error))
        except BrokenPipeError:
            return


def _run_child(connection: Connection, trial: Trial, split: Split, error_write: int) -> None:
    """Run the trial and leave without the template's clean-up; tell it of an exception."""
    exit_code = 0
    _die_with_parent()
    try:
        run_trial(connection, trial, split)
    except (EOFError, BrokenPipeError):
        exit_code = 1  # the parent is gone and nobody listens
    except Exception as error:
        exit_code = 1
        os.write(error_write, f"{type(error).__name__}: {error}"[:2000].encode())
    finally:
        os._exit(exit_code)


def pin_to_free_core() -> socket.socket | None:
    """Pin this process to a core that no other trial process of this host is pinned to.

    A core is reserved by binding an abstract Unix socket, which Linux frees when its holder dies.
    Returns the reservation, or None (and stays unpinned) when every allowed core is taken.
    """
    for core in sorted(os.sched_getaffinity(0)):
        reservation = socket.socket(socket.AF_UNIX)
        try:
            reservation.bind(f"\0sysstop-core-{core}")
        except OSError:
            reservation.close()
            continue
        os.sched_setaffinity(0, {core})
        return reservation
    return None


def _die_with_parent() -> None:
    """Have Linux kill this process when its parent is gone, in the middle of a window too."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Serve trials: `python -m sysstop.trial_template CONNECTION_FD SPLIT_FOLDER`."""
    _die_with_parent()
    connection_fd, split_folder = sys.argv[1:3]
    reservation = pin_to_free_core()
    serve(Connection(int(connection_fd)), Path(split_folder))
    if reservation:
        reservation.close()


if __name__ == "__main__":
    main()
