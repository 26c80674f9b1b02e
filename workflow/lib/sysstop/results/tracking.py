"""Track trials in MLflow.

One experiment per data set and algorithm, one run per trial. The runs of a study are written after
its search, when nothing is being measured, and replace the study's earlier runs.
"""

import contextlib
import math
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric as MlflowMetric
from mlflow.entities import Param, Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from sysstop.results.journal import FinishedTrial
from sysstop.run.errors import UserError
from sysstop.study.hyperparameters import value_text
from sysstop.study.metrics import metric_names
from sysstop.study.status import Status
from sysstop.study.studies import Study

METRICS_PER_REQUEST = 800  # MLflow allows 1000 metrics, parameters and tags in all
RUNS_PER_PAGE = 1000
LONGEST_REASON = 300
TAGS = ("status", "stop_reason", "stop_metric", "host")
STOP_NUMBERS = ("stop_limit", "stop_value")


def open_store(uri: str | None) -> MlflowClient:
    """Connect to the tracking store, which is created or migrated if it is a fresh database.

    Without a `uri` it is the one named by `MLFLOW_TRACKING_URI`. Raises `UserError` when it cannot
    be reached.
    """
    uri = uri or os.environ["MLFLOW_TRACKING_URI"]
    with _as_user_errors(
        uri,
        "Use a database (sqlite:///path/to/mlflow.db, postgresql://...) or the address of a running "
        "tracking server (http://...), and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
        "if it asks for them.",
    ):
        mlflow.set_tracking_uri(uri)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


@contextlib.contextmanager
def _as_user_errors(uri: str, remedy: str) -> Iterator[None]:
    """Turn errors of MLflow into a `UserError` that names the store, without its password."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = str(error).strip().splitlines()[0][:LONGEST_REASON].rstrip(".")
        message = f"tracking.uri: MLflow cannot use {uri!r}: {reason}. {remedy}"
        message = re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", message)
        raise UserError(re.sub(r"(password=)[^&\s'\"]+", r"\1***", message)) from error


def experiment_name(study: Study, prefix: str = "") -> str:
    """Return the name of the experiment that a study's runs belong to."""
    return f"{prefix}{study.dataset}/{study.algorithm}"


def replace_runs(
    client: MlflowClient,
    study: Study,
    trials: Iterable[FinishedTrial],
    tags: Mapping[str, str],
    experiment_prefix: str = "",
) -> dict[str, str]:
    """Write one run per finished trial, after deleting the study's earlier runs.

    `tags` are added to each run; `experiment_prefix` keeps apart the runs of projects that share a
    store. System and quality metrics are written for every window, the others once, for the whole
    trial. Returns the runs' ids by trial id. Raises `UserError` when the store cannot be written.
    """
    with _as_user_errors(
        mlflow.get_tracking_uri(),
        "The study's trials are kept; check that nothing else locks the store and that a server "
        "runs, then run the same command again.",
    ):
        experiment_id = _experiment_id(client, experiment_name(study, experiment_prefix))
        for run in list(_runs(client, experiment_id, study)):
            client.delete_run(run.info.run_id)
        return {
            trial.trial_id: _write_run(client, experiment_id, study, trial, tags)
            for trial in trials
        }


def _experiment_id(client: MlflowClient, name: str) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment:
        return experiment.experiment_id
    try:
        return client.create_experiment(name)
    except MlflowException:
        # A study of another arm, on another machine, may have created it in the meantime.
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise
        return experiment.experiment_id


def _write_run(
    client: MlflowClient,
    experiment_id: str,
    study: Study,
    trial: FinishedTrial,
    tags: Mapping[str, str],
) -> str:
    row = trial.row
    run_tags = {
        "study": study.key,
        "arm": study.arm,
        "repetition": str(study.repetition),
        **{name: str(row[name] or "") for name in TAGS},
        **{name: "" if row[name] is None else repr(row[name]) for name in STOP_NUMBERS},
        **tags,
    }
    run_id = client.create_run(experiment_id, run_name=trial.trial_id, tags=run_tags).info.run_id
    given = {**trial.configuration.values, "steps_planned": trial.steps_planned}
    parameters = [Param(name, value_text(value)) for name, value in given.items()]
    metrics = _metrics(trial.windows)
    client.log_batch(run_id, params=parameters, metrics=metrics[:METRICS_PER_REQUEST])
    for start in range(METRICS_PER_REQUEST, len(metrics), METRICS_PER_REQUEST):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_REQUEST])
    failed = trial.end.status == Status.FAILED
    client.set_terminated(run_id, "FAILED" if failed else "FINISHED")
    return run_id


def _metrics(windows: Mapping[str, Sequence[float]]) -> list[MlflowMetric]:
    now_ms = int(time.time() * 1000)
    of_every_window = set(metric_names("system", "quality"))
    return [
        MlflowMetric(name, value, now_ms, step)
        for name in metric_names()
        for step, value in list(zip(windows["step"], windows[name], strict=True))[
            0 if name in of_every_window else -1 :
        ]
        if math.isfinite(value)
    ]


def _runs(client: MlflowClient, experiment_id: str, study: Study) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs(
            [experiment_id],
            filter_string=f"tags.study = '{study.key}'",
            max_results=RUNS_PER_PAGE,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return
