"""RQ2: how early a trial's final training time, memory and step time can be predicted.

The registry says how each metric is predicted: it is extrapolated to the planned steps by
`predicted_train_time`, or its value so far is kept.
"""

import numpy as np
import pandas as pd
import pandera.pandas as pa

from sysstop.analysis.recording import TRAIN_TIME, Recording, at_window, recordings, replay_stops
from sysstop.results.tables import checked, described_by
from sysstop.study.keys import PAIR, REPLICATE
from sysstop.study.metrics import METRIC_BY_NAME, predicted_metrics
from sysstop.study.rules import (
    MetricLimit,
    PredictedTrainTime,
    effective_signals,
    predicted_train_time,
    value_so_far,
)

WINDOWS_SEEN = (1, 2, 4, 8)
UPPER_QUANTILE = 0.9
LIMIT_QUANTILES = (0.25, 0.5, 0.75, 0.9)

_SHARE = pa.Column(float, pa.Check.ge(0), coerce=True)


def prediction_schema() -> pa.DataFrameSchema:
    """Return the schema of `prediction_table`."""
    return pa.DataFrameSchema(
        {
            **described_by(PAIR),
            "metric": pa.Column(str, pa.Check.isin(predicted_metrics()), coerce=True),
            "windows_seen": pa.Column(int, pa.Check.isin(WINDOWS_SEEN), coerce=True),
            "trials": pa.Column(int, pa.Check.ge(1), coerce=True),
            "median_error": _SHARE,
            "error_90": _SHARE,
        },
        strict=True,
        unique=[*PAIR, "metric", "windows_seen"],
        ordered=True,
    )


PREDICTION_SAVING_SCHEMA = pa.DataFrameSchema(
    {
        **described_by(REPLICATE),
        "limit_quantile": pa.Column(float, pa.Check.in_range(0, 1), coerce=True),
        "limit": pa.Column(float, coerce=True),
        "saved_on_value": _SHARE,
        "saved_on_prediction": _SHARE,
        "within_limit": pa.Column(int, pa.Check.ge(0), coerce=True),
        "wrongly_stopped": pa.Column(int, pa.Check.ge(0), coerce=True),
    },
    strict=True,
    unique=[*REPLICATE, "limit_quantile"],
    ordered=True,
)


def prediction_table(trials: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """Return how far predictions after a few windows miss the final value (`prediction_schema`).

    Over the completed baseline trials of all repetitions that had more windows than were seen;
    `median_error` and `error_90` are the median and the 90 % quantile of |predicted / final - 1|.
    """
    errors, schema = [], prediction_schema()
    for keys, recording in recordings(trials, windows):
        for metric in predicted_metrics():
            predicted, final = _predictions(recording, metric)
            for seen in WINDOWS_SEEN:
                usable = recording.completed & (recording.windows > seen)
                if usable.any():
                    error = np.abs(predicted[usable, seen - 1] / final[usable] - 1)
                    row = {**keys, "metric": metric, "windows_seen": seen, "error": error}
                    errors.append(pd.DataFrame(row))
    if not errors:
        return checked(pd.DataFrame(columns=list(schema.columns)), schema)
    by_point = (
        pd.concat(errors).dropna(subset="error").groupby([*PAIR, "metric", "windows_seen"])["error"]
    )
    table = by_point.agg(
        trials="size",
        median_error="median",
        error_90=lambda values: values.quantile(UPPER_QUANTILE),
    )
    return checked(table.reset_index(), schema)


def prediction_saving_table(trials: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """Return what stopping on the predicted training time saves beyond stopping on the time itself.

    One row per baseline study and limit; limits are quantiles of its completed trials' steady
    training time. `saved_on_value` and `saved_on_prediction` are shares of the baseline's.
    `within_limit` counts the completed trials whose time is within the limit, `wrongly_stopped`
    those of them that the prediction stops.
    """
    rows = []
    for keys, recording in recordings(trials, windows):
        time_s = recording.after(TRAIN_TIME, recording.windows)
        if not recording.completed.any():
            continue
        for quantile in LIMIT_QUANTILES:
            limit = float(np.quantile(time_s[recording.completed], quantile))
            saved, stopped = {}, {}
            for rule in (MetricLimit(TRAIN_TIME, limit), PredictedTrainTime(limit, TRAIN_TIME)):
                signals = effective_signals(rule, recording.curves, recording.steps_planned)
                stops = replay_stops(signals, recording, limit)
                saved[rule.name] = recording.saved_time_fraction(stops.windows_used)
                stopped[rule.name] = stops.stopped
            within = recording.completed & (time_s <= limit)
            wrong = stopped[PredictedTrainTime.name] & within
            rows.append(
                {
                    **keys,
                    "limit_quantile": quantile,
                    "limit": limit,
                    "saved_on_value": saved[MetricLimit.name],
                    "saved_on_prediction": saved[PredictedTrainTime.name],
                    "within_limit": int(within.sum()),
                    "wrongly_stopped": int(wrong.sum()),
                }
            )
    table = pd.DataFrame(rows, columns=list(PREDICTION_SAVING_SCHEMA.columns))
    return checked(table, PREDICTION_SAVING_SCHEMA)


def _predictions(recording: Recording, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictions after each window (trials x windows) and the final values (trials)."""
    so_far = predicted = value_so_far(metric, recording.curves)
    if METRIC_BY_NAME[metric].prediction == "extrapolated":
        predicted = predicted_train_time(recording.curves["step"], so_far, recording.steps_planned)
    return predicted, at_window(so_far, recording.windows)
