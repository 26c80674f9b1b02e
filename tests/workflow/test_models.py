"""`snakemake models` ends in models that load in a fresh process, predict raw rows and can be served."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from tests.project import Project

PAIRS = {"iris": "logistic_regression", "flats": "linear_regression"}
PREDICT = """
import json, sys
import mlflow.pyfunc, pandas as pd
model, rows = sys.argv[1:]
predicted = mlflow.pyfunc.load_model(model).predict(pd.read_parquet(rows))
json.dump(predicted.tolist(), sys.stdout)
"""
START_TIMEOUT_S = 300


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    """The finished project with its models, which are registered."""
    folder = tmp_path_factory.mktemp("models") / "project"
    shutil.copytree(finished.folder, folder)
    project = Project(folder)
    project.write_config("models.yaml", tracking__register_models=True)
    run = project.snakemake("models", config="models.yaml")
    assert run.returncode == 0, run.stderr
    return project


def model_of(project, dataset):
    return project.folder / "results" / "models" / dataset / PAIRS[dataset]


def raw_test_part(project, dataset):
    """The raw rows of the test part: the features as the table has them, and the target."""
    folder = project.folder / "results" / "data" / dataset
    table = pd.read_parquet(folder / "table.parquet")
    rows = table.iloc[np.load(folder / "split" / "test_rows.npy")]
    return rows.drop(columns="target"), rows["target"]


def score_in_tables(project, dataset):
    """The test score of the baseline's best trial, as the tables have it."""
    pair = project.folder / "results" / "studies" / dataset / PAIRS[dataset]
    scores = pd.read_parquet(pair / "test_scores.parquet").set_index("arm")
    return scores.loc["none", "test_score"]


def predicted_elsewhere(model, rows, tmp_path):
    """What a process says that knows nothing of this project."""
    rows.to_parquet(tmp_path / "rows.parquet")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    run = subprocess.run(
        [sys.executable, "-c", PREDICT, str(model), "rows.parquet"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    return np.array(json.loads(run.stdout))


@pytest.mark.parametrize("dataset", PAIRS)
def test_a_fresh_process_predicts_raw_rows_and_reaches_the_tables_test_score(
    project, dataset, tmp_path
):
    rows, target = raw_test_part(project, dataset)
    assert dataset == "iris" or rows.isna().any(axis=None)
    predicted = predicted_elsewhere(model_of(project, dataset), rows, tmp_path)
    if dataset == "iris":
        score = (predicted == target.to_numpy()).mean()
    else:
        score = -np.sqrt(np.mean((predicted - target.to_numpy()) ** 2))
    assert score == pytest.approx(score_in_tables(project, dataset), rel=1e-12)
    description = json.loads((model_of(project, dataset) / "model.json").read_text())
    assert description["scores"]["test"]["score"] == score_in_tables(project, dataset)


def test_nothing_is_left_beside_the_models(project):
    left = {path.name for path in (project.folder / "results" / "models").glob("*/*")}
    assert left == set(PAIRS.values())
    assert not list(project.folder.glob("mlruns")) and not list(project.folder.glob("*.db"))


@contextlib.contextmanager
def served(model, log):
    """The address of a real server of a model on the loopback interface."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    programs = Path(sys.executable).parent
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model)]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            env=os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not is_up(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=60)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_free(port):  # the server's own processes take a moment to die
        assert time.monotonic() < deadline, f"port {port} is still in use"
        time.sleep(0.1)


def is_free(port):
    with contextlib.suppress(OSError), socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
        return True


def is_up(port):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).status == 200


def asked(address, rows):
    """The answer to raw rows as JSON has them, missing cells as null."""
    question = {"dataframe_split": json.loads(rows.to_json(orient="split", index=False))}
    request = urllib.request.Request(
        f"{address}/invocations",
        json.dumps(question).encode(),
        {"Content-Type": "application/json"},
    )
    return json.loads(urllib.request.urlopen(request, timeout=START_TIMEOUT_S).read())[
        "predictions"
    ]


def test_a_server_of_mlflow_answers_what_the_model_predicts(project, tmp_path):
    model = model_of(project, "flats")
    rows, _ = raw_test_part(project, "flats")
    predicted = predicted_elsewhere(model, rows, tmp_path)
    with served(model, tmp_path / "server.log") as address:
        answered = asked(address, rows)
        with pytest.raises(urllib.error.HTTPError) as refused:
            asked(address, rows.drop(columns="district"))
        reason = refused.value.read().decode()
    np.testing.assert_allclose(answered, predicted, rtol=1e-12)
    assert refused.value.code == 400
    assert "district" in reason


def test_models_are_logged_and_registered_in_the_store(project):
    store = MlflowClient(f"sqlite:///{project.folder}/results/mlflow/mlflow.db")
    registered = {model.name for model in store.search_registered_models()}
    assert registered == {f"{dataset}-{algorithm}" for dataset, algorithm in PAIRS.items()}
    for dataset, algorithm in PAIRS.items():
        file = project.folder / "results" / "mlflow" / "models" / dataset / f"{algorithm}.json"
        tracked = json.loads(file.read_text())
        run = store.get_run(tracked["run_id"])
        assert run.data.metrics["test_score"] == score_in_tables(project, dataset)
        (version,) = store.search_model_versions(f"name = '{dataset}-{algorithm}'")
        assert version.run_id == tracked["run_id"]


def rules_of(jobs):
    return {job[0] for job in jobs}


def test_a_second_call_has_nothing_to_do_and_registering_less_trains_no_model_again(project):
    assert project.planned_jobs("models", config="models.yaml") == set()
    assert rules_of(project.planned_jobs("models")) == {"track_model", "models"}


def test_another_limit_remakes_recommendations_and_models_and_nothing_before_them(project):
    config = project.write_config(
        "limits.yaml", constraints={"memory_mb": 1e6}, tracking__register_models=True
    )
    planned = rules_of(project.planned_jobs("models", config=config))
    assert planned == {"recommendations", "model", "track_model", "models"}


def test_whoever_imports_runs_makes_models_and_leaves_the_store_as_it_is(project):
    arguments = ("models", "--config", "tracking={import: true}")
    planned = rules_of(project.planned_jobs(*arguments, config="models.yaml"))
    assert {"export", "recommendations", "model"} <= planned
    assert not {"search", "track_model"} & planned


def test_limits_that_nothing_keeps_end_in_an_answer_and_no_model(project, tmp_path):
    shutil.copytree(project.folder, tmp_path / "project")
    other = Project(tmp_path / "project")
    config = other.write_config("strict.yaml", constraints={"memory_mb": 0.001})
    run = other.snakemake("models", config=config)
    assert run.returncode == 0, run.stderr
    for dataset, algorithm in PAIRS.items():
        assert f"No model of {dataset}, {algorithm}: None of the 4 configurations" in run.stderr
        assert [file.name for file in model_of(other, dataset).glob("[!.]*")] == ["model.json"]
