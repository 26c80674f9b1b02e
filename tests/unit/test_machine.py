"""How large a machine is within the limits of a container."""

import os

import psutil
import pytest

from sysstop.run.machine import this_machine

CORES = len(os.sched_getaffinity(0))
MEMORY = psutil.virtual_memory().total
V2 = "0::/pod/box\n"
V1 = "7:blkio:/\n4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n"


@pytest.fixture
def machine(tmp_path):
    """The machine by files of control groups, each by its path below the mount."""

    def make(own_groups, files):
        mount, own = tmp_path / "cgroup", tmp_path / "own"
        own.write_text(own_groups)
        for name, text in files.items():
            file = mount / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return this_machine(mount, own)

    return make


LIMITS = {
    "version 2": (V2, {"pod/box/cpu.max": "50000 100000\n", "pod/box/memory.max": "1048576\n"}),
    "version 2, around it": (V2, {"pod/cpu.max": "50000 100000", "pod/memory.max": "1048576"}),
    "version 2, seen as the root": (V2, {"cpu.max": "50000 100000", "memory.max": "1048576"}),
    "version 2, beside version 1": (
        V2,
        {"unified/pod/box/cpu.max": "50000 100000", "unified/pod/memory.max": "1048576"},
    ),
    "version 1": (
        V1,
        {
            "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "50000\n",
            "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            "memory/docker/abc/memory.limit_in_bytes": "1048576\n",
        },
    ),
    "version 1, seen as the root": (
        V1,
        {
            "cpu/cpu.cfs_quota_us": "50000",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "1048576",
        },
    ),
}


@pytest.mark.parametrize(("own_groups", "files"), LIMITS.values(), ids=LIMITS)
def test_limits_of_a_container_are_the_size_of_the_machine(machine, own_groups, files):
    found = machine(own_groups, files)
    assert (found.memory_mb, found.usable_cores, found.whole_cores) == (1, 0.5, 1)


NO_LIMITS = {
    "no groups": ("", {}),
    "version 2": (V2, {"pod/box/cpu.max": "max 100000\n", "pod/box/memory.max": "max\n"}),
    "version 1": (
        V1,
        {
            "cpu/docker/abc/cpu.cfs_quota_us": "-1\n",
            "cpu/docker/abc/cpu.cfs_period_us": "100000\n",
            "memory/docker/abc/memory.limit_in_bytes": "9223372036854771712\n",
        },
    ),
    "limits of another group": (V2, {"pod/other/memory.max": "1", "pod/other/cpu.max": "1 100"}),
    "limits above the host's size": (V2, {"memory.max": "9" * 18, "cpu.max": "99999999 100"}),
}


@pytest.mark.parametrize(("own_groups", "files"), NO_LIMITS.values(), ids=NO_LIMITS)
def test_without_limits_the_host_is_the_machine(machine, own_groups, files):
    found = machine(own_groups, files)
    assert (found.memory_bytes, found.usable_cores, found.whole_cores) == (MEMORY, CORES, CORES)


def test_one_and_a_half_cores_are_enough_for_one_trial_at_a_time(machine):
    if CORES < 2:
        pytest.skip("this machine has one core")
    found = machine(V2, {"cpu.max": "150000 100000"})
    assert (found.usable_cores, found.whole_cores) == (1.5, 1)
