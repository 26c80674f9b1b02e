"""A recommended model in MLflow: logged with a run of its own, and registered if that is wanted."""

import re
import time
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Metric, Param

from sysstop.results.model_description import read_description
from sysstop.results.store import (
    Store,
    delete_logged_model,
    delete_runs,
    run_pages,
    store_errors,
    takes_artifacts,
    usable_experiment,
)

MODEL_RUN = "model"
REMEDY = (
    "The model is in results/models; check that the store keeps artifacts, then run the same command "
    "again."
)


def track_model(
    store: Store, experiment: str, folder: Path, *, register: bool
) -> dict[str, Any] | None:
    """Log the model in a folder in MLflow, in place of those before that nobody registered.

    The hyperparameters that its model.json names become parameters of a run, its scores and system metrics
    the run's metrics. Returns the ids of run and model and, if it was to be
    registered, its name and version: nothing if there is no model, None if artifacts would not reach the
    store. Raises `UserError` when the store cannot be written.
    """
    description = read_description(folder)
    with store_errors(store.uri, REMEDY):
        if not takes_artifacts(store):
            return None
        experiment_id = usable_experiment(store, experiment)
        _delete_unregistered(store, experiment_id)
        if not description["model"]:
            return {}
        run = store.client.create_run(
            experiment_id, run_name="recommended model", tags={"kind": MODEL_RUN}
        )
        run_id = run.info.run_id
        hyperparameters = {k: str(v) for k, v in description["hyperparameters"].items()}
        model = store.client.create_logged_model(
            experiment_id,
            name="recommended",
            source_run_id=run_id,
            tags={"kind": MODEL_RUN},
            params=hyperparameters,
        )
        store.client.log_model_artifacts(model.model_id, str(folder))
        store.client.finalize_logged_model(model.model_id, "READY")
        store.client.log_batch(
            run_id,
            params=[Param(name, value) for name, value in hyperparameters.items()],
            metrics=_metrics(description, model.model_id),
        )
        store.client.set_terminated(run_id)
        tracked = {"run_id": run_id, "model_id": model.model_id}
        if register:
            version = mlflow.register_model(
                f"models:/{model.model_id}", registered_name(store, experiment)
            )
            tracked |= {"name": version.name, "version": int(version.version)}
    return tracked


def registered_name(store: Store, experiment: str) -> str:
    """Return the name under which an experiment's model is registered, where / and : are not allowed."""
    return re.sub("[/:]", "-", f"{store.prefix}{experiment}")


def _delete_unregistered(store: Store, experiment_id: str) -> None:
    """Delete the runs of earlier models, with these, unless somebody registered the model."""
    where = f"tags.kind = '{MODEL_RUN}'"
    models = store.client.search_logged_models([experiment_id], where)
    for run in chain.from_iterable(run_pages(store, experiment_id, where)):
        run_id = run.info.run_id
        if store.client.search_model_versions(f"run_id = '{run_id}'"):
            continue
        for model in models:
            if model.source_run_id == run_id:
                delete_logged_model(store, model)
        where_run = f"attributes.run_id = '{run_id}'"
        delete_runs(store, experiment_id, where_run, for_good=store.is_own)


def _metrics(description: Mapping[str, Any], model_id: str) -> list[Metric]:
    now_ms = int(time.time() * 1000)
    values = {
        **{f"test_{name}": value for name, value in description["scores"]["test"].items()},
        **description["scores"]["validation"],
        **description["system_metrics"],
    }
    return [
        Metric(name, value, now_ms, 0, model_id=model_id)
        for name, value in values.items()
        if value is not None
    ]
