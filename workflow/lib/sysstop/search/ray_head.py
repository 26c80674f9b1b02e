"""A private Ray for one run of the workflow: its studies share it, and nobody else joins it.

The run starts it, or else its first study, because starting Ray takes seconds; the others only connect.
It runs as a separate process that waits for the end of its owner, the run's Snakemake, and then shuts Ray down,
however the owner ended: by success, failure, Ctrl-C or SIGKILL.
"""

import contextlib
import fcntl
import json
import os
import secrets
import select
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from sysstop.run.environment import measured_environment
from sysstop.run.errors import UserError
from sysstop.run.folder import OWNER_VARIABLE, RAY_FOLDER, own_run_folder, run_folder
from sysstop.trial.process import SERVER_VARIABLE, printed_by, template_command

START_TIMEOUT_S = 120
LOG = "log"
LONGEST_WORDS = 2000
OBJECT_STORE_BYTES = 100 * 2**20  # Ray's minimum is 75 MiB; trials travel as a few bytes


@dataclass(frozen=True)
class PrivateRay:
    """The address of a private Ray, and the process that ends when that Ray does."""

    address: str
    head_pid: int


def private_environment(owner_pid: int) -> dict[str, str]:
    """Return the environment of the processes that share the owner's private Ray.

    It holds the token that Ray requires of every client and the socket of the trials' templates,
    and keeps Ray on the loopback interface. It switches off Ray's memory monitor, which ends
    workers when the host's memory is nearly full, whoever filled it: the workers are small here,
    and the trials run outside of them. It has Ray start no workers ahead, which no study could use.
    Ray reads it when it is imported, so it must be set before a process starts.
    """
    folder = run_folder(owner_pid) / RAY_FOLDER
    return {
        OWNER_VARIABLE: str(owner_pid),
        # Ray's switch between clusters, which other hosts must reach, and one host's own use.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_memory_monitor_refresh_ms": "0",
        "RAY_prestart_worker_first_driver": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        SERVER_VARIABLE: str(folder / "trials"),
    }


def private_ray(cores: int) -> PrivateRay:
    """Return the private Ray of this process's owner; start it if it is not running.

    Raises `RuntimeError` outside a run, and `UserError` with Ray's own last words when Ray cannot be
    started.
    """
    folder = own_run_folder() / RAY_FOLDER
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _running(folder)
        if found is None:
            _start(cores, folder)
            found = _running(folder)
        if found is None:
            raise RuntimeError("Ray died as soon as it had started")
        return found


def start_private_ray(cores: int) -> None:
    """Begin to start the private Ray of this process's owner, without waiting for it.

    `private_ray` waits; if Ray did not start, it tries again and says why it cannot.
    """

    def start() -> None:
        with contextlib.suppress(UserError, RuntimeError, OSError):
            private_ray(cores)

    threading.Thread(target=start, daemon=True).start()


def private_rays_last_words() -> str:
    """Return the end of what the process that holds the private Ray has printed, if it is there."""
    log = own_run_folder() / RAY_FOLDER / LOG
    return log.read_text(errors="replace")[-LONGEST_WORDS:].strip() if log.exists() else ""


def _running(folder: Path) -> PrivateRay | None:
    address_file = folder / "address"
    if not address_file.exists():
        return None
    ray = PrivateRay(**json.loads(address_file.read_text()))
    try:
        head = os.pidfd_open(ray.head_pid)
    except ProcessLookupError:
        return None
    with os.fdopen(head):
        ended, _, _ = select.select([head], [], [], 0)
    return None if ended else ray


def _start(cores: int, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # left by a head that was killed
    folder.mkdir(mode=0o700)
    (folder / "token").write_text(secrets.token_hex(32))
    with (folder / LOG).open("w") as output:
        head = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sysstop.search.ray_head",
                os.environ[OWNER_VARIABLE],
                str(cores),
            ],
            env=measured_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the owner; its end is what counts here
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (folder / "address").exists():
        if head.poll() is not None or time.monotonic() > deadline:
            head.kill()
            words = private_rays_last_words()
            shutil.rmtree(folder)
            raise UserError(
                "Ray, which runs the trials, did not start on this machine. Check that memory, processes "
                "(`ulimit -u`), open files (`ulimit -n`), virtual memory (`ulimit -v`) and space in "
                f"/tmp suffice. Its last words:\n{words or 'none'}"
            )
        time.sleep(0.05)


def main() -> None:
    """Hold Ray until it or the owner ends: `python -m sysstop.search.ray_head OWNER_PID CORES`."""
    owner_pid, cores = int(sys.argv[1]), int(sys.argv[2])
    folder = Path(os.environ["RAY_AUTH_TOKEN_PATH"]).parent
    # A file descriptor of a process becomes readable when it ends, whatever the reason.
    owner = os.pidfd_open(owner_pid)
    server = Path(os.environ[SERVER_VARIABLE])
    with printed_by(server).open("wb") as printed:
        templates = subprocess.Popen(template_command(server), stdout=printed, stderr=printed)
    import ray  # here, because the templates can already import what they need

    # The short name keeps Ray's socket paths within Linux's 107 bytes; Ray opens its own folder to
    # all.
    context = ray.init(
        address="local",
        num_cpus=cores,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _temp_dir=str(folder),
        log_to_driver=False,
    )
    temporary = folder / "address.new"
    private = PrivateRay(context.address_info["gcs_address"], os.getpid())
    temporary.write_text(json.dumps(asdict(private)))
    temporary.rename(folder / "address")
    ray_processes = [
        os.pidfd_open(child.pid)
        for child in psutil.Process().children()
        if child.name() in ("gcs_server", "raylet")
    ]
    # A Ray that died is removed, so that the next study starts another one.
    ended, _, _ = select.select([owner, *ray_processes], [], [])
    ray.shutdown()
    templates.kill()
    shutil.rmtree(folder.parent if owner in ended else folder, ignore_errors=True)


if __name__ == "__main__":
    main()
