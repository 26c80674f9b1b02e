"""A connection to Ray for one search."""

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

os.environ |= {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}

import ray

from sysstop.run.environment import LIBRARY_FOLDER, THREAD_LIMITS
from sysstop.run.errors import UserError
from sysstop.search.ray_head import private_ray, private_rays_last_words
from sysstop.search.ray_worker import WORKERS_PYTHON
from sysstop.study.studies import LOCAL_RAY

# A cluster's head is given up after being unreachable for this long. It is less than the minute
# after which Ray ends this process without a message.
HEAD_TIMEOUT_S = 30.0
HEAD_INTERVAL_S = 5.0
SETTINGS: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
KEPT = "finished trials are kept, and the same command goes on with the others"


@contextlib.contextmanager
def ray_session(
    address: str,
    workers: int,
    give_up: Callable[[str], Any] | None = None,
    log: Callable[[str], None] = print,
) -> Iterator[None]:
    """Connect to the Ray cluster at `address`; `local` means the run's own private one.

    `give_up` is called, in a thread, with a message if the private Ray or the cluster's head dies.
    It should end the process: Ray itself would wait a minute for its return, and end it without a
    message. `log` is given a warning if a cluster has fewer CPUs than `workers`. Raises `UserError`
    if a cluster cannot be used.
    """
    over = threading.Event()
    if address == LOCAL_RAY:
        private = private_ray(workers)
        if give_up:
            _watch_private(private.head_pid, over, give_up)
        _init(address=private.address, runtime_env={"py_executable": WORKERS_PYTHON})
    else:
        _join(address)
        if give_up:
            _watch_head(ray.get_runtime_context().gcs_address, over, give_up)
        _warn_of_few_cpus(address, workers, log)
    try:
        yield
    finally:
        over.set()
        ray.shutdown()


def ray_cores() -> int:
    """Return how many cores the connected Ray has for trials at the moment."""
    return int(ray.cluster_resources().get("CPU", 0))


def _watch_private(head_pid: int, over: threading.Event, give_up: Callable[[str], Any]) -> None:
    head = os.pidfd_open(head_pid)

    def wait() -> None:
        select.select([head], [], [])
        if not over.is_set():
            words = private_rays_last_words()
            give_up(
                "Ray died in the middle of the search, for example because memory ran out; "
                f"{KEPT}{f'. Its last words: {words}' if words else ''}"
            )

    threading.Thread(target=wait, daemon=True).start()


def _watch_head(address: str, over: threading.Event, give_up: Callable[[str], Any]) -> None:
    def wait() -> None:
        missed_s = 0.0
        while not over.wait(HEAD_INTERVAL_S):
            try:
                _connect(address)
                missed_s = 0.0
            except OSError:
                missed_s += HEAD_INTERVAL_S
            if missed_s >= HEAD_TIMEOUT_S:
                give_up(f"the head of the Ray cluster at {address} cannot be reached; {KEPT}")
                return

    threading.Thread(target=wait, daemon=True).start()


def _connect(address: str) -> None:
    """Raise `OSError` if nothing listens at host:port."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=HEAD_INTERVAL_S).close()


def _init(**settings: Any) -> None:
    """Connect to Ray, whose workers look for modules in the driver's working directory first."""
    with contextlib.chdir(LIBRARY_FOLDER):
        ray.init(**settings, **SETTINGS)


def _join(address: str) -> None:
    """Connect to a cluster, whose nodes receive the library from here."""
    library = str(LIBRARY_FOLDER / "sysstop")
    runtime_env = {"env_vars": THREAD_LIMITS, "py_modules": [library]}
    try:
        if ":" in address:
            _connect(address)  # Ray itself would try for many minutes
        _init(address=address, runtime_env=runtime_env)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        ray.shutdown()
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise UserError(
            f"search.ray_address: cannot use the Ray cluster at '{address}': {reason}. Check that it "
            "runs, that this host is one of its nodes (`ray start --address`), that both have the "
            "same versions of Ray and Python and, if it asks for a token, that RAY_AUTH_MODE and "
            "RAY_AUTH_TOKEN_PATH are set here; or write `local` for a private one."
        ) from error


def _warn_of_few_cpus(address: str, workers: int, log: Callable[[str], None]) -> None:
    cpus = ray_cores()
    if cpus < workers:
        log(
            f"WARNING: the Ray cluster at {address} has {cpus} CPUs, fewer than search.workers = "
            f"{workers}; only that many trials run at once, and the others wait."
        )
