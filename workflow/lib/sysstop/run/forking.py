"""What processes share that fork others and answer for them."""

import ctypes
import gc
import os
import select
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have Linux kill this process when its parent is gone, whatever it is doing.

    `parent` is the parent's ID, by which this process sees whether it is gone already.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def fork() -> int:
    """Fork as `os.fork` does, a child that dies with this process."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        die_with_parent(parent)
    return child


def keep_out_of_collection() -> None:
    """Have no garbage collection of a fork touch, and so copy, what it shares with this process."""
    gc.collect()
    gc.freeze()


def await_child(child: int, connection: Connection) -> int | None:
    """Wait for the end of a child and return its exit code, negative for the signal that killed it.

    Once whoever is at the other end of the connection is gone, the child is killed and None returned.
    """
    pidfd = os.pidfd_open(child)
    ended_or_closed = select.poll()
    ended_or_closed.register(pidfd, select.POLLIN)
    ended_or_closed.register(connection.fileno(), select.POLLRDHUP)
    closed = connection.fileno() in dict(ended_or_closed.poll())
    if closed:
        os.kill(child, signal.SIGKILL)
    os.close(pidfd)
    _, status = os.waitpid(child, 0)
    return None if closed else os.waitstatus_to_exitcode(status)


def accept_in_fork(accept: Callable[[], Connection]) -> Connection:
    """Accept connections for ever; return each in a fork of this process, which dies with it."""
    while True:
        connection = accept()
        if fork() == 0:
            return connection
        connection.close()
        _reap_children()


def _reap_children() -> None:
    """Let go of children that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            continue
    except ChildProcessError:
        return
