"""Searches on an existing Ray cluster, whose nodes share neither data nor library with the driver."""

import json
import os
import re
import subprocess
import time

import pandas as pd
import psutil
import pytest

from tests.cluster.ray_cluster import Head, WorkerNode, missing
from tests.project import copy_project

PAIR = "results/studies/iris/logistic_regression"
STUDY = f"{PAIR}/none/repetition-1"
TARGET = f"{PAIR}/trials.parquet"
ONE_STUDY = {
    "study__datasets": ["iris"],
    "study__algorithms": ["logistic_regression"],
    "study__arms": ["none"],
}
QUALITY = ["step", "train_loss", "val_loss", "accuracy", "rmse", "score"]


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    if reason := missing():
        assert "CI" not in os.environ, f"{reason}, but this must be tested in CI"
        pytest.skip(reason)
    head = Head(tmp_path_factory.mktemp("head"))
    yield head
    head.stop()
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if names(p, head.temporary_folder)]
    assert not left


def names(process, folder):
    return str(folder) in " ".join(process.info["cmdline"] or [])


@pytest.fixture(scope="module")
def join(head, tmp_path_factory):
    """Have a node of this name join the cluster; all leave in the end."""
    nodes, logs = [], tmp_path_factory.mktemp("nodes")

    def start(name, **properties):
        nodes.append(WorkerNode(name, head, logs, **properties))
        return nodes[-1]

    yield start
    for node in nodes:
        node.kill()


@pytest.fixture(scope="module")
def nodes(join):
    return join("node-a"), join("node-b", cpu_model="A Slower Processor")


class ClusterRun:
    """A run of Snakemake with one core of its own, whose searches run on the cluster."""

    def __init__(self, project, head, config, *targets, **environment):
        self._output = project.folder / "output.txt"
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [*head.inside, *project.command(*targets, config=config), "--cores", "1"],
                cwd=project.folder,
                env=os.environ | head.environment | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self):
        return self._output.read_text()

    def wait_until(self, condition, seconds=300):
        """Wait until a condition holds or the run has ended; return whether it holds."""
        deadline = time.monotonic() + seconds
        while not (holds := condition()) and self._process.poll() is None:
            assert time.monotonic() < deadline, self.said[-3000:]
            time.sleep(0.05)
        return holds

    def wait(self):
        return self._process.wait(timeout=300)


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert condition()


def make_project(folder, head, **changes):
    """A copy of the project whose config `cluster.yaml` names the cluster."""
    folder.mkdir()
    project = copy_project(folder)
    cluster = {"search__ray_address": head.address, "search__workers": 2}
    project.write_config("cluster.yaml", **(cluster | changes))
    return project


def study_table(project, name="trials"):
    table = pd.read_parquet(project.folder / PAIR / f"{name}.parquet")
    return table.set_index(["trial_id", "window"] if name == "windows" else "trial_id")


def summary_of(project):
    return json.loads((project.folder / STUDY / "search.json").read_text())


# One study of many short trials.

SHORT = ONE_STUDY | {
    "grid": {
        "batch_size": [2, 8],
        "learning_rate": [0.1, 0.01, 0.001, 0.0001],
        "alpha": [0.1, 0.01, 0.001],
    },
    "budget__steps": 400,
    "budget__window_steps": 100,
}


@pytest.fixture(scope="module")
def short(head, nodes, tmp_path_factory):
    """A study that ran on the cluster, and the copies of its data that were seen on each node."""
    project = make_project(tmp_path_factory.mktemp("short") / "project", head, **SHORT)
    assert not any((node.root / str(project.folder)[1:]).exists() for node in nodes)
    seen = {node.name: set() for node in nodes}

    def watch():
        for node in nodes:
            seen[node.name] |= set(node.copies().items())

    run = ClusterRun(project, head, "cluster.yaml", TARGET)
    run.wait_until(watch)
    assert run.wait() == 0, run.said[-3000:]
    return project, seen


def test_as_many_trials_run_at_once_as_there_are_workers_not_as_this_host_has_cores(short):
    project, _ = short
    on_node = study_table(project)["host"].value_counts()
    assert summary_of(project)["workers"] == 2
    assert set(on_node.index) == {"node-a", "node-b"}
    assert on_node.min() >= 24 // 4


def test_data_reach_each_node_once_and_are_gone_after_the_search(short, nodes):
    _, seen = short
    assert {name: len(copies) for name, copies in seen.items()} == {"node-a": 1, "node-b": 1}
    wait_until(lambda: not any(node.copies() for node in nodes))


def test_the_environment_of_every_host_that_ran_trials_is_recorded(short):
    project, _ = short
    summary = summary_of(project)
    models = {found["host"]: found["cpu_model"] for found in summary["environments"]}
    assert set(models) == {"node-a", "node-b"}
    assert models["node-b"] == "A Slower Processor" != models["node-a"]
    assert all(found["git_commit"] == summary["git_commit"] for found in summary["environments"])
    assert "other_cpu_percent" not in summary  # nobody measured the load of the nodes


def test_results_are_those_of_a_search_on_one_host_bit_for_bit(short, tmp_path):
    project, _ = short
    alone = copy_project(tmp_path)
    config = alone.write_config("alone.yaml", **SHORT)
    run = alone.snakemake(TARGET, config=config)
    assert run.returncode == 0, run.stderr[-3000:]
    assert set(study_table(alone)["host"]) == {os.uname().nodename}
    there, here = (study_table(ran, "windows")[QUALITY] for ran in (project, alone))
    pd.testing.assert_frame_equal(there, here, check_exact=True)


# A whole pipeline.


@pytest.fixture(scope="module")
def whole(head, nodes, tmp_path_factory):
    arms = {"study__arms": ["none", "plateau"]}
    project = make_project(tmp_path_factory.mktemp("whole") / "project", head, **ONE_STUDY | arms)
    run = ClusterRun(project, head, "cluster.yaml", "results/report.html")
    assert run.wait() == 0, run.said[-3000:]
    return project


def test_the_table_of_environments_has_a_row_for_each_host(whole):
    environment = pd.read_parquet(whole.folder / "results/tables/environment.parquet")
    assert sorted(environment["host"]) == ["node-a", "node-b"]
    assert set(environment["studies"]) == {2}
    assert environment["load_before_max"].isna().all()


def test_the_report_says_that_hosts_were_mixed_and_how_they_differ(whole):
    page = (whole.folder / "results" / "report.html").read_text()
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "the trials ran on more than one host (2 hosts: node-a and node-b)" in text
    assert "A Slower Processor on node-b" in text
    assert "How busy node-a and node-b were with something else is not known" in text
    assert "Configurations compared" in text


# A node is lost.

LONG = ONE_STUDY | {
    "grid": {"batch_size": [2], "learning_rate": [0.1, 0.01, 0.001, 0.0001], "alpha": [0.1, 0.01, 0.001]},
    "budget__steps": 800,
    "budget__window_steps": 100,
}  # fmt: skip


def test_a_node_that_is_killed_costs_its_running_trial_which_the_next_call_tries_again(
    head, nodes, join, tmp_path
):
    _, node_b = nodes
    project = make_project(tmp_path / "project", head, **LONG)
    run = ClusterRun(project, head, "cluster.yaml", TARGET)
    journal = project.folder / STUDY / "journal.jsonl"

    def in_the_middle():
        done = journal.read_text().count('"host": "node-b"') if journal.exists() else 0
        return done and node_b.trials_at_work()

    assert run.wait_until(in_the_middle)
    finished_before = journal.read_text().count("\n") - 1
    node_b.kill()
    assert run.wait() == 0, run.said[-3000:]
    trials = study_table(project)
    failed = trials[trials["status"] == "failed"]
    assert len(trials) == 12 and len(failed) == 1
    assert "the node on node-b was lost" in failed["stop_reason"].item()
    assert set(trials.drop(failed.index)["status"]) == {"completed"}
    assert (trials["host"] == "node-a").sum() > finished_before
    assert "the node on node-b left the Ray cluster" in run.said

    join("node-c")
    again = ClusterRun(project, head, "cluster.yaml", TARGET)
    assert again.wait() == 0, again.said[-3000:]
    repaired = study_table(project)
    assert set(repaired["status"]) == {"completed"}
    kept = trials.drop(failed.index)
    assert (repaired.loc[kept.index, "train_time_s"] == kept["train_time_s"]).all()
    assert repaired.loc[failed.index, "host"].item() in {"node-a", "node-c"}
    # The lost node's other trials count, so its environment is still reported.
    hosts = {environment["host"] for environment in summary_of(project)["environments"]}
    assert hosts == set(repaired["host"]) >= {"node-a", "node-b"}


@pytest.fixture
def small(tmp_path):
    """A cluster of its own with one worker node; gives the head and how to have a node join."""
    head, nodes = Head(tmp_path), []

    def start(name):
        nodes.append(WorkerNode(name, head, tmp_path))
        return nodes[-1]

    yield head, start
    for node in nodes:
        node.kill()
    head.stop()


def begun(project, trials=2):
    """Whether a study has finished some trials and is still searched."""
    journal = project.folder / STUDY / "journal.jsonl"
    return journal.exists() and journal.read_text().count("\n") > trials


def test_a_search_without_any_node_waits_for_one_to_join(small, tmp_path):
    head, join = small
    node = join("node-x")
    project = make_project(tmp_path / "project", head, search__workers=1, **LONG)
    run = ClusterRun(project, head, "cluster.yaml", TARGET)
    assert run.wait_until(lambda: begun(project) and node.trials_at_work())
    node.kill()
    assert run.wait_until(lambda: "waits until a node with CPUs joins" in run.said)
    join("node-y")
    assert run.wait() == 0, run.said[-3000:]
    trials = study_table(project)
    assert list(trials["status"].value_counts().loc[["completed", "failed"]]) == [11, 1]
    assert set(trials.query("status == 'completed'")["host"]) == {"node-x", "node-y"}


def test_a_head_that_is_lost_ends_the_study_in_one_message_and_keeps_its_trials(small, tmp_path):
    head, join = small
    join("node-x")
    project = make_project(tmp_path / "project", head, search__workers=1, **LONG)
    run = ClusterRun(project, head, "cluster.yaml", TARGET)
    assert run.wait_until(lambda: begun(project))
    head.stop()
    assert run.wait() != 0
    message = run.said[run.said.rindex("error: ") :]
    assert "the head of the Ray cluster" in message and "finished trials are kept" in message
    assert "Traceback" not in message
    assert begun(project)


# A cluster that cannot be used.


@pytest.mark.parametrize(
    ("address", "token"),
    [("127.0.0.1:1", ""), (None, "0" * 64)],
    ids=["nothing listens", "wrong token"],
)
def test_a_cluster_that_cannot_be_used_is_named_with_what_to_do(head, tmp_path, address, token):
    changes = SHORT | {"search__ray_address": address or head.address}
    project = make_project(tmp_path / "project", head, **changes)
    environment = {"RAY_AUTH_TOKEN": token} if token else {}
    run = ClusterRun(project, head, "cluster.yaml", TARGET, **environment)
    assert run.wait() != 0
    message = run.said[run.said.rindex("error: ") :]
    assert (
        f"search.ray_address: cannot use the Ray cluster at '{address or head.address}'" in message
    )
    assert "Traceback" not in message
