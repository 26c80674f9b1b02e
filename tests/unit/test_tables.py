import math

import pandas as pd
import pytest

from sysstop.errors import UserError
from sysstop.metrics import METRICS
from sysstop.tables import (
    TRIALS_SCHEMA,
    WINDOWS_SCHEMA,
    checked,
    concatenate,
    environment_table,
    study_tables,
    train_loss_table,
)

IDENTITY = {"dataset": "d", "algorithm": "a", "arm": "memory", "repetition": 1}


def trial(trial_id, status="completed"):
    return IDENTITY | {
        "trial_id": trial_id,
        "task": "classification",
        "mlflow_run_id": "run",
        "batch_size": 2,
        "learning_rate": 0.1,
        "alpha": 0.1,
        "steps_planned": 300,
        "status": status,
        "stop_reason": "budget",
        "stop_metric": "",
        "stop_limit": math.nan,
        "stop_value": math.nan,
        "host": "node1",
    }


def window(trial_id, number, value, **values):
    metrics = {metric.name: value for metric in METRICS} | {"memory_baseline_mb": 50.0}
    return (
        IDENTITY | {"trial_id": trial_id, "window": number, "step": 100 * number} | metrics | values
    )


def tables(*, status="completed", stopped_is_candidate=False, last_score=4.0):
    windows = [window("t", 1, 2.0), window("t", 2, 4.0, score=last_score)]
    return study_tables([trial("t", status)], windows, stopped_is_candidate)


def test_a_trials_metrics_are_made_of_its_windows_as_the_registry_says():
    row = tables()[0].iloc[0]
    assert (row["step_time_ms"], row["memory_peak_mb"], row["train_time_s"]) == (3.0, 4.0, 4.0)
    assert row["steps_used"] == 200


def test_a_score_that_is_missing_in_the_end_is_missing():
    assert math.isnan(tables(status="diverged", last_score=math.nan)[0]["score"].item())


@pytest.mark.parametrize(
    ("status", "stopped_is_candidate", "candidate"),
    [
        ("completed", False, True),
        ("stopped", False, False),
        ("stopped", True, True),
        ("diverged", True, False),
        ("failed", True, False),
    ],
)
def test_a_model_may_win_unless_its_trial_broke_a_limit_or_failed(
    status, stopped_is_candidate, candidate
):
    table, _ = tables(status=status, stopped_is_candidate=stopped_is_candidate)
    assert table["candidate"].item() == candidate


def test_a_table_that_does_not_fit_its_schema_is_refused_with_the_column():
    table, _ = tables()
    with pytest.raises(UserError, match="status"):
        checked(table.assign(status="paused"), TRIALS_SCHEMA)
    with pytest.raises(UserError, match="memory_mb"):
        checked(table.assign(memory_mb=-1.0), TRIALS_SCHEMA)


def test_the_same_trial_twice_is_refused(tmp_path):
    tables()[1].to_parquet(tmp_path / "windows.parquet")
    file = tmp_path / "windows.parquet"
    assert len(concatenate([file], WINDOWS_SCHEMA)) == 2
    with pytest.raises(UserError):
        concatenate([file, file], WINDOWS_SCHEMA)


def test_the_training_loss_of_every_step_is_kept():
    trials = [{"trial_id": "t", "windows": [{"losses": [3.0, 2.0]}, {"losses": [1.0]}]}]
    table = train_loss_table(trials)
    assert list(table["step"]) == [1, 2, 3]
    assert list(table["train_loss"]) == [3.0, 2.0, 1.0]


def test_studies_of_one_environment_share_a_row():
    summaries = [
        {"environment": {"host": host}, "load_before": load}
        for host, load in (("a", 0.1), ("a", 0.7), ("b", 0.2))
    ]
    table = environment_table(summaries)
    expected = {"host": ["a", "b"], "studies": [2, 1], "load_before_max": [0.7, 0.2]}
    pd.testing.assert_frame_equal(table, pd.DataFrame(expected), check_dtype=False)
