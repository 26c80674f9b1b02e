"""A connection to Ray for one search."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

os.environ |= {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}

import ray

from sysstop.ray_head import LOCAL_RAY, private_ray
from sysstop.trial_process import LIBRARY_FOLDER, THREAD_LIMITS


@contextlib.contextmanager
def ray_session(address: str, workers: int) -> Iterator[None]:
    """Connect to the Ray cluster at `address`; `local` means the run's own private one."""
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address == LOCAL_RAY:
        address = private_ray(workers)
    else:
        environment = THREAD_LIMITS | {"PYTHONPATH": str(LIBRARY_FOLDER)}
        settings["runtime_env"] = {"env_vars": environment}
    ray.init(address=address, **settings)
    try:
        yield
    finally:
        ray.shutdown()
