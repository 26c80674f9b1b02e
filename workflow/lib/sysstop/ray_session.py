"""A connection to Ray for one search."""

import contextlib
import os
import select
import threading
from collections.abc import Callable, Iterator
from typing import Any

os.environ |= {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}

import ray

from sysstop.ray_head import LOCAL_RAY, private_ray
from sysstop.trial_process import LIBRARY_FOLDER, THREAD_LIMITS


@contextlib.contextmanager
def ray_session(
    address: str, workers: int, give_up: Callable[[str], Any] | None = None
) -> Iterator[None]:
    """Connect to the Ray cluster at `address`; `local` means the run's own private one.

    `give_up` is called, in a thread, with a message if the private Ray dies. It should end the
    process: Ray itself would wait a minute for its own return, and end it without a word.
    """
    over = threading.Event()
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address == LOCAL_RAY:
        private = private_ray(workers)
        address = private.address
        if give_up:
            _watch(private.head_pid, over, give_up)
    else:
        environment = THREAD_LIMITS | {"PYTHONPATH": str(LIBRARY_FOLDER)}
        settings["runtime_env"] = {"env_vars": environment}
    ray.init(address=address, **settings)
    try:
        yield
    finally:
        over.set()
        ray.shutdown()


def _watch(head_pid: int, over: threading.Event, give_up: Callable[[str], Any]) -> None:
    head = os.pidfd_open(head_pid)

    def wait() -> None:
        select.select([head], [], [])
        if not over.is_set():
            give_up(
                "Ray died in the middle of the search, for example because memory ran out; finished "
                "trials are kept, and the same command goes on with the others"
            )

    threading.Thread(target=wait, daemon=True).start()
