"""The size of the machine that a run may use: cores and memory, within the limits of a container.

A container's limits are those of its control group and of the groups around it. Linux has two
versions of these, see "Control Group v2" and "Control Groups version 1" in the kernel's
documentation. A group that cannot be read, as in a container that hides those around it, sets no
limit that could be known here.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP_MOUNT = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
MB = 2**20


@dataclass(frozen=True)
class Machine:
    """What this process may use of its host."""

    memory_bytes: int
    """the smaller of the host's memory and what its control groups allow"""
    usable_cores: float
    """the cores that this process may run on or, if that is less, the CPU time that the control
    groups allow, in seconds a second"""

    @property
    def whole_cores(self) -> int:
        """How many trials can have a core each; at least one."""
        return max(1, int(self.usable_cores))

    @property
    def memory_mb(self) -> float:
        """The memory in MB (2^20 bytes)."""
        return self.memory_bytes / MB


def this_machine(mount: Path = CGROUP_MOUNT, own_cgroups: Path = OWN_CGROUPS) -> Machine:
    """Return what this process may use, by the control groups under `mount`."""
    memory_bytes = psutil.virtual_memory().total
    usable_cores: float = len(os.sched_getaffinity(0))
    for group in _own_groups(mount, own_cgroups):
        for file in ("memory.max", "memory.limit_in_bytes"):
            memory_bytes = min(memory_bytes, *_numbers(group / file))
        usable_cores = min(usable_cores, _core_limit(group))
    return Machine(int(memory_bytes), usable_cores)


def _own_groups(mount: Path, own_cgroups: Path) -> Iterator[Path]:
    """Yield the folders of the groups that this process is in, and of those around them."""
    lines = own_cgroups.read_text().splitlines() if own_cgroups.exists() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        names = controllers.split(",")
        if controllers == "":
            roots = [mount, mount / "unified"]
        elif {"cpu", "memory"} & set(names):
            # A controller's folder is named as the group of controllers, with a link for each.
            roots = [mount / name for name in (controllers, *names)]
        else:
            continue
        for root in roots:
            group = root / path.lstrip("/")
            # A container may see its own group as the root, whatever its path on the host.
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(root))


def _core_limit(group: Path) -> float:
    """Return a group's limit on CPU time in seconds a second; infinite if it has none."""
    match _numbers(group / "cpu.max"):
        case [quota, period]:
            return quota / period
    (quota,), (period,) = (_numbers(group / f"cpu.cfs_{part}_us") for part in ("quota", "period"))
    return quota / period if quota > 0 and period < math.inf else math.inf  # -1: no limit


def _numbers(file: Path) -> list[float]:
    """Return the numbers in a file, infinite where it says `max`, or where it cannot be read."""
    try:
        return [math.inf if word == "max" else float(word) for word in file.read_text().split()]
    except OSError:
        return [math.inf]
