"""The temporary folder of a run, removed when the run ends or, at the latest, by the next run."""

import atexit
import os
import shutil
from pathlib import Path

import psutil

from sysstop.run.errors import UserError

# Holds the ID of the run's Snakemake process; its jobs end when it ends.
OWNER_VARIABLE = "SYSSTOP_OWNER_PID"

RAY_FOLDER = "ray"  # the run's private Ray, within its folder

_TEMPORARY = Path("/tmp")  # not $TMPDIR, which may be too long for Ray's sockets


def run_folder(owner_pid: int) -> Path:
    """Return the path of the temporary folder of the run that a process owns."""
    return _TEMPORARY / f"sysstop-{os.getuid()}-{owner_pid}"


def own_run_folder() -> Path:
    """Return the folder of the run that this process belongs to, readable only by its user.

    Raises `RuntimeError` outside a run, and `UserError` if the folder belongs to another user.
    """
    if OWNER_VARIABLE not in os.environ:
        raise RuntimeError(f"{OWNER_VARIABLE} is not set: it names the process that owns the run")
    folder = run_folder(int(os.environ[OWNER_VARIABLE]))
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder} belongs to another user; remove it, then run again")
    return folder


def become_owner() -> None:
    """Make this process the owner of a run, and remove what killed runs left behind."""
    if os.environ.get(OWNER_VARIABLE) == str(os.getpid()):
        return
    for folder in _TEMPORARY.glob(f"sysstop-{os.getuid()}-*"):
        owner_pid = int(folder.name.split("-")[-1])
        if owner_pid == os.getpid() or not psutil.pid_exists(owner_pid):
            shutil.rmtree(folder, ignore_errors=True)
    os.environ[OWNER_VARIABLE] = str(os.getpid())
    atexit.register(_remove, run_folder(os.getpid()))


def _remove(folder: Path) -> None:
    """Remove the folder, unless a private Ray lives in it, which removes it when it ends."""
    if not (folder / RAY_FOLDER).exists():
        shutil.rmtree(folder, ignore_errors=True)
