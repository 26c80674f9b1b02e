"""A study through a real SLURM: the results of a local run, and no trial lost or run twice."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass

import pandas as pd
import psutil
import pytest

from sysstop.results.journal import read_trials
from sysstop.run.folder import OWNER_VARIABLE, run_folder
from sysstop.study.metrics import metric_names
from tests.cluster.slurm_cluster import remove_leftovers, running_cluster, why_not_here
from tests.faults.faulty_run import (
    STUDY,
    TARGET,
    FaultyRun,
    assert_complete,
    finished_trials,
    make_project,
    table,
)
from tests.project import Project, copy_project

KEYS = ["dataset", "algorithm", "arm", "repetition"]
REPRODUCIBLE = {
    "trials": [
        *(*KEYS, "trial_id", "status", "stop_reason", "stop_metric", "stop_limit", "candidate"),
        *("steps_planned", "steps_used", "samples_used", *metric_names("quality")),
    ],
    "windows": [*KEYS, "trial_id", "window", "step", *metric_names("quality")],
    "budget": [
        *(*KEYS, "trials", "trials_stopped", "steps_planned", "steps_used", "steps_saved"),
        *("best_score", "baseline_best_score", "regret", "winner_stopped"),
        *("test_score", "baseline_test_score"),
    ],
}

# What the plugin logs with --verbose: it has looked at its jobs; it knows of none.
LOOK = "Status query timing (cycle)"
NOBODY = "No active jobs; skipping status query."


@dataclass(frozen=True)
class SlurmProject(Project):
    """A project whose commands submit to SLURM, and first look at their jobs after some seconds."""

    look_s: int

    def command(self, *arguments, config="tiny.yaml"):
        command = [sys.executable, "-m", "snakemake", *arguments, "--configfile", config]
        profile = ["--profile", "config/profiles/slurm"]
        return [*command, *profile, "--slurm-init-seconds-before-status-checks", str(self.look_s)]


@pytest.fixture
def slurm():
    """Everything that a cluster needs is on this machine."""
    remove_leftovers()
    reason = why_not_here()
    if reason:
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop(reason)


@pytest.fixture
def cluster(slurm):
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def submit(cluster):
    """Start a run that submits a project's study; whatever is left of it in the end is killed."""
    runs = []

    def start(project, *arguments, config="faults.yaml", look_s=1):
        run = FaultyRun(SlurmProject(project.folder, look_s), config, *arguments)
        runs.append(run)
        return run

    yield start
    for run in runs:
        if run.running:
            run.kill_all()


@pytest.fixture
def project(tmp_path):
    """A project with one study of thirty-two trials, long enough to be disturbed."""
    return make_project(tmp_path / "project", budget__steps=1000)


def kept_trials(project):
    """The training time of each finished trial in the journal of an interrupted search."""
    journal = project.folder / STUDY / "journal.jsonl"
    return {trial.trial_id: trial.windows["train_time_s"] for trial in read_trials(journal)}


def losses(file):
    """The training loss of each step, in an order independent of when trials finished."""
    words = dict.fromkeys(["dataset", "algorithm", "arm", "trial_id"], str)
    table = pd.read_parquet(file).astype(words)
    return table.sort_values([*KEYS, "trial_id", "step"], ignore_index=True)


def resumed_trials(project):
    return json.loads((project.folder / STUDY / "search.json").read_text())["resumed_trials"]


def assert_kept(project, kept):
    """The finished trials of the interrupted search are in the tables as they were."""
    times = table(project, "trials").set_index("trial_id")["train_time_s"]
    assert resumed_trials(project) == len(kept)
    assert {trial: times[trial] for trial in kept} == {t: used[-1] for t, used in kept.items()}


def wait_until(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert condition()


@pytest.mark.usefixtures("slurm")
def test_a_cluster_whose_tests_were_killed_is_no_obstacle_to_the_next():
    code = "from tests.cluster.slurm_cluster import running_cluster\n"
    code += "with running_cluster():\n    print('up', flush=True)\n    input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as tests:
        assert tests.stdout.readline() == "up\n"
        remove_leftovers()
        assert "another cluster" in why_not_here()
        tests.kill()

    def removed():
        remove_leftovers()
        return not why_not_here()

    wait_until(removed)


def test_a_study_through_slurm_has_the_results_of_a_local_one_and_outlives_a_restart_of_slurm(
    cluster, submit, tmp_path
):
    projects = []
    for name in ("local", "slurm"):
        (tmp_path / name).mkdir()
        projects.append(copy_project(tmp_path / name))
        projects[-1].write_config("study.yaml", study__arms=["none", "memory"])
    local, slurm = projects
    run = submit(slurm, "--verbose", config="study.yaml", look_s=10)
    assert run.wait_for(lambda: len(cluster.searches()) == 4)
    looks = run.said.count(LOOK)
    # The next look at the jobs is then ten seconds away, or more.
    assert run.wait_for(lambda: run.said.count(LOOK) > looks)
    assert run.wait_for(lambda: "RUNNING" in {job.state for job in cluster.searches()})
    cluster.stop_daemon("slurmctld")
    cluster.start_controller()
    assert run.wait() == 0, run.said[-3000:]
    # Two pairs of data set and algorithm with two arms each, and the nominal of each data set.
    jobs = cluster.jobs()
    assert Counter(job.rule for job in jobs) == {"nominal": 2, "search": 4}
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert {job.sharing for job in jobs} == {"NO"}
    assert {job.cores for job in jobs} == {str(len(os.sched_getaffinity(0)))}
    assert {job.limit for job in cluster.searches()} == {"11:00"}
    assert not cluster.job_processes()

    finished = local.snakemake(config="study.yaml")
    assert finished.returncode == 0, finished.stderr[-3000:]
    names = [
        {file.relative_to(project.folder) for file in project.results()} for project in projects
    ]
    assert names[0] == names[1]
    for name, columns in REPRODUCIBLE.items():
        ours, theirs = (
            pd.read_parquet(project.folder / "results" / "tables" / f"{name}.parquet")[columns]
            for project in projects
        )
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    for file in (slurm.folder / "results" / "studies").rglob("train_loss.parquet"):
        other = local.folder / file.relative_to(slurm.folder)
        pd.testing.assert_frame_equal(losses(file), losses(other), check_exact=True)


def test_a_cancelled_job_leaves_nothing_behind_and_is_submitted_again(cluster, submit, project):
    run = submit(project, TARGET)
    assert run.wait_for(lambda: finished_trials(project) >= 3)
    (head,) = cluster.job_processes("sysstop.search.ray_head")
    folder = run_folder(int(head.environ()[OWNER_VARIABLE]))
    assert folder.exists()
    cluster.command("scancel", cluster.searches()[0].id)
    wait_until(lambda: not cluster.job_processes())
    kept = kept_trials(project)
    assert 3 <= len(kept) < 32
    assert run.wait() == 0, run.said[-3000:]
    assert not folder.exists()
    assert "SLURM status is: 'CANCELLED'" in run.said
    assert [job.state for job in cluster.searches()] == ["CANCELLED", "COMPLETED"]
    assert_complete(project)
    assert_kept(project, kept)


def test_a_job_over_its_time_limit_goes_on_with_a_larger_one(cluster, submit, project):
    run = submit(project, TARGET, "--set-resources", "search:runtime=attempt")
    assert run.wait_for(lambda: finished_trials(project) >= 3)
    for template in cluster.job_processes("sysstop.trial.template"):
        with contextlib.suppress(psutil.NoSuchProcess):
            template.send_signal(signal.SIGSTOP)
    wait_until(lambda: not cluster.job_processes(), seconds=180)
    kept = kept_trials(project)
    assert 3 <= len(kept) < 32
    assert run.wait() == 0, run.said[-3000:]
    assert "SLURM status is: 'TIMEOUT'" in run.said
    # On a busy machine the second job may be too short as well.
    *ended, last = cluster.searches()
    assert {job.state for job in ended} == {"TIMEOUT"}
    assert last.state == "COMPLETED"
    limits = [job.limit for job in (*ended, last)]
    assert limits == [f"{minutes}:00" for minutes in range(1, len(limits) + 1)]
    assert_complete(project)
    assert_kept(project, kept)


def test_a_study_whose_jobs_were_given_up_is_completed_by_another_run(cluster, submit, project):
    run = submit(project, TARGET, "--verbose", "--slurm-status-attempts", "2")
    assert run.wait_for(lambda: finished_trials(project) >= 3)
    cluster.stop_daemon("slurmctld")
    assert run.wait_for(lambda: "(final attempt)" in run.said)
    cluster.start_controller()
    wait_until(lambda: [job.state for job in cluster.searches()] == ["COMPLETED"])
    wait_until(lambda: NOBODY in run.said.partition("(final attempt)")[2])
    assert run.running
    run.interrupt()
    run.wait()
    assert submit(project, TARGET).wait() == 0
    assert_complete(project)
