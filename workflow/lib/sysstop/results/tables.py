"""The two tables that all analysis starts from: one row per trial, and one per trial and window.

Their schemas follow the registry of metrics and are checked whenever a table is written.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as pya
import pyarrow.parquet as pq

from sysstop.results.core_share import core_share
from sysstop.results.journal import FinishedTrial
from sysstop.results.stability import FEW_READINGS, unstable_readings
from sysstop.results.trial_values import trial_rows, window_rows
from sysstop.run.errors import UserError
from sysstop.study.hyperparameters import BATCH_SIZE, Levels, value_text
from sysstop.study.keys import STUDY, TRIAL
from sysstop.study.metrics import METRICS
from sysstop.study.rules import RULES
from sysstop.study.status import Status
from sysstop.study.studies import Study

LOADS = ("load_before", "other_cpu_percent", "stolen_cpu_percent")

_TEXT = {"nullable": False, "coerce": True}
_KEY_COLUMNS = {
    **{name: pa.Column(str, **_TEXT) for name in ("dataset", "algorithm", "arm")},
    "repetition": pa.Column(int, pa.Check.ge(1), coerce=True),
    "trial_id": pa.Column(str, **_TEXT),
}
_TASK = {"task": pa.Column(str, pa.Check.isin(["classification", "regression"]), **_TEXT)}


def described_by(names: Iterable[str]) -> dict[str, pa.Column]:
    """Return the columns of these names that describe a study or a trial: keys and task."""
    columns = _KEY_COLUMNS | _TASK
    return {name: columns[name] for name in names}


def hyperparameter_columns(levels: Levels) -> dict[str, pa.Column]:
    """Return the columns of a study's hyperparameters: numbers, or texts where values are others.

    A column is empty where an algorithm has no such hyperparameter; each has a batch size.
    """
    return {
        name: pa.Column(int, pa.Check.ge(1), coerce=True)
        if name == BATCH_SIZE
        else pa.Column(float if texts is None else str, nullable=True, coerce=True)
        for name, texts in levels.items()
    }


def own_hyperparameters(of_pair: pd.DataFrame, levels: Levels) -> list[str]:
    """Return the hyperparameters that the algorithm has whose trials these are."""
    return [name for name in levels if of_pair[name].notna().any()]


def in_grid_order(trials: pd.DataFrame, levels: Levels) -> pd.DataFrame:
    """Return the table with numbers for values that are none: 0 for the first of the grid, and so on."""
    texts = {name: found for name, found in levels.items() if found is not None}
    return trials.assign(
        **{
            name: trials[name].map({text: place for place, text in enumerate(found)}).astype(float)
            for name, found in texts.items()
        }
    )


def _metric_columns() -> dict[str, pa.Column]:
    return {
        metric.name: pa.Column(
            float, None if metric.can_be_negative else pa.Check.ge(0), nullable=True, coerce=True
        )
        for metric in METRICS
    }


def trials_schema(levels: Levels) -> pa.DataFrameSchema:
    """Return the schema of the table of trials: a column for each hyperparameter and each metric."""
    return pa.DataFrameSchema(
        {
            **_KEY_COLUMNS,
            **_TASK,
            "limit": pa.Column(float, nullable=True, coerce=True),
            "mlflow_run_id": pa.Column(str, **_TEXT),
            **hyperparameter_columns(levels),
            "status": pa.Column(str, pa.Check.isin([*Status]), **_TEXT),
            "stop_reason": pa.Column(str, **_TEXT),
            "stop_metric": pa.Column(str, **_TEXT),
            "stop_limit": pa.Column(float, nullable=True, coerce=True),
            "stop_value": pa.Column(float, nullable=True, coerce=True),
            "candidate": pa.Column(bool, coerce=True),
            "host": pa.Column(str, **_TEXT),
            "core": pa.Column("Int64", pa.Check.ge(0), nullable=True, coerce=True),
            "core_share": pa.Column(str, **_TEXT),
            "steps_planned": pa.Column(int, pa.Check.ge(1), coerce=True),
            "steps_used": pa.Column(int, pa.Check.ge(0), coerce=True),
            **_metric_columns(),
            "step_time_unstable": pa.Column(str, **_TEXT),
        },
        strict=True,
        unique=TRIAL,
        ordered=True,
    )


def windows_schema() -> pa.DataFrameSchema:
    """Return the schema of the table of windows, with a column for each metric of the registry."""
    return pa.DataFrameSchema(
        {
            **_KEY_COLUMNS,
            "window": pa.Column(int, pa.Check.ge(1), coerce=True),
            "step": pa.Column(int, pa.Check.ge(1), coerce=True),
            **_metric_columns(),
        },
        strict=True,
        unique=[*TRIAL, "window"],
        ordered=True,
    )


def study_tables(
    study: Study,
    finished: Iterable[FinishedTrial],
    run_ids: Mapping[str, str],
    limit: float | None = None,
    *,
    task: str,
    levels: Levels,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Build a study's tables of trials and of windows.

    `run_ids` are the MLflow runs by trial id. Each metric of a trial is computed from its windows
    as the registry says. `candidate` is whether the trial's model may be chosen as the best: it
    completed, or it was stopped by a rule after which the model is still good. `limit` is what the
    arm's rule was given, in the metric's unit, also where it was a quantile; None for the baseline,
    and for several rules, which have one each. `levels` are the hyperparameters of all algorithms of
    the study, of which each has a column.
    """
    identity = {name: getattr(study, name) for name in STUDY}
    finished = list(finished)
    schema = windows_schema()
    windows = checked(
        window_rows(finished)
        .assign(**identity)[list(schema.columns)]
        .sort_values(["trial_id", "window"]),
        schema,
    )
    trials = trial_rows(finished, windows).assign(**identity, task=task, limit=limit)
    for name, texts in levels.items():
        if name not in trials:
            trials[name] = None
        elif texts is not None:
            trials[name] = trials[name].map(value_text)
    trials["core_share"] = [core_share(trial) for trial in finished]
    trials["mlflow_run_id"] = trials["trial_id"].map(run_ids)
    trials["stop_metric"] = trials["stop_metric"].fillna("")
    unstable = unstable_readings(windows).rename("step_time_unstable")
    trials = trials.join(unstable, on="trial_id")
    trials["step_time_unstable"] = trials["step_time_unstable"].fillna(FEW_READINGS)
    still_good = [name for name, rule in RULES.items() if rule.stopped_is_candidate]
    trials["candidate"] = (trials["status"] == Status.COMPLETED) | (
        (trials["status"] == Status.STOPPED) & trials["stop_reason"].isin(still_good)
    )
    schema = trials_schema(levels)
    return checked(trials[list(schema.columns)].sort_values("trial_id"), schema), windows


def checked(table: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Return the table in the schema's types; raise `UserError` where it does not fit."""
    try:
        return schema.validate(table.reset_index(drop=True), lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases[["column", "check", "failure_case"]].head(10)
        raise UserError(
            f"A table does not fit its schema, so it was not written:\n{cases.to_string(index=False)}"
        ) from errors


def concatenate(files: Iterable[Path], schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Return the rows of all parquet files in one checked table."""
    return checked(pd.concat([pd.read_parquet(file) for file in files]), schema)


@contextlib.contextmanager
def train_loss_file(file: Path) -> Iterator[Callable[[Study, Sequence[FinishedTrial]], None]]:
    """Create a table of the training loss of every step, mean over folds.

    Its columns are the study's, trial_id, step and train_loss. Yields a function that adds the
    trials of a study, so that only one study at a time is in memory.
    """
    words = pya.dictionary(pya.int32(), pya.string())
    types = dict.fromkeys(TRIAL, words) | {"repetition": pya.int32(), "step": pya.int32()}
    schema = pya.schema(types | {"train_loss": pya.float64()})

    def add(study: Study, trials: Sequence[FinishedTrial]) -> None:
        steps = [len(trial.losses) for trial in trials]
        codes = np.repeat(np.arange(len(trials), dtype=np.int32), steps)
        of_study = {
            name: pya.DictionaryArray.from_arrays(np.zeros_like(codes), [getattr(study, name)])
            for name in STUDY
            if name != "repetition"
        }
        columns = of_study | {
            "repetition": np.full(len(codes), study.repetition, np.int32),
            "trial_id": pya.DictionaryArray.from_arrays(
                codes, pya.array([trial.trial_id for trial in trials], pya.string())
            ),
            "step": np.concatenate([np.arange(1, count + 1, dtype=np.int32) for count in steps]),
            "train_loss": np.concatenate([trial.losses for trial in trials]),
        }
        writer.write_table(pya.table(columns, schema=schema))

    with pq.ParquetWriter(file, schema) as writer:
        yield add


def environment_table(summaries: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per distinct environment that the studies' summaries name.

    It counts the studies with trials measured there, counts those measured while the machine was
    busy, and gives the largest load of any (see `host_load`), which is known only for the host that
    ran a study's search.
    """
    rows = [
        environment | _load(summary, environment["host"])
        for summary in summaries
        for environment in summary["environments"]
    ]
    table = pd.DataFrame(rows)
    keys = [name for name in table.columns if name not in ("busy", *LOADS)]
    grouped = table.groupby(keys, sort=True, dropna=False)
    return grouped.agg(
        studies=("busy", "size"),
        busy_studies=("busy", "sum"),
        **{f"{name}_max": (name, "max") for name in LOADS},
    ).reset_index()


def _load(summary: Mapping[str, Any], host: str) -> dict[str, float | bool]:
    """Return what a study's summary says about a host's load."""
    if host != summary["host"]:
        return dict.fromkeys(LOADS, np.nan) | {"busy": False}
    loads = {name: summary.get(name, np.nan) for name in LOADS}
    return loads | {"busy": summary["machine_was_busy"]}
