"""The warm template of the trials' processes: imports once, then a fork for each trial."""

import contextlib
import faulthandler
import os
import socket
import sys
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, Listener
from pathlib import Path

# Imported before the first fork, so that no trial pays for it.
import sklearn.linear_model  # noqa: F401

from sysstop.data.split import load_split
from sysstop.run.forking import (
    accept_in_fork,
    await_child,
    die_with_parent,
    fork,
    keep_out_of_collection,
)
from sysstop.study.algorithms import Algorithm, estimator_class
from sysstop.study.rules import Showing
from sysstop.study.status import Stop
from sysstop.trial.process import Ended, last_words
from sysstop.trial.training import train

STDOUT, STDERR = 1, 2


def listen(socket_path: Path) -> None:
    """Serve each connection from a template of its own, forked from this process, for ever."""
    temporary = socket_path.with_suffix(".new")
    with Listener(str(temporary)) as listener:
        temporary.rename(socket_path)  # whoever finds the socket can connect
        serve(accept_in_fork(listener.accept))
        os._exit(0)


@dataclass(frozen=True)
class ReservedCore:
    """A core that no other trial process of this host is pinned to."""

    number: int
    reservation: socket.socket


def serve(connection: Connection) -> None:
    """Run the trials requested, each in a child of its own, until the connection closes.

    If all cores are taken, the trials stay unpinned until one is free.
    """
    core = pin_to_free_core()
    with contextlib.suppress(EOFError, ConnectionResetError, BrokenPipeError):
        import_estimator(connection.recv())
        while ended := run_forked(connection, core.number if core else None):
            connection.send(ended)
            core = core or pin_to_free_core()
    if core:
        core.reservation.close()


def import_estimator(algorithm: Algorithm) -> None:
    """Import what the trials train, before the first fork, so that no trial pays for it."""
    with contextlib.suppress(Exception):  # the trial itself will fail with it, and say why
        estimator_class(algorithm.estimator, algorithm.source)
    keep_out_of_collection()


def run_forked(connection: Connection, core: int | None = None) -> Ended | None:
    """Fork a child that waits for a request and runs it; return how it ended.

    The child is forked ahead, so that a trial need not wait for it. When the connection closes, the
    child is killed and nothing returned. What the child prints is kept until its end, for its last
    words. `core` is the one that is reserved for it, if there is one.
    """
    output = os.memfd_create("output")
    child = fork()
    if child == 0:
        os.dup2(output, STDOUT)
        os.dup2(output, STDERR)
        _run_child(connection, core)
    exit_code = await_child(child, connection)
    with os.fdopen(output, "rb") as printed:
        return None if exit_code is None else Ended(exit_code, last_words(printed))


def _run_child(connection: Connection, core: int | None) -> None:
    """Run a trial, report any exception, and exit without the template's clean-up."""
    exit_code = 0

    def show(showing: Showing) -> Stop | None:
        connection.send(showing)
        return connection.recv() if showing.status is None else None

    try:
        request = connection.recv()
        split = load_split(request.split_folder)
        for window in train(request.trial, split, request.rule, show=show):
            connection.send(replace(window, core=core))
    except (EOFError, ConnectionResetError, BrokenPipeError):
        exit_code = 1  # the parent is gone and nobody listens
    except Exception as error:
        exit_code = 1
        os.ftruncate(STDERR, 0)  # the exception alone is the reason
        os.pwrite(STDERR, f"{type(error).__name__}: {error}".encode(), 0)
    finally:
        os._exit(exit_code)


def pin_to_free_core() -> ReservedCore | None:
    """Pin this process to a core that no other trial process of this host is pinned to.

    A core is reserved by binding an abstract Unix socket, which Linux frees when its holder dies.
    Returns None (and stays unpinned) when every allowed core is taken.
    """
    for core in sorted(os.sched_getaffinity(0)):
        reservation = socket.socket(socket.AF_UNIX)
        try:
            reservation.bind(f"\0sysstop-core-{core}")
        except OSError:
            reservation.close()
            continue
        os.sched_setaffinity(0, {core})
        return ReservedCore(core, reservation)
    return None


def main() -> None:
    """Serve one connection or listen: `python -m sysstop.trial.template PARENT_PID (CONNECTION_FD | SOCKET)`."""
    parent, address = sys.argv[1:]
    die_with_parent(int(parent))
    faulthandler.enable()  # a crash in a library's code leaves words
    keep_out_of_collection()
    if address.isdigit():
        serve(Connection(int(address)))
    else:
        listen(Path(address))


if __name__ == "__main__":
    main()
