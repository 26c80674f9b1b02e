"""Locks that die with their process, so that a killed run does not block the next one."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_held: list[int] = []  # a lock lasts until its file is closed, here with the process


def release_stale_lock(snakemake_folder: Path) -> None:
    """Remove Snakemake's lock on a working directory if no run is alive there.

    Snakemake leaves its lock behind when it is killed. Each run therefore also holds a file lock in
    `snakemake_folder` (`.snakemake`), which Linux releases however the run ends. A run that gets it
    exclusively is the only one.
    """
    snakemake_folder.mkdir(exist_ok=True)
    file = os.open(snakemake_folder / "sysstop.lock", os.O_CREAT | os.O_RDWR)
    _held.append(file)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for stale in (snakemake_folder / "locks").glob("*.lock"):
            stale.unlink(missing_ok=True)
    fcntl.flock(file, fcntl.LOCK_SH)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process works in a folder, for example one left over by a killed run."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
