"""The private Ray is shared by its owner's processes, and gone however the owner ends."""

import os
import select
import signal
import subprocess
import sys
import time

import psutil
import pytest

from sysstop.run.errors import UserError
from sysstop.run.folder import run_folder
from sysstop.search.ray_head import private_environment, private_ray

pytestmark = pytest.mark.machine

PATIENCE_S = 120


@pytest.fixture
def owner():
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def ray_of(monkeypatch):
    def start(owner):
        for name, value in private_environment(owner.pid).items():
            monkeypatch.setenv(name, value)
        return private_ray(cores=1)

    return start


def folder_of(owner):
    return run_folder(owner.pid) / "ray"


def processes_of(owner):
    """All processes of the owner's Ray, which name its folder in their command line."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(folder_of(owner)) in " ".join(process.info["cmdline"] or [])
    ]


def wait_until(condition, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert condition()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_one_ray_serves_an_owner_and_ends_with_it(owner, ray_of, end):
    address = ray_of(owner)
    assert ray_of(owner) == address
    assert processes_of(owner)
    owner.send_signal(end)
    owner.wait()
    wait_until(lambda: not processes_of(owner))
    wait_until(lambda: not run_folder(owner.pid).exists())


def test_ray_listens_on_the_loopback_interface_alone(owner, ray_of):
    ray_of(owner)
    listening = {
        connection.laddr.ip.removeprefix("::ffff:")
        for pid in processes_of(owner)
        for connection in psutil.Process(pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_ray_that_died_is_replaced_by_another(owner, ray_of, name):
    ray = ray_of(owner)
    (process,) = (pid for pid in processes_of(owner) if psutil.Process(pid).name() == name)
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: not (folder_of(owner) / "address").exists())
    assert ray_of(owner) != ray


def test_a_ray_whose_head_was_killed_is_replaced_by_another(owner, ray_of):
    ray = ray_of(owner)
    # All its threads must be gone, which takes a moment longer than becoming a zombie.
    with os.fdopen(os.pidfd_open(ray.head_pid)) as head:
        os.kill(ray.head_pid, signal.SIGKILL)
        assert select.select([head], [], [], PATIENCE_S)[0]
    wait_until(lambda: not set(processes_of(owner)) - {ray.head_pid})
    assert ray_of(owner) != ray


def test_two_owners_have_a_ray_and_a_token_each(owner, ray_of):
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            assert ray_of(owner) != ray_of(other)
            tokens = {(folder_of(o) / "token").read_text() for o in (owner, other)}
            assert len(tokens) == 2
            assert run_folder(owner.pid).stat().st_mode & 0o077 == 0
        finally:
            other.kill()


def test_an_owner_that_is_gone_gets_no_ray(ray_of):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(UserError, match="did not start on this machine"):
        ray_of(gone)
    wait_until(lambda: not folder_of(gone).exists())


def test_a_process_outside_a_run_is_refused(monkeypatch):
    monkeypatch.delenv("SYSSTOP_OWNER_PID")
    with pytest.raises(RuntimeError, match="SYSSTOP_OWNER_PID is not set"):
        private_ray(cores=1)
