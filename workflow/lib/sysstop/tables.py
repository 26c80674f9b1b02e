"""The two tables that all analysis starts from: one row per trial, and one per trial and window.

Their schemas follow the registry of metrics and are checked whenever a table is written.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa

from sysstop.errors import UserError
from sysstop.metrics import METRICS, metric_names

STATUSES = ("completed", "stopped", "diverged", "failed")
STUDY_KEYS = ["dataset", "algorithm", "arm", "repetition"]
TRIAL_KEYS = [*STUDY_KEYS, "trial_id"]

_TEXT = {"nullable": False, "coerce": True}
_KEY_COLUMNS = {
    **{name: pa.Column(str, **_TEXT) for name in ("dataset", "algorithm", "arm")},
    "repetition": pa.Column(int, pa.Check.ge(1), coerce=True),
    "trial_id": pa.Column(str, **_TEXT),
}


def _metric_columns() -> dict[str, pa.Column]:
    return {
        name: pa.Column(
            float, pa.Check.ge(0) if name != "score" else None, nullable=True, coerce=True
        )
        for name in [*metric_names(), "memory_baseline_mb"]
    }


TRIALS_SCHEMA = pa.DataFrameSchema(
    {
        **_KEY_COLUMNS,
        "task": pa.Column(str, pa.Check.isin(["classification", "regression"]), **_TEXT),
        "mlflow_run_id": pa.Column(str, **_TEXT),
        "batch_size": pa.Column(int, pa.Check.ge(1), coerce=True),
        "learning_rate": pa.Column(float, pa.Check.gt(0), coerce=True),
        "alpha": pa.Column(float, pa.Check.ge(0), coerce=True),
        "status": pa.Column(str, pa.Check.isin(STATUSES), **_TEXT),
        "stop_reason": pa.Column(str, **_TEXT),
        "stop_metric": pa.Column(str, **_TEXT),
        "stop_limit": pa.Column(float, nullable=True, coerce=True),
        "stop_value": pa.Column(float, nullable=True, coerce=True),
        "candidate": pa.Column(bool, coerce=True),
        "host": pa.Column(str, **_TEXT),
        "steps_planned": pa.Column(int, pa.Check.ge(1), coerce=True),
        "steps_used": pa.Column(int, pa.Check.ge(0), coerce=True),
        **_metric_columns(),
    },
    strict=True,
    unique=TRIAL_KEYS,
    ordered=True,
)

WINDOWS_SCHEMA = pa.DataFrameSchema(
    {
        **_KEY_COLUMNS,
        "window": pa.Column(int, pa.Check.ge(1), coerce=True),
        "step": pa.Column(int, pa.Check.ge(1), coerce=True),
        **_metric_columns(),
    },
    strict=True,
    unique=[*TRIAL_KEYS, "window"],
    ordered=True,
)


def study_tables(
    trials: Iterable[Mapping[str, Any]],
    windows: Iterable[Mapping[str, Any]],
    stopped_is_candidate: bool,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Build a study's tables from the records that tracking holds.

    Each metric of a trial is made of its windows as the registry says. `candidate` tells whether the
    trial's model may be chosen as the best: it completed, or it was stopped by a rule after which the
    model is still good (`stopped_is_candidate`).
    """
    windows = pd.DataFrame(windows, columns=list(WINDOWS_SCHEMA.columns))
    windows = checked(windows.sort_values([*TRIAL_KEYS, "window"]), WINDOWS_SCHEMA)
    by_trial = windows.groupby("trial_id", sort=False)
    values = by_trial.agg({metric.name: metric.over_windows for metric in METRICS})
    values["memory_baseline_mb"] = by_trial["memory_baseline_mb"].first()
    values["steps_used"] = by_trial["step"].last()
    # groupby's "last" skips missing values, but a diverged trial's score is missing for good.
    final = by_trial.tail(1).set_index("trial_id")
    for metric in METRICS:
        if metric.over_windows == "last":
            values[metric.name] = final[metric.name]
    trials = pd.DataFrame(trials).join(values, on="trial_id")
    trials["steps_used"] = trials["steps_used"].fillna(0)
    trials["candidate"] = (trials["status"] == "completed") | (
        (trials["status"] == "stopped") & stopped_is_candidate
    )
    trials = trials[list(TRIALS_SCHEMA.columns)].sort_values(TRIAL_KEYS)
    return checked(trials, TRIALS_SCHEMA), windows


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


def train_loss_table(trials: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the training loss of every step: trial_id, step, train_loss (mean over folds).

    `trials` are journal entries, whose windows hold one loss for each of their steps.
    """
    rows = [
        (trial["trial_id"], step, loss)
        for trial in trials
        for step, loss in enumerate(
            (loss for window in trial["windows"] for loss in window["losses"]), start=1
        )
    ]
    return pd.DataFrame(rows, columns=["trial_id", "step", "train_loss"])


def environment_table(summaries: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per distinct environment that the studies' summaries name, and its studies."""
    table = pd.DataFrame([summary["environment"] for summary in summaries])
    table["load_before_max"] = [summary["load_before"] for summary in summaries]
    keys = [column for column in table.columns if column != "load_before_max"]
    grouped = table.groupby(keys, sort=True, dropna=False)
    return grouped.agg(
        studies=("load_before_max", "size"), load_before_max=("load_before_max", "max")
    ).reset_index()
