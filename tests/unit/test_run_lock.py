"""A lock lasts as long as the process that holds it, however that ends."""

import os
import select
import signal
import subprocess
import sys

import pytest

from sysstop.run.environment import LIBRARY_FOLDER
from sysstop.run.lock import alone_in, release_stale_lock

HOLD = """
import sys, time
from pathlib import Path
from sysstop.run.lock import alone_in, release_stale_lock
folder = Path(sys.argv[2])
if sys.argv[1] == "run":
    release_stale_lock(folder)
    print("held", flush=True)
    time.sleep(600)
with alone_in(folder):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds a lock of the folder; return it."""
    processes = []

    def start(kind):
        environment = os.environ | {"PYTHONPATH": str(LIBRARY_FOLDER)}
        command = [sys.executable, "-c", HOLD, kind, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def snakemake_lock(folder):
    (folder / "locks").mkdir(exist_ok=True)
    lock = folder / "locks" / "0.input.lock"
    lock.write_text("results/report.html\n")
    return lock


def test_the_lock_of_a_killed_run_is_removed(holder, tmp_path):
    killed = holder("run")
    assert killed.stdout.readline() == "held\n"
    lock = snakemake_lock(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert holder("run").stdout.readline() == "held\n"
    assert not lock.exists()


def test_the_lock_of_a_living_run_stays(holder, tmp_path):
    assert holder("run").stdout.readline() == "held\n"
    lock = snakemake_lock(tmp_path)
    assert holder("run").stdout.readline() == "held\n"
    assert lock.exists()


def test_a_folder_without_locks_is_made(tmp_path):
    release_stale_lock(tmp_path / ".snakemake")
    assert (tmp_path / ".snakemake").is_dir()


def test_a_search_waits_for_the_end_of_another_one_in_its_folder(holder, tmp_path):
    first = holder("search")
    assert first.stdout.readline() == "held\n"
    second = holder("search")
    assert select.select([second.stdout], [], [], 1) == ([], [], [])
    first.send_signal(signal.SIGKILL)
    assert second.stdout.readline() == "held\n"


def test_a_lock_can_be_taken_again_and_again(tmp_path):
    for _ in range(2):
        with alone_in(tmp_path / "study"):
            assert (tmp_path / "study").is_dir()
