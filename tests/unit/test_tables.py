import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sysstop.results.journal import FinishedTrial, window_columns
from sysstop.results.tables import (
    checked,
    concatenate,
    environment_table,
    study_tables,
    train_loss_file,
    trials_schema,
    windows_schema,
)
from sysstop.run.errors import UserError
from sysstop.study.status import Status, TrialEnd
from sysstop.study.studies import Configuration, Study
from tests.shipped import LEVELS, point

STUDY = Study("d", "logistic_regression", "memory", 1)


def finished_trial(
    trial_id="t", status=Status.COMPLETED, reason="budget", losses=(), core=1, **windows
):
    """A trial whose metrics were all 2 in the first of two windows and 4 in the second."""
    values = {name: [2.0, 4.0] for name in window_columns()} | {"step": [100, 200]} | windows
    end = TrialEnd(Status(status), reason)
    configuration, environment = point(2, 0.1, 0.1), {"host": "node1"}
    return FinishedTrial(
        trial_id, configuration, 300, end, environment, values, np.array(losses), core
    )


def tables(*trials, limit=None, levels=LEVELS):
    run_ids = {trial.trial_id: "run" for trial in trials}
    return study_tables(
        STUDY,
        trials,
        run_ids,
        limit,
        task="classification",
        levels=levels,
    )


def test_a_trials_metrics_are_made_of_its_windows_as_the_registry_says():
    row = tables(finished_trial())[0].iloc[0]
    assert (row["step_time_ms"], row["memory_peak_mb"], row["train_time_s"]) == (3.0, 4.0, 4.0)
    assert row["steps_used"] == 200


def test_the_limit_of_the_arms_rule_is_in_every_trials_row():
    trials = finished_trial("a"), finished_trial("b", "stopped")
    assert tables(*trials, limit=1.9)[0]["limit"].tolist() == [1.9, 1.9]
    assert tables(*trials)[0]["limit"].isna().all()


def test_a_trial_that_did_not_have_a_core_for_itself_is_marked():
    whole = {"cpu_percent": [99.0, 98.0]}
    trials, _ = tables(
        finished_trial("a", **whole),
        finished_trial("b", core=None, **whole),
        finished_trial("c", cpu_percent=[95.0, 60.0]),
        finished_trial("d", core=None, cpu_percent=[50.0, 50.0]),
        finished_trial("e", "failed", core=None, **{key: [] for key in window_columns()}),
    )
    assert trials["core_share"].tolist() == ["", "unpinned", "shared", "unpinned,shared", ""]
    assert trials["core"].isna().tolist() == [False, True, False, True, True]


def test_a_hyperparameter_has_its_values_in_a_column_of_its_name_texts_where_some_are_no_numbers():
    values = {"batch_size": 2, "layers": [64, 64], "warm": True, "kind": "a", "mixed": 1}
    trial = replace(finished_trial(), configuration=Configuration(values))
    levels = {
        "batch_size": None,
        "alpha": None,
        "layers": ["[64, 64]", "[8]"],
        "warm": ["true"],
        "kind": ["a"],
        "mixed": ["1", "auto"],
        "solver": ["sgd"],
    }
    row = tables(trial, levels=levels)[0].iloc[0]
    assert row[list(levels)].dropna().to_dict() == {
        "batch_size": 2,
        "layers": "[64, 64]",
        "warm": "true",
        "kind": "a",
        "mixed": "1",
    }


def test_a_score_that_is_missing_in_the_end_is_missing():
    trial = finished_trial(status="diverged", score=[2.0, math.nan])
    assert math.isnan(tables(trial)[0]["score"].item())


def test_a_failed_trial_without_a_window_fits_the_tables():
    failed = finished_trial("f", "failed", **{key: [] for key in window_columns()})
    trials, windows = tables(finished_trial(), failed)
    assert list(trials["steps_used"]) == [0, 200]
    assert list(windows["trial_id"]) == ["t", "t"]


@pytest.mark.parametrize(
    ("status", "reason", "candidate"),
    [
        ("completed", "budget", True),
        ("stopped", "metric_limit", False),
        ("stopped", "constraints", False),
        ("stopped", "plateau", True),
        ("stopped", "median", True),
        ("diverged", "overflow", False),
        ("failed", "was killed", False),
    ],
)
def test_a_model_may_win_unless_its_trial_broke_a_limit_or_failed(status, reason, candidate):
    table, _ = tables(finished_trial(status=status, reason=reason))
    assert table["candidate"].item() == candidate


def test_a_table_that_does_not_fit_its_schema_is_refused_with_the_column():
    table, _ = tables(finished_trial())
    with pytest.raises(UserError, match="status"):
        checked(table.assign(status="paused"), trials_schema(LEVELS))
    with pytest.raises(UserError, match="memory_mb"):
        checked(table.assign(memory_mb=-1.0), trials_schema(LEVELS))


def test_the_same_trial_twice_is_refused(tmp_path):
    tables(finished_trial())[1].to_parquet(tmp_path / "windows.parquet")
    file = tmp_path / "windows.parquet"
    assert len(concatenate([file], windows_schema())) == 2
    with pytest.raises(UserError):
        concatenate([file, file], windows_schema())


def test_the_training_loss_of_every_step_is_kept(tmp_path):
    trials = [finished_trial("a", losses=[3.0, 2.0, 1.0]), finished_trial("b", losses=[0.5])]
    other = replace(STUDY, arm="none", repetition=2)
    with train_loss_file(tmp_path / "losses.parquet") as add:
        add(STUDY, trials)
        add(other, [finished_trial("a", losses=[3.5])])
    table = pd.read_parquet(tmp_path / "losses.parquet")
    assert list(table["trial_id"]) == ["a", "a", "a", "b", "a"]
    assert list(table["step"]) == [1, 2, 3, 1, 1]
    assert list(table["train_loss"]) == [3.0, 2.0, 1.0, 0.5, 3.5]
    assert list(table["arm"]) == ["memory"] * 4 + ["none"]
    assert list(table["repetition"]) == [1] * 4 + [2]
    assert set(table["dataset"]) == {"d"}


def summary_of(host, measured_on, **load):
    """The summary of a study that was searched from one host and measured on some."""
    loads = {"other_cpu_percent": 3.0, "stolen_cpu_percent": 0.0} | load
    return {"host": host, "environments": [{"host": name} for name in measured_on]} | loads


def test_studies_of_one_environment_share_a_row():
    summaries = [
        summary_of(host, [host], machine_was_busy=busy, load_before=load)
        for host, busy, load in (("a", True, 0.1), ("a", False, 0.7), ("b", False, 0.2))
    ]
    table = environment_table(summaries).set_index("host")
    assert list(table["studies"]) == [2, 1]
    assert list(table["busy_studies"]) == [1, 0]
    assert list(table["load_before_max"]) == [0.7, 0.2]


def test_every_host_that_measured_has_a_row_and_a_load_if_the_search_saw_it():
    summary = summary_of("a", ["a", "b"], machine_was_busy=True, load_before=0.3)
    table = environment_table([summary]).set_index("host")
    assert list(table["studies"]) == [1, 1]
    assert list(table["busy_studies"]) == [1, 0]
    assert table.loc["a", "load_before_max"] == 0.3
    assert math.isnan(table.loc["b", "load_before_max"])
