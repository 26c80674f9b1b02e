"""Runs next to each other, next to another user's Ray, and in folders with unusual names."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.faults.faulty_run import (
    assert_complete,
    finished_trials,
    make_project,
    quality,
)


def temporary_folders():
    """Those of all runs, this one and others."""
    return set(Path("/tmp").glob("sysstop-*"))


def test_two_runs_in_different_folders_do_not_touch_each_other(start, tmp_path):
    projects = [make_project(tmp_path / name) for name in ("one", "two")]
    runs = [start(in_project=project) for project in projects]
    assert [run.wait() for run in runs] == [0, 0]
    for project, run in zip(projects, runs, strict=True):
        assert_complete(project)
        run.wait_until_gone()
    assert quality(projects[0]).equals(quality(projects[1]))


def test_a_strangers_ray_is_neither_joined_nor_stopped(project, start):
    stranger = textwrap.dedent("""
        import ray
        import sys
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
        print("ready", flush=True)
        sys.stdin.readline()
        used = ray.cluster_resources()["CPU"] - ray.available_resources().get("CPU", 0)
        print(len(ray.nodes()), used, flush=True)
    """)
    environment = {name: value for name, value in os.environ.items() if "RAY" not in name}
    with subprocess.Popen(
        [sys.executable, "-c", stranger],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        run = start()
        assert run.wait() == 0
        run.wait_until_gone()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline().split() == ["1", "0.0"]
    assert_complete(project)


def test_a_long_folder_name_with_spaces_and_quotation_marks_works(start, tmp_path):
    folder = tmp_path / 'a "long" name with spaces and ümlauts'
    folder.mkdir()
    project = make_project(folder / ("far too long for a socket " * 5).strip())
    run = start(in_project=project)
    assert run.wait() == 0, run.said[-3000:]
    assert_complete(project)


def test_nothing_is_left_after_success_failure_or_ctrl_c(start, tmp_path):
    before = temporary_folders()
    for end in ("success", "failure", "Ctrl-C"):
        changes = {"search__trial_timeout_s": 0.001} if end == "failure" else {}
        project = make_project(tmp_path / end, **changes)
        run = start(in_project=project)
        if end == "Ctrl-C":
            assert run.wait_for(lambda project=project: finished_trials(project) >= 1)
            run.interrupt()
        assert (run.wait() == 0) == (end == "success")
        run.wait_until_gone()
        assert temporary_folders() <= before


def test_what_a_power_cut_leaves_behind_is_gone_after_the_next_run(project, start):
    run = start()
    assert run.wait_for(lambda: finished_trials(project) >= 1)
    run.kill_all()
    assert run.temporary_folder.exists()
    assert start().wait() == 0
    assert not run.temporary_folder.exists()
