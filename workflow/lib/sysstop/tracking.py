"""Track trials in MLflow and read them back.

One experiment per data set and algorithm, one run per trial. The runs of a study are written after
its search, when nothing is being measured, and replace the study's earlier runs.
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric as MlflowMetric
from mlflow.entities import Param, Run
from mlflow.exceptions import MlflowException

from sysstop.errors import UserError
from sysstop.metrics import metric_names
from sysstop.studies import Study

METRICS_PER_REQUEST = 1000  # MLflow's own limit
RUNS_PER_PAGE = 1000
WINDOW_METRICS = [*metric_names(), "memory_baseline_mb"]
STOP_NUMBERS = ("stop_limit", "stop_value")


def open_store(uri: str) -> MlflowClient:
    """Connect to the tracking store, which is created or migrated if it is a fresh database.

    Raises `UserError` when it cannot be reached.
    """
    try:
        mlflow.set_tracking_uri(uri)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except (MlflowException, OSError) as error:
        raise UserError(
            f"tracking.uri: MLflow cannot use {uri!r}: {str(error).strip().splitlines()[0]} Use a database "
            "(sqlite:///path/to/mlflow.db, postgresql://...) or the address of a running tracking "
            "server (http://...)."
        ) from error
    return client


def experiment_name(study: Study) -> str:
    """Return the name of the experiment that a study's runs belong to."""
    return f"{study.dataset}/{study.algorithm}"


def replace_runs(
    client: MlflowClient, study: Study, trials: Iterable[Mapping[str, Any]], tags: Mapping[str, str]
) -> str:
    """Write one run per finished trial, then delete the study's earlier runs.

    `trials` are the journal's entries; `tags` are added to each run. Returns the experiment's id.
    """
    experiment_id = _experiment_id(client, experiment_name(study))
    for run in list(_runs(client, experiment_id, study)):
        client.delete_run(run.info.run_id)
    for trial in trials:
        _write_run(client, experiment_id, study, trial, tags)
    return experiment_id


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
    trial: Mapping[str, Any],
    tags: Mapping[str, str],
) -> None:
    run_tags = {
        "study": study.key,
        "arm": study.arm,
        "repetition": str(study.repetition),
        "status": trial["status"],
        "stop_reason": trial["stop_reason"],
        "stop_metric": trial["stop_metric"] or "",
        **{name: "" if trial[name] is None else repr(trial[name]) for name in STOP_NUMBERS},
        "host": trial["host"] or "",
        **tags,
    }
    parameters = {
        name: repr(trial[name])
        for name in ("batch_size", "learning_rate", "alpha", "steps_planned")
    }
    run_id = client.create_run(experiment_id, run_name=trial["trial_id"], tags=run_tags).info.run_id
    client.log_batch(run_id, params=[Param(*item) for item in parameters.items()])
    now_ms = int(time.time() * 1000)
    metrics = [
        MlflowMetric(name, window[name], now_ms, window["step"])
        for window in trial["windows"]
        for name in WINDOW_METRICS
        if math.isfinite(window[name])
    ]
    for start in range(0, len(metrics), METRICS_PER_REQUEST):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_REQUEST])
    client.set_terminated(run_id, "FAILED" if trial["status"] == "failed" else "FINISHED")


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


def read_runs(client: MlflowClient, study: Study) -> tuple[list[dict], list[dict]]:
    """Read a study's runs: a record per trial (parameters and tags) and one per trial and window.

    Metrics that were not finite are NaN. Raises `UserError` when the study has no runs.
    """
    experiment = client.get_experiment_by_name(experiment_name(study))
    runs = list(_runs(client, experiment.experiment_id, study)) if experiment else []
    if not runs:
        raise UserError(
            f"The tracking store holds no run of the study '{study.key}'. If the store was emptied or "
            "moved, run the search again: "
            f"snakemake --cores 8 --forcerun search results/studies/{study.key}/trials.parquet"
        )
    trials, windows = [], []
    for run in runs:
        tags, params = run.data.tags, run.data.params
        identity = {
            "dataset": study.dataset,
            "algorithm": study.algorithm,
            "arm": study.arm,
            "repetition": study.repetition,
            "trial_id": run.info.run_name,
        }
        trials.append(
            identity
            | {
                "task": study.task,
                "mlflow_run_id": run.info.run_id,
                "batch_size": int(params["batch_size"]),
                "learning_rate": float(params["learning_rate"]),
                "alpha": float(params["alpha"]),
                "steps_planned": int(params["steps_planned"]),
                **{name: tags[name] for name in ("status", "stop_reason", "stop_metric", "host")},
                **{name: float(tags[name]) if tags[name] else math.nan for name in STOP_NUMBERS},
            }
        )
        windows += [identity | window for window in _read_windows(client, run)]
    return trials, windows


def _read_windows(client: MlflowClient, run: Run) -> Sequence[dict]:
    metrics = {
        (metric.step, name): metric.value
        for name in run.data.metrics
        for metric in client.get_metric_history(run.info.run_id, name)
    }
    if not metrics:
        return []
    table = pd.Series(metrics).unstack().sort_index().reindex(columns=WINDOW_METRICS)
    return [
        {"window": number, "step": step, **values}
        for number, (step, values) in enumerate(table.to_dict(orient="index").items(), start=1)
    ]
