"""A recommended model in a real MLflow store, a fresh SQLite database."""

import mlflow.pyfunc
import mlflow.sklearn
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor

from sysstop.results.model_description import write_description
from sysstop.results.store import open_store
from sysstop.results.tracked_model import track_model

EXPERIMENT = "flats/linear_regression"
DESCRIPTION = {
    "model": True,
    "hyperparameters": {"batch_size": 8, "hidden_layer_sizes": [16]},
    "scores": {
        "validation": {"score": -12.5, "accuracy": None},
        "test": {"score": -13.0},
    },
    "system_metrics": {"memory_mb": 101.5},
}
ROWS = pd.DataFrame({"area": [60.0]})


@pytest.fixture
def own(tmp_path):
    return open_store(f"sqlite:///{tmp_path}/mlflow.db", artifacts=tmp_path / "artifacts")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    model = DummyRegressor().fit([[0]], [7.0])
    mlflow.sklearn.save_model(model, str(folder), pip_requirements=["scikit-learn"])
    write_description(folder, DESCRIPTION)
    return folder


def runs_of(store):
    experiment = store.client.get_experiment_by_name(EXPERIMENT)
    return store.client.search_runs([experiment.experiment_id], run_view_type=3)


def models_of(store):
    experiment = store.client.get_experiment_by_name(EXPERIMENT)
    return store.client.search_logged_models([experiment.experiment_id])


def test_a_model_is_logged_with_a_run_that_has_its_hyperparameters_scores_and_metrics(own, folder):
    tracked = track_model(own, EXPERIMENT, folder, register=False)
    loaded = mlflow.pyfunc.load_model(f"models:/{tracked['model_id']}")
    assert loaded.predict(ROWS).tolist() == [7]
    (run,) = runs_of(own)
    assert run.info.run_id == tracked["run_id"]
    assert run.data.params == {"batch_size": "8", "hidden_layer_sizes": "[16]"}
    assert run.data.metrics == {"score": -12.5, "test_score": -13, "memory_mb": 101.5}
    (model,) = models_of(own)
    assert {metric.key for metric in model.metrics} == set(run.data.metrics)
    assert model.status == "READY"
    assert own.client.search_registered_models() == []


def test_a_model_takes_the_place_of_the_one_before_with_its_artifacts(own, folder):
    track_model(own, EXPERIMENT, folder, register=False)
    second = track_model(own, EXPERIMENT, folder, register=False)
    assert [run.info.run_id for run in runs_of(own)] == [second["run_id"]]
    assert [model.model_id for model in models_of(own)] == [second["model_id"]]
    assert len(list(own.artifacts.rglob("MLmodel"))) == 1


def test_a_registered_model_stays_when_the_next_version_comes(own, folder):
    first = track_model(own, EXPERIMENT, folder, register=True)
    second = track_model(own, EXPERIMENT, folder, register=True)
    assert (first["name"], first["version"]) == ("flats-linear_regression", 1)
    assert (second["name"], second["version"]) == ("flats-linear_regression", 2)
    for version in (1, 2):
        loaded = mlflow.pyfunc.load_model(f"models:/flats-linear_regression/{version}")
        assert loaded.predict(ROWS).tolist() == [7]


def test_without_a_model_the_one_before_is_gone(own, folder):
    track_model(own, EXPERIMENT, folder, register=False)
    write_description(folder, {"model": False})
    assert track_model(own, EXPERIMENT, folder, register=True) == {}
    assert runs_of(own) == models_of(own) == []


def test_a_store_whose_artifacts_are_on_another_host_gets_none(tmp_path, folder):
    shared = open_store(f"sqlite:///{tmp_path}/shared.db", prefix="alice/")
    assert track_model(shared, EXPERIMENT, folder, register=True) is None
    assert shared.client.get_experiment_by_name(f"alice/{EXPERIMENT}") is None
