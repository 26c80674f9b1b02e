"""A disk or a tracking store that fails ends in one message; the next call goes on."""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.faults.faulty_run import (
    ONE_STUDY,
    STUDY,
    TRIALS,
    assert_complete,
    finished_trials,
    last_message,
    mlflow_runs,
    table,
)


def private_mounts(*commands):
    """The start of a command line that runs the rest where nobody else sees these mounts."""
    namespace = ["unshare", "--mount", "--map-root-user"]
    if os.getuid() == 0:
        namespace.remove("--map-root-user")
    return [*namespace, "sh", "-ec", f'{"; ".join(commands)}; "$@"', "sh"]


@pytest.fixture(scope="module")
def can_mount():
    trial = [*private_mounts("mount -t tmpfs tmpfs /mnt"), "true"]
    if not shutil.which("unshare") or subprocess.run(trial, check=False).returncode:
        assert "CI" not in os.environ, "these faults must be tested in CI"
        pytest.skip("this system does not let us mount a full or a read-only disk")


def test_a_full_disk_ends_the_study_in_one_message_and_loses_no_trial(can_mount, project, start):
    folder = project.folder / STUDY
    folder.mkdir(parents=True)
    # The disk is in memory and gone with the run, so its content is copied out.
    kept = project.folder / "kept.jsonl"
    full = f"mount -t tmpfs -o size=100k tmpfs {folder}"
    copy = f"trap 'cp {folder}/journal.jsonl {kept}' EXIT"
    run = start(prefix=private_mounts(full, copy))
    assert run.wait() != 0
    assert f"{STUDY}/journal.jsonl: The disk is full; free some space" in last_message(run)
    assert "Traceback" not in last_message(run)
    run.wait_until_gone()
    kept.rename(folder / "journal.jsonl")
    finished = finished_trials(project)
    assert 0 < finished < TRIALS
    assert start().wait() == 0
    assert_complete(project)
    summary = json.loads((folder / "search.json").read_text())
    assert finished - 1 <= summary["resumed_trials"] <= finished  # the last line may be cut short


def test_a_read_only_folder_of_results_is_named(can_mount, project, start):
    results = project.folder / "results"
    results.mkdir()
    read_only = f"mount --bind {results} {results}; mount -o remount,ro,bind {results}"
    run = start(prefix=private_mounts(read_only))
    assert run.wait() != 0
    assert "Read-only file system" in run.said
    assert "results" in run.said
    run.wait_until_gone()
    assert start().wait() == 0
    assert_complete(project)


def test_a_locked_store_is_named_and_the_study_is_not_searched_again(project, start):
    run = start()
    assert run.wait_for(lambda: finished_trials(project) == TRIALS)
    with contextlib.closing(sqlite3.connect(project.folder / "results/mlflow/mlflow.db")) as store:
        store.execute("BEGIN EXCLUSIVE")
        assert run.wait() != 0
    message = last_message(run)
    assert "tracking.uri: MLflow cannot use" in message
    assert "locked" in message and "Traceback" not in message
    searched = (project.folder / STUDY / "trials.jsonl").stat().st_mtime_ns
    assert start().wait() == 0
    assert (project.folder / STUDY / "trials.jsonl").stat().st_mtime_ns == searched
    assert_complete(project)


@pytest.fixture
def server(tmp_path):
    """Start an MLflow server on the loopback interface; give its address and how to end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    servers = []

    def start_server():
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
        servers.append(subprocess.Popen(command, cwd=tmp_path, start_new_session=True))
        for _ in range(600):
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"{address}/health", timeout=1).status == 200:
                    return
            time.sleep(0.1)
        raise AssertionError("the MLflow server did not start")

    def stop_server():
        os.killpg(servers[-1].pid, 9)
        servers[-1].wait()

    start_server()
    yield address, start_server, stop_server
    with contextlib.suppress(ProcessLookupError):
        stop_server()


def test_a_tracking_server_that_goes_away_is_named_and_the_next_call_goes_on(
    project, start, server
):
    address, start_server, stop_server = server
    config = project.write_config("server.yaml", **(ONE_STUDY | {"tracking__uri": address}))
    few_retries = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    run = start(config=config, **few_retries)
    assert run.wait_for(lambda: len(mlflow_runs(project, address)) >= 1)
    stop_server()
    assert run.wait() != 0
    assert f"tracking.uri: MLflow cannot use '{address}'" in last_message(run)
    assert "The study's trials are kept" in last_message(run)
    start_server()
    assert start(config=config, **few_retries).wait() == 0
    runs = mlflow_runs(project, address)
    trials = table(project, "trials")
    assert sorted(run.info.run_name for run in runs) == sorted(trials["trial_id"])
    assert {run.info.status for run in runs} == {"FINISHED"}
