"""What a run needs of its host, checked before anything else in one message."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sysstop.run.errors import UserError
from sysstop.run.machine import this_machine

# A search alone, with Snakemake, Ray's processes, its object store and one worker, see
# `plan.resources`.
LEAST_MEMORY_MB = 2000
SELF = Path("/proc/self")


def check_requirements(results: Path, *, searches_here: bool) -> None:
    """Raise a `UserError` that lists everything that this host lacks, one line each.

    `results` is the folder of the results, which may not exist yet; `searches_here` is whether
    searches run on this host, and not on a cluster's nodes.
    """
    missing = [*_missing_of_linux(), *_missing_folders(results)]
    if searches_here:
        missing += _missing_of_memory()
    if missing:
        raise UserError("sysstop cannot run here:\n" + "\n".join(f"  - {line}" for line in missing))


def _missing_of_linux() -> Iterator[str]:
    if sys.platform != "linux":
        yield f"Linux is needed; this is {sys.platform}. Use a Linux machine or a container on one"
        return
    kernel = f"this is Linux {os.uname().release}"
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError) as error:
        yield (
            f"Linux 5.3 or newer is needed, to wait for processes (pidfd_open: {error}); {kernel}. Use "
            "a machine, a cluster's node or a container's host with a newer kernel; sandboxes such as "
            "gVisor lack the call too"
        )
    try:
        (SELF / "clear_refs").write_text("5")
    except OSError as error:
        yield (
            f"the peak of a process's memory cannot be reset (/proc/self/clear_refs: {error.strerror}); "
            f"{kernel}. Use a machine or container with a whole /proc, which sandboxes such as gVisor "
            "do not have"
        )
    if not (SELF / "status").exists() or "VmHWM" not in (SELF / "status").read_text():
        yield f"the peak of a process's memory cannot be read (VmHWM in /proc/self/status); {kernel}"


def _missing_of_memory() -> Iterator[str]:
    memory_mb = this_machine().memory_mb
    if memory_mb < LEAST_MEMORY_MB:
        yield (
            f"{LEAST_MEMORY_MB} MB of memory are needed at least; the machine, or the limit of a "
            f"container, has {memory_mb:.0f} MB"
        )


def _missing_folders(results: Path) -> Iterator[str]:
    for folder, remedy in (
        (
            Path("/tmp"),
            "Sockets of a run are there, whose paths must be short, whatever TMPDIR says",
        ),
        (Path(), "Results are written there"),
    ):
        try:
            with tempfile.TemporaryFile(dir=folder):
                continue
        except OSError as error:
            yield f"{folder.absolute()} cannot be written ({error.strerror}). {remedy}"
    for folder in (results, *results.parents):
        if folder.is_symlink() and not folder.exists():
            yield (
                f"{folder} is a link to {folder.readlink()}, which does not exist. Create that folder, "
                f"for example by `mkdir -p {folder.resolve()}`, or remove the link"
            )
        elif folder.exists() and not folder.is_dir():
            yield f"{folder} is a file, but the folder of results has that name. Rename the file"
