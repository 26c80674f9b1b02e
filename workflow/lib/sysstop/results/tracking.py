"""Studies in MLflow: written as runs, and read back bit for bit.

One experiment per data set and algorithm. A study is a run, whose children are its trials. A trial's
run has its hyperparameters as parameters, each metric at each window as a metric, and the rest as
tags: how it ended, its environment, and the training loss of every step, packed, because as metrics
these losses would be several times as many values as all the others.
"""

import base64
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag, Param, Run
from mlflow.entities import Metric as MlflowMetric

from sysstop.results.journal import FinishedTrial, window_columns
from sysstop.results.store import (
    Store,
    active_experiment,
    delete_runs,
    metric_values,
    run_pages,
    store_errors,
    usable_experiment,
)
from sysstop.run.errors import UserError
from sysstop.study.metrics import metric_names
from sysstop.study.status import Status
from sysstop.study.studies import Study

COMMIT = ("git_commit", "dirty")
STUDY_RUN, TRIAL_RUN = "study", "trial"
LOSSES = "step_losses_"
LOSS_BYTES_IN_TAG = 3744  # 4,992 characters; older servers take 5,000
LONGEST_DIGEST = 36  # of a data set, in MLflow
KEPT = (
    "The study's trials are kept; check that nothing else locks the store and that a server runs, then "
    "run the same command again."
)
UNCHANGED = "Nothing was changed there; run the same command again."


@dataclass(frozen=True)
class StoredStudy:
    """A study as the store holds it."""

    summary: Mapping[str, Any]
    """that of its search"""
    trials: Sequence[FinishedTrial]
    run_ids: Mapping[str, str]
    """the MLflow runs by trial id"""


def experiment_name(study: Study) -> str:
    """Return the name of the experiment that a study's runs belong to, without the store's prefix."""
    return f"{study.dataset}/{study.algorithm}"


def write_study(
    store: Store,
    study: Study,
    summary: Mapping[str, Any],
    trials: Iterable[FinishedTrial],
    *,
    digest: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a study as a run, and each of its trials as a child run, in place of its earlier runs.

    `summary` is that of the search, `provenance` that of the data set. A study whose runs have this
    `digest` already is left as it is, together with what people did to its runs. Raises `UserError`
    when the store cannot be written.
    """
    with store_errors(store.uri, KEPT):
        if digest and _study_run(store, study, f" and tags.digest = '{digest}'"):
            return
        experiment_id = usable_experiment(store, experiment_name(study))
        _delete_study(store, experiment_id, study)
        tags = {"study": study.key, "arm": study.arm, "repetition": str(study.repetition)}
        parent = store.client.create_run(
            experiment_id,
            run_name=f"{study.arm}, repetition {study.repetition}",
            tags=tags
            | {"kind": STUDY_RUN, "digest": digest}
            | {"mlflow.source.git.commit": summary.get("git_commit", "")},
        ).info.run_id
        store.client.log_batch(parent, params=_summary_parameters(summary))
        if provenance:
            store.client.log_inputs(parent, [_dataset(provenance)])
        for trial in trials:
            of_trial = {"kind": TRIAL_RUN, "mlflow.parentRunId": parent}
            _write_trial(store, experiment_id, trial, tags | of_trial)
        # Only now is the study complete.
        store.client.set_terminated(parent)


def _delete_study(store: Store, experiment_id: str, study: Study) -> None:
    """Delete a study's earlier runs; its own first, without which the others count for nothing."""
    for kind in (f" and tags.kind = '{STUDY_RUN}'", ""):
        where = f"tags.study = '{study.key}'{kind}"
        delete_runs(store, experiment_id, where, for_good=store.is_own)


def _dataset(provenance: Mapping[str, Any]) -> DatasetInput:
    """Return a data set as MLflow describes one."""
    described = Dataset(
        name=provenance["dataset"],
        digest=str(provenance["sha256"] or provenance["rows"])[:LONGEST_DIGEST],
        source_type=provenance["source"],
        source=json.dumps({"uri": provenance["address"]}),
        profile=json.dumps(
            {"num_rows": provenance["rows"], "num_features": len(provenance["columns"]) - 1}
        ),
    )
    return DatasetInput(described, [InputTag("mlflow.data.context", "training")])


def _write_trial(
    store: Store, experiment_id: str, trial: FinishedTrial, tags: Mapping[str, str]
) -> None:
    row = trial.row
    columns = {
        name: _as_text(value)
        for name, value in row.items()
        if name != "steps_planned" and value is not None
    }
    steps = trial.windows["step"]
    run_id = store.client.create_run(
        experiment_id,
        run_name=trial.trial_id,
        tags=columns
        | {"environment": json.dumps(trial.environment), "windows": str(len(steps))}
        | _packed(np.asarray(trial.losses, float))
        | tags,
    ).info.run_id
    now_ms = int(time.time() * 1000)
    metrics = [
        MlflowMetric(name, value, now_ms, step)
        for name in metric_names()
        for step, value in zip(steps, trial.windows[name], strict=True)
    ]
    given = {**trial.configuration.values, "steps_planned": trial.steps_planned}
    parameters = [Param(name, _as_text(value)) for name, value in given.items()]
    store.client.log_batch(run_id, params=parameters, metrics=metrics)
    failed = trial.end.status == Status.FAILED
    store.client.set_terminated(run_id, "FAILED" if failed else "FINISHED")


def _packed(losses: np.ndarray) -> dict[str, str]:
    """Return tags that hold the bytes of numbers, as little-endian doubles in base64."""
    content = losses.astype("<f8").tobytes()
    starts = range(0, len(content), LOSS_BYTES_IN_TAG)
    return {
        f"{LOSSES}{number}": base64.b64encode(content[start : start + LOSS_BYTES_IN_TAG]).decode()
        for number, start in enumerate(starts, 1)
    }


def _unpacked(tags: Mapping[str, str]) -> np.ndarray:
    parts, number = [], 1
    while (part := tags.get(f"{LOSSES}{number}")) is not None:
        parts.append(base64.b64decode(part))
        number += 1
    return np.frombuffer(b"".join(parts), "<f8")


def _as_text(value: Any) -> str:
    """Return a value as JSON; a string as it is, unless that would be read as something else."""
    if isinstance(value, str) and _from_text(value) == value:
        return value
    return json.dumps(value)


def _from_text(text: str) -> Any:
    """Return the value that `_as_text` wrote."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _summary_parameters(summary: Mapping[str, Any]) -> list[Param]:
    kept = {name: value for name, value in summary.items() if name not in ("study", "environments")}
    return [Param(name, _as_text(value)) for name, value in kept.items()]


def read_study(store: Store, study: Study) -> StoredStudy:
    """Return a study from its runs.

    Raises `UserError` when the store cannot be read or does not hold the runs of the whole study.
    """
    with store_errors(store.uri, UNCHANGED):
        parent = _study_run(store, study)
        if not parent:
            raise missing_error(store, [study])
        summary = {name: _from_text(value) for name, value in parent.data.params.items()}
        where = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
        found = {
            run.info.run_id: trial
            for page in run_pages(store, parent.info.experiment_id, where)
            for run, trial in zip(page, _read_trials(store, page), strict=True)
        }
    commit = {name: summary[name] for name in COMMIT if name in summary}
    environments = {json.dumps(trial.environment): trial.environment for trial in found.values()}
    return StoredStudy(
        summary
        | {"study": asdict(study)}
        | {"environments": [known | commit for known in environments.values() if known]},
        list(found.values()),
        {trial.trial_id: run_id for run_id, trial in found.items()},
    )


def _study_run(store: Store, study: Study, also: str = "") -> Run | None:
    """Return the latest run of a whole study that also meets a condition."""
    experiment = active_experiment(store, experiment_name(study))
    if not experiment:
        return None
    where = (
        f"tags.study = '{study.key}' and tags.kind = '{STUDY_RUN}' "
        f"and attributes.status = 'FINISHED'{also}"
    )
    return next(chain.from_iterable(run_pages(store, experiment.experiment_id, where)), None)


def _read_trials(store: Store, runs: Sequence[Run]) -> Iterator[FinishedTrial]:
    """Yield the trials of these runs, whose metrics are read together."""
    counts = {run.info.run_id: int(run.data.tags["windows"]) for run in runs}
    values: dict[str, dict[str, list[float]]] = {run_id: {} for run_id in counts}
    for name in metric_names():
        for run_id, step, value in metric_values(store, counts, name):
            values[run_id].setdefault(name, []).append(value)
            values[run_id].setdefault(f"steps of {name}", []).append(step)
    for run in runs:
        texts = run.data.tags | run.data.params
        row = {key: _from_text(text) for key, text in texts.items() if not key.startswith(LOSSES)}
        windows = _windows(run, counts[run.info.run_id], values[run.info.run_id])
        yield FinishedTrial.from_row(row, row["environment"], windows, _unpacked(run.data.tags))


def _windows(
    run: Run, count: int, values: Mapping[str, Sequence[float]]
) -> dict[str, Sequence[float]]:
    """Return the values in each window by `window_columns`; a metric that no run has is missing."""
    missing = np.full(count, np.nan)
    windows = {name: values.get(name, missing) for name in window_columns()}
    steps = next((values[f"steps of {name}"] for name in metric_names() if name in values), [])
    windows["step"] = steps
    wrong = [name for name, found in windows.items() if len(found) != count]
    if wrong:
        raise UserError(
            f"The run {run.info.run_id} in MLflow, trial {run.info.run_name} of study "
            f"{run.data.tags['study']}, has {len(windows[wrong[0]])} values of {wrong[0]} for its "
            f"{count} windows. Export the study again where it was searched: "
            "`snakemake --forcerun export`; or delete the run in MLflow's page."
        )
    return windows


def missing_studies(store: Store, studies: Iterable[Study]) -> list[Study]:
    """Return the studies of which the store does not hold the runs of the whole study."""
    with store_errors(store.uri, UNCHANGED):
        return [study for study in studies if not _study_run(store, study)]


def missing_error(store: Store, missing: Iterable[Study]) -> UserError:
    """Return what to tell somebody who wants tables of studies that MLflow does not hold."""
    names = "".join(f"\n  - {store.prefix}{study.key}" for study in missing)
    return UserError(
        f"tracking.import: the store {store.uri!r} does not hold the runs of these studies (data set, "
        f"algorithm, arm, repetition), or not all of them:{names}\nRun them with the same config and "
        "tracking.uri, but without tracking.import, here or on another machine. Or leave them out of "
        "study.datasets, algorithms, arms or repetitions; or correct tracking.uri or "
        "tracking.experiment_prefix."
    )
