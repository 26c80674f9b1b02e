"""The MLflow store: how it is reached, its experiments, its runs in bulk, and what is deleted there."""

import contextlib
import json
import logging
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Experiment, LoggedModel, Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import http_request, verify_rest_response
from sqlalchemy.exc import SQLAlchemyError

from sysstop.run.errors import UserError
from sysstop.study.metrics import steady_system_metrics

LONGEST_REASON = 300
# What servers take in one request: an address of 4,094 bytes, an answer of 25,000 values.
RUNS_AT_ONCE, VALUES_AT_ONCE = 90, 25_000
BULK_HISTORY = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
# MLflow's databases keep an infinity as the largest number.
LARGEST = sys.float_info.max
SHOWN_TAGS = ("status", "stop_reason")
# That a fresh database gets its tables is no news to those who wait for a run.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)


def experiment_tags() -> dict[str, str]:
    """Return what makes MLflow's page fit the experiments.

    It opens with runs and charts instead of traces of agents (MLflow 3.17 goes by a switch of its
    reader's, or by `?workflowType=machine_learning` in the address), compares runs by their score, and
    offers a view under "Views" with the columns that matter here. The form of a view is that of the
    page of MLflow 3.17; a page that knows another offers none.
    """
    columns = [f"metrics.`{name}`" for name in ("score", *steady_system_metrics())]
    columns += [f"tags.`{name}`" for name in SHOWN_TAGS]
    view = {
        "name": "Scores and costs",
        "createdAt": 0,
        "state": json.dumps({"selectedColumns": columns}),
    }
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": "score",
        "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
        "mlflow.sharedViewState.sysstop": json.dumps(view),
    }


@dataclass(frozen=True)
class Store:
    """A tracking store and the project's place in it."""

    client: MlflowClient
    uri: str
    prefix: str = ""
    """of the names of experiments; it keeps apart projects that share a store"""
    artifacts: Path | None = None
    """where a store of our own keeps artifacts; None for a store that others may use as well"""

    @property
    def is_own(self) -> bool:
        """Whether nobody else uses the store, so that what was replaced is deleted for good."""
        return self.artifacts is not None


@contextlib.contextmanager
def store_errors(uri: str, remedy: str) -> Iterator[None]:
    """Turn errors of MLflow into a `UserError` that names the store, without its password."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = str(error).strip().splitlines()[0][:LONGEST_REASON].rstrip(".")
        message = f"tracking.uri: MLflow cannot use {uri!r}: {reason}. {remedy}"
        message = re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", message)
        message = re.sub(r"(password=)[^&\s'\"]+", r"\1***", message)
        raise UserError(message) from error


def open_store(uri: str | None, prefix: str = "", artifacts: Path | None = None) -> Store:
    """Connect to the tracking store, which is created or migrated if it is a fresh database.

    Without a `uri` it is the one named by `MLFLOW_TRACKING_URI`. For the others see `Store`. Raises
    `UserError` when it cannot be reached.
    """
    uri = uri or os.environ["MLFLOW_TRACKING_URI"]
    with store_errors(
        uri,
        "Use a database (sqlite:///path/to/mlflow.db, postgresql://...) or the address of a running "
        "tracking server (http://...), and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
        "if it asks for them.",
    ):
        mlflow.set_tracking_uri(uri)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return Store(client, uri, prefix, artifacts)


def takes_artifacts(store: Store) -> bool:
    """Return whether artifacts reach the store, by its latest experiment.

    They do not where others use it and it keeps them in a folder of its own host.
    """
    if store.is_own:
        return True
    (experiment, *_) = store.client.search_experiments(max_results=1)
    return urlsplit(experiment.artifact_location).scheme not in ("", "file")


def active_experiment(store: Store, name: str) -> Experiment | None:
    """Return the experiment of this name, below the store's prefix, unless it was deleted."""
    experiment = store.client.get_experiment_by_name(f"{store.prefix}{name}")
    return experiment if experiment and experiment.lifecycle_stage == "active" else None


def usable_experiment(store: Store, name: str) -> str:
    """Return the id of the experiment of this name, which is created or restored if need be.

    Somebody may have deleted it in MLflow's page, which keeps its name occupied. MLflow restores it
    with all its runs; ours are deleted again.
    """
    found = store.client.get_experiment_by_name(f"{store.prefix}{name}")
    if found is None:
        try:
            found = _created_experiment(store, name)
        except MlflowException:
            # Another job, or another machine, may have created it in the meantime.
            found = store.client.get_experiment_by_name(f"{store.prefix}{name}")
            if found is None:
                raise
    elif found.lifecycle_stage != "active":
        store.client.restore_experiment(found.experiment_id)
        delete_runs(store, found.experiment_id, "tags.study LIKE '%'", for_good=False)
    for key, value in experiment_tags().items():
        if key not in found.tags:
            store.client.set_experiment_tag(found.experiment_id, key, value)
    return found.experiment_id


def _created_experiment(store: Store, name: str) -> Experiment:
    folder = store.artifacts and (store.artifacts / name).absolute().as_uri()
    created = store.client.create_experiment(f"{store.prefix}{name}", folder, experiment_tags())
    return store.client.get_experiment(created)


def run_pages(store: Store, experiment_id: str, where: str) -> Iterator[list[Run]]:
    """Yield the runs of an experiment that a filter finds, the latest first, some at a time."""
    token = None
    while True:
        page = store.client.search_runs(
            [experiment_id], where, max_results=RUNS_AT_ONCE, page_token=token
        )
        yield list(page)
        token = page.token
        if not token:
            return


def delete_runs(store: Store, experiment_id: str, where: str, *, for_good: bool) -> None:
    """Delete the runs that a filter finds: for good, or so that MLflow's page can restore them.

    Those deleted before are deleted for good as well. `mlflow gc` would also delete every deleted
    experiment, whoever deleted it; this does to these runs what it does, and nothing else. Only a
    database can do that.
    """
    view = ViewType.ALL if for_good else ViewType.ACTIVE_ONLY
    while runs := store.client.search_runs([experiment_id], where, view, RUNS_AT_ONCE):
        for run in runs:
            if run.info.lifecycle_stage == "active":
                store.client.delete_run(run.info.run_id)
            if for_good:
                get_artifact_repository(run.info.artifact_uri).delete_artifacts()
                _tracking_store(store)._hard_delete_run(run.info.run_id)


def delete_logged_model(store: Store, model: LoggedModel) -> None:
    """Delete a model: for good where nobody else uses the store, else so that it is out of sight."""
    store.client.delete_logged_model(model.model_id)
    if store.is_own:
        get_artifact_repository(model.artifact_location).delete_artifacts()
        _tracking_store(store)._hard_delete_logged_model(model.model_id)


def metric_values(
    store: Store, windows: Mapping[str, int], name: str
) -> Iterator[tuple[str, int, float]]:
    """Yield run id, step and value of a metric in these runs, in the order of runs and steps.

    `windows` says how many values each run has. `MlflowClient` has no call for several runs, but
    what it works on has.
    """
    tracking_store = _tracking_store(store)
    for run_ids in _batches(windows):
        if windows[run_ids[0]] > VALUES_AT_ONCE:
            (run_id,) = run_ids
            history = store.client.get_metric_history(run_id, name)
            found = [(run_id, metric.step, metric.value) for metric in history]
        elif isinstance(tracking_store, RestStore):
            response = http_request(
                tracking_store.get_host_creds(),
                BULK_HISTORY,
                "GET",
                params={"run_id": run_ids, "metric_key": name, "max_results": VALUES_AT_ONCE},
            )
            answer = verify_rest_response(response, BULK_HISTORY).json()
            found = [
                (value["run_id"], value["step"], value["value"]) for value in answer["metrics"]
            ]
        else:
            history = tracking_store.get_metric_history_bulk(run_ids, name, VALUES_AT_ONCE)
            found = [(metric.run_id, metric.step, metric.value) for metric in history]
        for run_id, step, value in found:
            infinite = abs(value) >= LARGEST
            yield run_id, step, math.copysign(math.inf, value) if infinite else value


def _batches(windows: Mapping[str, int]) -> Iterator[Sequence[str]]:
    """Yield ids of runs that one request can read: a run too long for any is alone."""
    batch: list[str] = []
    for run_id, count in windows.items():
        if batch and (
            len(batch) == RUNS_AT_ONCE
            or sum(windows[run] for run in batch) + count > VALUES_AT_ONCE
        ):
            yield batch
            batch = []
        batch.append(run_id)
    if batch:
        yield batch


def _tracking_store(store: Store) -> Any:
    """Return what the client works on: a database, or the address of a server."""
    return store.client._tracking_client.store
