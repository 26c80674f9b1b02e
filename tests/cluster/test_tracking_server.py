"""MLflow's tracking server on PostgreSQL, which asks for a password, in place of SQLite."""

import base64
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
from mlflow import MlflowClient

from sysstop.results.journal import read_trials
from sysstop.results.store import open_store
from sysstop.results.tracked_report import track_report
from sysstop.results.tracking import read_study, write_study
from sysstop.study.metrics import metric_names
from sysstop.study.studies import planned_studies
from tests.cluster.tracking_server import PostgreSQL, TrackingServer, postgresql_programs
from tests.project import ROOT, TINY, copy_project
from tests.shipped import ENTRIES
from tests.unit.test_tracking import CURVES, assert_same, finished_trial

TABLES = ("trials", "windows", "environment")
TARGETS = [f"results/tables/{name}.parquet" for name in TABLES]
STUDIES = planned_studies(
    {
        "study": TINY["study"],
        "datasets": {"iris": {"task": "classification"}, "flats": {"task": "regression"}},
        "algorithms": ENTRIES,
    }
)
TRIALS_OF_STUDY = 4


@pytest.fixture(scope="module")
def postgres():
    programs = postgresql_programs()
    if programs is None:
        assert "CI" not in os.environ, "PostgreSQL is not installed, but must be tested in CI"
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    server = PostgreSQL(programs, ["runs", "users", "direct"])
    yield server
    server.stop()


@pytest.fixture(scope="module")
def server(postgres, tmp_path_factory):
    server = TrackingServer(postgres, tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture
def client(server, monkeypatch):
    for name, value in server.credentials.items():
        monkeypatch.setenv(name, value)
    return MlflowClient(server.address)


@pytest.fixture(scope="module")
def with_sqlite(tmp_path_factory):
    """The project after its six studies, tracked in SQLite."""
    project = copy_project(tmp_path_factory.mktemp("sqlite"))
    run = project.snakemake(*TARGETS)
    assert run.returncode == 0, run.stderr[-3000:]
    return project


def copy_of(project, folder):
    """The same project with all its results."""
    shutil.copytree(project.folder, folder)
    return type(project)(folder)


@pytest.fixture(scope="module")
def with_server(with_sqlite, server, tmp_path_factory):
    """The same studies exported again, to the server; and the output."""
    project = copy_of(with_sqlite, tmp_path_factory.mktemp("server") / "project")
    config = project.write_config("server.yaml", tracking__uri=server.address)
    run = project.snakemake(*TARGETS, config=config, **server.credentials)
    assert run.returncode == 0, run.stderr[-3000:]
    return project, run.stdout + run.stderr


def runs_of(client, prefix=""):
    """All trials' runs under a prefix by the study and trial they are of."""
    names = {f"{prefix}{study.dataset}/{study.algorithm}" for study in STUDIES}
    experiments = [e.experiment_id for e in client.search_experiments() if e.name in names]
    runs = client.search_runs(experiments, "tags.kind = 'trial'", max_results=1000)
    found = {(run.data.tags["study"], run.info.run_name): run for run in runs}
    assert len(found) == len(runs)
    return found


def curves(client, run):
    return {
        name: [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }  # fmt: skip


# The export.


def test_tables_are_those_of_sqlite_but_for_the_names_of_the_runs(with_sqlite, with_server):
    project, said = with_server
    assert "rule search" not in said  # a change of the store searches nothing again
    for name in TABLES:
        there, here = (
            pd.read_parquet(ran.folder / f"results/tables/{name}.parquet")
            for ran in (project, with_sqlite)
        )
        if name == "trials":
            assert not set(there.pop("mlflow_run_id")) & set(here.pop("mlflow_run_id"))
        pd.testing.assert_frame_equal(there, here, check_exact=True)


def test_runs_hold_what_those_in_sqlite_hold(with_sqlite, with_server, client):
    sqlite = MlflowClient(f"sqlite:///{with_sqlite.folder}/results/mlflow/mlflow.db")
    there, here = runs_of(client), runs_of(sqlite)
    assert there.keys() == here.keys()
    assert len(there) == len(STUDIES) * TRIALS_OF_STUDY
    for key, run in there.items():
        assert run.info.status == here[key].info.status
        assert run.data.params == here[key].data.params
        assert own_tags(run) == own_tags(here[key])
        assert run.data.tags["mlflow.parentRunId"]
    # Each curve is a request that the server authenticates, so those of one trial of each study.
    for key in {study: (study, name) for study, name in there}.values():
        np.testing.assert_equal(curves(client, there[key]), curves(sqlite, here[key]))


def own_tags(run):
    return {name: text for name, text in run.data.tags.items() if not name.startswith("mlflow.")}


def test_trials_come_back_from_the_server_bit_for_bit(client, server):
    store = open_store(server.address, prefix="exact/")
    losses = np.array([0.1 + 0.2, 5e-324, np.nan, np.inf, -0.0] * 1000)
    written = [finished_trial(name, losses=losses, **curves) for name, curves in CURVES.items()]
    write_study(store, STUDIES[0], {"rule": None}, written)
    read = {trial.trial_id: trial for trial in read_study(store, STUDIES[0]).trials}
    assert len(read) == len(written)
    for trial in written:
        assert_same(read[trial.trial_id], trial)


def test_a_page_of_runs_takes_one_request_for_each_metric(client, server, monkeypatch):
    store = open_store(server.address, prefix="requests/")
    trials = [finished_trial(f"t{number}", windows=1) for number in range(12)]
    write_study(store, STUDIES[0], {"rule": None}, trials)
    calls, send = [], requests.Session.request

    def counted(session, method, url, **more):
        calls.append(url)
        return send(session, method, url, **more)

    monkeypatch.setattr(requests.Session, "request", counted)
    assert len(read_study(store, STUDIES[0]).trials) == len(trials)
    assert sum("get-history-bulk" in url for url in calls) == len(metric_names())
    assert len(calls) <= len(metric_names()) + 3


def test_the_report_is_kept_on_the_server(client, server, tmp_path):
    (tmp_path / "report.html").write_text("<html>")
    store = open_store(server.address, prefix="reported/")
    run_id = track_report(store, {"repetitions": 3}, tmp_path / "report.html", {})
    kept = client.download_artifacts(run_id, "report.html", str(tmp_path / "kept"))
    assert Path(kept).read_text() == "<html>"
    assert not (tmp_path / "mlruns").exists()


# Several machines.


def test_what_two_machines_ran_into_one_server_a_third_reports_on(server, tmp_path_factory):
    shared = {
        "tracking__uri": server.address,
        "tracking__experiment_prefix": "machines/",
        "study__datasets": ["iris"],
        "study__algorithms": ["logistic_regression"],
        "study__arms": ["none", "memory"],
    }
    machines = [copy_project(tmp_path_factory.mktemp("machine")) for _ in range(3)]
    for number, machine in enumerate(machines[:2], 1):
        config = machine.write_config("part.yaml", **shared, study__repetitions=[number])
        run = machine.snakemake(TARGETS[0], config=config, **server.credentials)
        assert run.returncode == 0, run.stderr[-3000:]
    third = machines[2]
    whole = shared | {"study__repetitions": 2, "tracking__import": True}
    config = third.write_config("whole.yaml", **whole)
    run = third.snakemake("results/report.html", config=config, **server.credentials)
    assert run.returncode == 0, run.stderr[-3000:]
    assert "rule search" not in run.stdout + run.stderr
    imported = trials_of(third)
    assert set(imported["repetition"]) == {1, 2}
    parts = pd.concat([trials_of(machine) for machine in machines[:2]])
    order = ["arm", "repetition", "trial_id"]
    pd.testing.assert_frame_equal(
        imported.sort_values(order, ignore_index=True),
        parts.sort_values(order, ignore_index=True),
        check_exact=True,
    )
    config = third.write_config("more.yaml", **(whole | {"study__repetitions": 3}))
    run = third.snakemake("tables", config=config, **server.credentials)
    message = run.stderr[run.stderr.rindex("error: ") :]
    assert "iris/logistic_regression/none/3" in message
    assert "iris/logistic_regression/none/2" not in message


def trials_of(project):
    return pd.read_parquet(project.folder / "results/tables/trials.parquet")


# Several writers.

WRITER = """
import sys
from pathlib import Path

from sysstop.results.journal import read_trials
from sysstop.results.store import open_store
from sysstop.results.tracking import write_study
from sysstop.study.studies import Study

uri, file, prefix, dataset, algorithm, arm = sys.argv[1:]
store, study = open_store(uri, prefix), Study(dataset, algorithm, arm, 1)
print("ready", flush=True)
sys.stdin.readline()
write_study(store, study, {"rule": None}, read_trials(Path(file)))
"""


def write_at_once(project, server, prefix):
    """Have all studies of a project write their runs at the same time, in a process each."""
    environment = os.environ | server.credentials | {"PYTHONPATH": str(ROOT / "workflow" / "lib")}
    writers = []
    for study in STUDIES:
        names = [study.dataset, study.algorithm, study.arm]
        command = [sys.executable, "-c", WRITER, server.address, journal(project, study), prefix]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        writers.append(subprocess.Popen([*command, *names], env=environment, text=True, **pipes))
    for writer in writers:
        writer.stdout.readline()
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=300)
        assert writer.returncode == 0, errors[-3000:]


def journal(project, study):
    path = f"results/studies/{study.dataset}/{study.algorithm}/{study.arm}/repetition-1"
    return str(project.folder / path / "trials.jsonl")


def test_studies_that_write_at_once_lose_nothing_and_double_nothing(with_sqlite, server, client):
    # The first time all of them find the experiments missing, the second time their own runs there.
    for _ in range(2):
        write_at_once(with_sqlite, server, "together/")
        runs = runs_of(client, "together/")
        assert len(runs) == len(STUDIES) * TRIALS_OF_STUDY
        for study in STUDIES:
            for trial in read_trials(Path(journal(with_sqlite, study))):
                run = runs[study.key, trial.trial_id]
                assert run.info.status == "FINISHED"
                curve = client.get_metric_history(run.info.run_id, "val_loss")
                values = {metric.step: metric.value for metric in curve}
                windows = trial.windows
                assert values == dict(zip(windows["step"], windows["val_loss"], strict=True))


# Credentials.


def places_of(secret, folder):
    """The files below a folder that hold a secret, plainly or as HTTP sends it."""
    sent = base64.b64encode(f"admin:{secret}".encode()).decode()
    return [
        file.relative_to(folder)
        for file in folder.rglob("*")
        if file.is_file() and any(text in contents(file) for text in (secret, sent))
    ]


def contents(file):
    """A file as it is and, for a table or a database, its content."""
    raw = file.read_bytes()
    text = raw.decode(errors="replace")
    if file.suffix == ".parquet":
        text += pd.read_parquet(file).to_csv()
    if raw.startswith(b"SQLite format 3"):
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as store:
            text += "\n".join(store.iterdump())
    return text


def test_a_secret_is_found_in_text_tables_and_databases(tmp_path):
    secret = "a1b2c3" * 5
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "log").write_text(f"password: {secret}")
    pd.DataFrame({"note": [secret] * 9}).to_parquet(tmp_path / "table.parquet", compression="gzip")
    with sqlite3.connect(tmp_path / "store") as store:
        store.execute("CREATE TABLE notes (note TEXT)")
        store.execute("INSERT INTO notes VALUES (?)", [secret])
    (tmp_path / "header").write_text(base64.b64encode(f"admin:{secret}".encode()).decode())
    (tmp_path / "innocent").write_text("nothing")
    found = {str(path) for path in places_of(secret, tmp_path)}
    assert found == {".hidden/log", "table.parquet", "store", "header"}


def test_the_servers_password_is_in_no_file_tag_or_log(with_server, server, postgres):
    project, said = with_server
    assert places_of(server.password, project.folder) == []
    for text in (said, server.log.read_text(), postgres.dump("runs")):
        assert server.password not in text


def test_a_databases_password_in_mlflows_variable_is_in_no_file_tag_or_log(
    with_sqlite, postgres, tmp_path
):
    project = copy_of(with_sqlite, tmp_path / "project")
    config = project.write_config("direct.yaml", tracking__uri=None)
    uri = postgres.uri("direct", postgres.password)
    run = project.snakemake(*TARGETS, config=config, MLFLOW_TRACKING_URI=uri)
    assert run.returncode == 0, run.stderr[-3000:]
    runs = runs_of(MlflowClient(uri))
    assert len(runs) == len(STUDIES) * TRIALS_OF_STUDY
    assert places_of(postgres.password, project.folder) == []
    for text in (run.stdout, run.stderr, postgres.dump("direct")):
        assert postgres.password not in text


def test_a_wrong_password_is_reported_with_the_variables_to_set_and_not_repeated(
    with_sqlite, server, tmp_path
):
    project = copy_of(with_sqlite, tmp_path / "project")
    config = project.write_config("server.yaml", tracking__uri=server.address)
    wrong = server.credentials | {"MLFLOW_TRACKING_PASSWORD": "not-the-password"}
    run = project.snakemake(*TARGETS, config=config, **wrong)
    assert run.returncode != 0
    message = run.stderr[run.stderr.rindex("error: ") :]
    assert f"tracking.uri: MLflow cannot use '{server.address}'" in message
    assert "MLFLOW_TRACKING_PASSWORD" in message
    assert "Traceback" not in message
    assert "not-the-password" not in run.stdout + run.stderr
    assert places_of("not-the-password", project.folder) == []


def test_a_password_in_the_config_is_refused_and_not_repeated(with_sqlite, server):
    uri = server.address.replace("://", f"://admin:{server.password}@")
    config = with_sqlite.write_config("password.yaml", tracking__uri=uri)
    run = with_sqlite.snakemake("--dry-run", config=config)
    (with_sqlite.folder / config).unlink()
    assert run.returncode != 0
    said = run.stdout + run.stderr
    assert "tracking.uri: holds a password" in said
    assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in said
    assert server.password not in said
    assert places_of(server.password, with_sqlite.folder) == []
