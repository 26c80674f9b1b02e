"""Each run has a temporary folder, and what a run leaves behind is removed by the next."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sysstop.run.environment import LIBRARY_FOLDER
from sysstop.run.folder import OWNER_VARIABLE, own_run_folder, run_folder

RUN = """
import os, sys
from sysstop.run.folder import become_owner, own_run_folder
become_owner()
folder = own_run_folder()
if sys.argv[1] == "killed":
    (folder / "ray").mkdir()
    print(folder, flush=True)
    os._exit(1)
become_owner()
(folder / "tune-of-a-search-that-gave-up").mkdir()
print(folder, flush=True)
"""


@pytest.fixture
def run():
    def start(end):
        environment = {name: os.environ[name] for name in os.environ if name != OWNER_VARIABLE}
        environment["PYTHONPATH"] = str(LIBRARY_FOLDER)
        command = [sys.executable, "-c", RUN, end]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return start


def test_what_a_killed_run_left_behind_is_removed_by_the_next_one(run):
    left = Path(run("killed").stdout.strip())
    assert left.exists()
    assert run("ends").returncode == 0
    assert not left.exists()


def test_the_folder_of_a_living_run_stays_and_is_its_users_alone(run):
    ours = own_run_folder()
    assert run("ends").returncode == 0
    assert ours == run_folder(os.getpid()) and ours.is_dir()
    assert ours.stat().st_mode & 0o077 == 0


def test_a_run_without_a_living_ray_leaves_no_folder(run):
    assert not Path(run("ends").stdout.strip()).exists()


def test_a_process_outside_a_run_is_refused(monkeypatch):
    monkeypatch.delenv(OWNER_VARIABLE)
    with pytest.raises(RuntimeError, match=f"{OWNER_VARIABLE} is not set"):
        own_run_folder()
