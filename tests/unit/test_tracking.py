"""Against a real MLflow store, a fresh SQLite database."""

import math

import pytest

from sysstop.errors import UserError
from sysstop.metrics import metric_names
from sysstop.studies import Study
from sysstop.tables import TRIALS_SCHEMA, WINDOWS_SCHEMA, study_tables
from sysstop.tracking import WINDOW_METRICS, experiment_name, open_store, read_runs, replace_runs

STUDY = Study("flowers", "logistic_regression", "memory", 1)
OTHER_ARM = Study("flowers", "logistic_regression", "none", 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db")


def finished_trial(trial_id, windows=2, **values):
    return {
        "trial_id": trial_id,
        "batch_size": 8,
        "learning_rate": 0.1,
        "alpha": 1e-05,
        "steps_planned": 300,
        "status": "stopped",
        "stop_reason": "metric_limit",
        "stop_metric": "memory_mb",
        "stop_limit": 100.1,
        "stop_value": 100.30000000000001,
        "host": "node1",
        "windows": [
            dict.fromkeys(WINDOW_METRICS, 1 / 3 + number) | {"step": 100 * number} | values
            for number in range(1, windows + 1)
        ],
    }


def test_what_is_read_back_is_what_was_written(store):
    written = finished_trial("a")
    replace_runs(store, STUDY, [written], {"git_commit": "abc"})
    (trial,), windows = read_runs(store, STUDY)
    for name in set(written) - {"windows"}:
        assert trial[name] == written[name], name
    assert [window["step"] for window in windows] == [100, 200]
    assert [window["memory_mb"] for window in windows] == [1 / 3 + 1, 1 / 3 + 2]


def test_the_runs_are_named_tagged_and_finished(store):
    replace_runs(store, STUDY, [finished_trial("a")], {"git_commit": "abc"})
    experiment = store.get_experiment_by_name(experiment_name(STUDY))
    (run,) = store.search_runs([experiment.experiment_id], "tags.arm = 'memory'")
    assert (run.info.run_name, run.info.status) == ("a", "FINISHED")
    expected = {"study": STUDY.key, "repetition": "1", "status": "stopped", "git_commit": "abc"}
    assert expected.items() <= run.data.tags.items()


def test_running_a_study_again_replaces_its_runs_and_no_others(store):
    replace_runs(store, OTHER_ARM, [finished_trial("a")], {})
    replace_runs(store, STUDY, [finished_trial("a"), finished_trial("b")], {})
    replace_runs(store, STUDY, [finished_trial("c")], {})
    assert [trial["trial_id"] for trial in read_runs(store, STUDY)[0]] == ["c"]
    assert [trial["trial_id"] for trial in read_runs(store, OTHER_ARM)[0]] == ["a"]


def test_values_that_are_not_finite_come_back_as_missing(store):
    trial = finished_trial("a", val_loss=math.inf, score=math.nan) | {"status": "diverged"}
    replace_runs(store, STUDY, [trial], {})
    window = read_runs(store, STUDY)[1][-1]
    assert math.isnan(window["val_loss"])
    assert math.isnan(window["score"])
    assert window["accuracy"] == 1 / 3 + 2


def test_more_metrics_than_mlflow_takes_in_one_request_are_written(store):
    count = 1000 // len(WINDOW_METRICS) + 2
    replace_runs(store, STUDY, [finished_trial("a", windows=count)], {})
    assert len(read_runs(store, STUDY)[1]) == count


def test_a_study_without_runs_is_told_with_the_command_that_makes_them(store):
    with pytest.raises(UserError, match=r"'x/y/none/1'.*--forcerun search"):
        read_runs(store, Study("x", "y", "none", 1))


@pytest.mark.parametrize("uri", ["bogus://store", "mlruns", "sqlite:////proc/no/mlflow.db"])
def test_a_store_that_cannot_be_used_is_named_by_its_key(uri):
    with pytest.raises(UserError, match=r"tracking\.uri: MLflow cannot use '" + uri):
        open_store(uri)


def test_a_failed_trial_without_a_window_fits_the_tables(store):
    failed = finished_trial("b", windows=0) | {"status": "failed", "stop_reason": "killed"}
    failed |= {"stop_metric": None, "stop_limit": None, "stop_value": None}
    replace_runs(store, STUDY, [finished_trial("a"), failed], {})
    trials, windows = study_tables(*read_runs(store, STUDY), stopped_is_candidate=False)
    assert list(trials["steps_used"]) == [200, 0]
    assert list(trials.columns) == list(TRIALS_SCHEMA.columns)
    assert list(windows.columns) == list(WINDOWS_SCHEMA.columns)
    assert set(metric_names()) <= set(trials.columns)
