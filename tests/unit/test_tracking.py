"""Against a real MLflow store, a fresh SQLite database."""

import math

import pytest
from mlflow.store.db import utils as mlflow_databases

from sysstop.results.journal import FinishedTrial, window_columns
from sysstop.results.tracking import experiment_name, open_store, replace_runs
from sysstop.run.errors import UserError
from sysstop.study.status import Status, Stop, TrialEnd
from sysstop.study.studies import Study
from tests.shipped import point

STOPPED = TrialEnd(
    Status.STOPPED, "metric_limit", Stop("metric_limit", "memory_mb", 100.1, 100.30000000000001)
)
STUDY = Study("flowers", "logistic_regression", "memory", 1)
OTHER_ARM = Study("flowers", "logistic_regression", "none", 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db")


def finished_trial(trial_id, windows=2, end=STOPPED, **curves):
    """A trial whose metrics are all 1/3 plus the window's number."""
    numbers = range(1, windows + 1)
    values = {name: [1 / 3 + number for number in numbers] for name in window_columns()}
    values |= {"step": [100 * number for number in numbers]} | curves
    configuration, environment = point(8, 0.1, 1e-05), {"host": "node1"}
    return FinishedTrial(trial_id, configuration, 300, end, environment, values, losses=[])


def runs_of(store, study):
    experiment = store.get_experiment_by_name(experiment_name(study))
    return store.search_runs([experiment.experiment_id], f"tags.study = '{study.key}'")


def test_a_run_holds_its_trial(store):
    trial = finished_trial("a")
    run_ids = replace_runs(store, STUDY, [trial], {"git_commit": "abc"})
    (run,) = runs_of(store, STUDY)
    assert run_ids == {"a": run.info.run_id}
    assert (run.info.run_name, run.info.status) == ("a", "FINISHED")
    parameters = {name: float(value) for name, value in run.data.params.items()}
    assert parameters == trial.configuration.values | {"steps_planned": 300}
    tags = {"status": "stopped", "stop_reason": "metric_limit", "stop_metric": "memory_mb"}
    assert (tags | {"host": "node1"}).items() <= run.data.tags.items()
    assert float(run.data.tags["stop_value"]) == trial.end.stop.value
    expected = {"study": STUDY.key, "arm": "memory", "repetition": "1", "git_commit": "abc"}
    assert expected.items() <= run.data.tags.items()


def test_a_run_shows_the_curves_of_its_metrics_and_the_sums_once(store):
    run_ids = replace_runs(store, STUDY, [finished_trial("a")], {})
    curve = store.get_metric_history(run_ids["a"], "memory_mb")
    assert [(m.step, m.value) for m in curve] == [(100, 1 / 3 + 1), (200, 1 / 3 + 2)]
    total = store.get_metric_history(run_ids["a"], "cpu_time_s")
    assert [(m.step, m.value) for m in total] == [(200, 1 / 3 + 2)]


def test_running_a_study_again_replaces_its_runs_and_no_others(store):
    replace_runs(store, OTHER_ARM, [finished_trial("a")], {})
    replace_runs(store, STUDY, [finished_trial("a"), finished_trial("b")], {})
    replace_runs(store, STUDY, [finished_trial("c")], {})
    assert [run.info.run_name for run in runs_of(store, STUDY)] == ["c"]
    assert [run.info.run_name for run in runs_of(store, OTHER_ARM)] == ["a"]


def test_projects_that_share_a_store_keep_their_runs_apart_by_a_prefix(store):
    replace_runs(store, STUDY, [finished_trial("a")], {})
    replace_runs(store, STUDY, [finished_trial("b")], {}, experiment_prefix="mine/")
    mine = store.get_experiment_by_name("mine/flowers/logistic_regression")
    assert [run.info.run_name for run in store.search_runs([mine.experiment_id])] == ["b"]
    assert [run.info.run_name for run in runs_of(store, STUDY)] == ["a"]


def test_a_store_without_an_address_is_the_one_that_mlflows_variable_names(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/named.db")
    replace_runs(open_store(None), STUDY, [finished_trial("a")], {})
    named = open_store(f"sqlite:///{tmp_path}/named.db")
    assert [run.info.run_name for run in runs_of(named, STUDY)] == ["a"]


def test_values_that_are_not_finite_are_left_out(store):
    trial = finished_trial("a", val_loss=[1.0, math.inf], score=[math.nan, math.nan])
    run_ids = replace_runs(store, STUDY, [trial], {})
    assert [m.step for m in store.get_metric_history(run_ids["a"], "val_loss")] == [100]
    assert store.get_metric_history(run_ids["a"], "score") == []


def test_more_metrics_than_mlflow_takes_in_one_request_are_written(store):
    run_ids = replace_runs(store, STUDY, [finished_trial("a", windows=150)], {})
    assert len(store.get_metric_history(run_ids["a"], "memory_mb")) == 150


def test_a_trial_of_usual_length_takes_three_requests(store, monkeypatch):
    requests = []
    for name in ("create_run", "log_batch", "set_terminated", "log_metric", "log_param", "set_tag"):
        original = getattr(store, name)

        def counted(*arguments, name=name, original=original, **named):
            requests.append(name)
            return original(*arguments, **named)

        monkeypatch.setattr(store, name, counted)
    replace_runs(store, STUDY, [finished_trial("a", windows=20)], {})
    assert requests == ["create_run", "log_batch", "set_terminated"]


def test_a_failed_trial_without_a_window_is_a_failed_run(store):
    failed = finished_trial("b", windows=0, end=TrialEnd(Status.FAILED, "killed"))
    replace_runs(store, STUDY, [failed], {})
    (run,) = runs_of(store, STUDY)
    assert (run.info.status, run.data.tags["stop_reason"]) == ("FAILED", "killed")


@pytest.mark.parametrize("uri", ["bogus://store", "mlruns", "sqlite:////proc/no/mlflow.db"])
def test_a_store_that_cannot_be_used_is_named_by_its_key(uri):
    with pytest.raises(UserError, match=r"tracking\.uri: MLflow cannot use '" + uri):
        open_store(uri)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("postgresql://me:secret@127.0.0.1:1/runs", "postgresql://me:***@127.0.0.1:1/runs"),
        ("postgresql://me@127.0.0.1:1/runs?password=secret", "runs?password=***"),
    ],
)
def test_a_password_in_the_address_is_not_shown(uri, expected, monkeypatch):
    # MLflow tries ten times, with pauses of 101 s in all.
    monkeypatch.setattr(mlflow_databases, "MAX_RETRY_COUNT", 1)
    with pytest.raises(UserError) as error:
        open_store(uri)
    assert "secret" not in str(error.value)
    assert expected in str(error.value)
