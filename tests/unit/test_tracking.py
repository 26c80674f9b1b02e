"""Against a real MLflow store, a fresh SQLite database."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from mlflow.entities import ViewType
from mlflow.store.db import utils as mlflow_databases

from sysstop.results.journal import FinishedTrial, window_columns
from sysstop.results.store import RUNS_AT_ONCE, open_store, usable_experiment
from sysstop.results.tracking import missing_studies, read_study, write_study
from sysstop.run.errors import UserError
from sysstop.study.metrics import metric_names
from sysstop.study.status import Status, Stop, TrialEnd
from sysstop.study.studies import Study
from tests.shipped import point

STOPPED = TrialEnd(
    Status.STOPPED, "metric_limit", Stop("metric_limit", "memory_mb", 100.1, 100.30000000000001)
)
FAILED = TrialEnd(Status.FAILED, "killed")
STUDY = Study("flowers", "logistic_regression", "memory", 1)
OTHER_ARM = Study("flowers", "logistic_regression", "none", 1)
EXPERIMENT = "flowers/logistic_regression"
NODE1, NODE2 = {"host": "node1", "cores": 8}, {"host": "node2", "cores": 2}
SUMMARY = {
    "rule": {"name": "metric_limit", "metric": "memory_mb", "limit": 100.1},
    "trials": 1,
    "host": "node1",
    "machine_was_busy": False,
    "workers": 2,
    "wall_time_s": 1 / 3,
    "git_commit": "abc",
    "dirty": True,
}
PROVENANCE = {
    "dataset": "flowers",
    "source": "file",
    "address": "data/flowers.csv",
    "sha256": "0123456789abcdef" * 4,
    "rows": 150,
    "columns": ["width", "height", "target"],
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A store that others use as well."""
    return open_store(f"sqlite:///{tmp_path_factory.mktemp('shared')}/mlflow.db")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A store of the project's own."""
    folder = tmp_path_factory.mktemp("own")
    return open_store(f"sqlite:///{folder}/mlflow.db", artifacts=folder / "artifacts")


def finished_trial(trial_id, windows=2, end=STOPPED, environment=NODE1, losses=(), **curves):
    """A trial whose metrics are all 1/3 plus the window's number."""
    numbers = range(1, windows + 1)
    values = {name: [1 / 3 + number for number in numbers] for name in window_columns()}
    values |= {"step": [100 * number for number in numbers]} | curves
    configuration = point(8, 0.1, 1e-05)
    return FinishedTrial(trial_id, configuration, 300, end, environment, values, np.array(losses))


def write(store, *trials, study=STUDY, **more):
    write_study(store, study, SUMMARY, trials, **more)


def runs_of(store, study=STUDY, kind="trial", view=ViewType.ACTIVE_ONLY):
    experiment = store.client.get_experiment_by_name(store.prefix + EXPERIMENT)
    where = f"tags.study = '{study.key}' and tags.kind = '{kind}'"
    return store.client.search_runs([experiment.experiment_id], where, view)


def names_of(store, study=STUDY, **more):
    return sorted(run.info.run_name for run in runs_of(store, study, **more))


# What comes back.


def assert_same(read, written):
    """Each value is the same, bit for bit, missing and infinite ones included."""
    assert replace(read, windows={}, losses=None) == replace(written, windows={}, losses=None)
    assert read.losses.tobytes() == np.asarray(written.losses, float).tobytes()
    assert set(read.windows) == set(window_columns())
    for name, values in written.windows.items():
        assert np.array(read.windows[name], float).tobytes() == np.array(values, float).tobytes()


CURVES = {
    "digits": {"val_loss": [0.1 + 0.2, 2**0.5], "train_time_s": [5e-324, 1.7976931348623155e308]},
    "not a number": {"score": [math.nan, math.nan], "val_loss": [1.0, math.nan]},
    "infinite": {"val_loss": [1.0, math.inf], "score": [-math.inf, -1e308]},
    "whole numbers": {"samples_used": [800, 1600]},
    "always the same": {"memory_mb": [7.0, 7.0]},
}


@pytest.mark.parametrize("curves", CURVES.values(), ids=CURVES)
def test_a_trial_comes_back_bit_for_bit(shared, curves):
    losses = np.random.default_rng(1).random(1234) * 1e-300
    losses[7:9] = math.nan, math.inf
    written = finished_trial("a", losses=losses, **curves)
    write(shared, written)
    (read,) = read_study(shared, STUDY).trials
    assert_same(read, written)


@pytest.mark.parametrize(
    "end",
    [
        TrialEnd(Status.COMPLETED, "budget"),
        TrialEnd(Status.DIVERGED, "budget"),
        TrialEnd(Status.STOPPED, "plateau", Stop("plateau", "val_loss", math.nan, math.inf)),
        *(TrialEnd(Status.FAILED, reason) for reason in ("killed", "12", "null", '"', "")),
    ],
)
def test_the_end_of_a_trial_comes_back(shared, end):
    write(shared, finished_trial("a", end=end))
    (read,) = read_study(shared, STUDY).trials
    assert str(read.end) == str(end)


def test_a_failed_trial_without_a_window_comes_back(shared):
    written = finished_trial("a", windows=0, end=FAILED, environment={})
    write(shared, written, finished_trial("b"))
    read = {trial.trial_id: trial for trial in read_study(shared, STUDY).trials}
    assert_same(read["a"], written)
    assert {run.info.run_name: run.info.status for run in runs_of(shared)} == {
        "a": "FAILED",
        "b": "FINISHED",
    }


def test_more_trials_and_windows_than_a_request_takes_come_back(shared, monkeypatch):
    monkeypatch.setattr("sysstop.results.store.VALUES_AT_ONCE", 50)
    long, longer = finished_trial("long", windows=49), finished_trial("longer", windows=60)
    many = [finished_trial(f"t{number}", windows=1) for number in range(RUNS_AT_ONCE + 1)]
    write(shared, *many, long, longer)
    read = {trial.trial_id: trial for trial in read_study(shared, STUDY).trials}
    for written in (*many, long, longer):
        assert_same(read[written.trial_id], written)


def test_the_summary_of_the_search_comes_back_with_the_environments_of_its_trials(shared):
    write(shared, *(finished_trial(name, environment=e) for name, e in zip("abc", (NODE1, NODE2, NODE1), strict=True)))  # fmt: skip
    summary = dict(read_study(shared, STUDY).summary)
    commit = {"git_commit": "abc", "dirty": True}
    environments = summary.pop("environments")
    assert sorted(map(str, environments)) == sorted(str(e | commit) for e in (NODE1, NODE2))
    assert summary == SUMMARY | {"study": vars(STUDY)}


def test_the_ids_of_the_runs_come_back(shared):
    write(shared, finished_trial("a"), finished_trial("b"))
    stored = read_study(shared, STUDY)
    assert stored.run_ids == {run.info.run_name: run.info.run_id for run in runs_of(shared)}


def test_metrics_are_read_for_many_runs_at_a_time(shared, monkeypatch):
    write(shared, *(finished_trial(f"t{number}") for number in range(20)))
    calls = []
    tracking_store = shared.client._tracking_client.store
    for name in ("search_runs", "get_metric_history_bulk", "get_metric_history", "get_run"):
        original = getattr(tracking_store, name)

        def counted(*arguments, name=name, original=original, **named):
            calls.append(name)
            return original(*arguments, **named)

        monkeypatch.setattr(tracking_store, name, counted)
    read_study(shared, STUDY)
    assert calls.count("get_metric_history_bulk") == len(metric_names())
    assert calls.count("search_runs") == 2
    assert len(calls) == len(metric_names()) + 2


def test_a_run_without_all_values_of_a_metric_is_named(shared):
    write(shared, finished_trial("a"))
    (run,) = runs_of(shared)
    shared.client.set_tag(run.info.run_id, "windows", "3")
    with pytest.raises(UserError, match=rf"{run.info.run_id}.*trial a of study.*has 2 values.*3"):
        read_study(shared, STUDY)


# What a store holds of a study.


def test_a_study_is_a_run_with_its_trials_as_children(shared):
    write(shared, finished_trial("a"), finished_trial("b"))
    (parent,) = runs_of(shared, kind="study")
    assert (parent.info.run_name, parent.info.status) == ("memory, repetition 1", "FINISHED")
    assert json.loads(parent.data.params["rule"]) == SUMMARY["rule"]
    assert parent.data.tags["mlflow.source.git.commit"] == "abc"
    for child in runs_of(shared):
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id


def test_a_run_shows_its_trial_as_mlflow_does(shared):
    write(shared, finished_trial("a"))
    (run,) = runs_of(shared)
    parameters = {name: float(value) for name, value in run.data.params.items()}
    assert parameters == finished_trial("a").configuration.values | {"steps_planned": 300}
    tags = {"status": "stopped", "stop_reason": "metric_limit", "stop_metric": "memory_mb"}
    study = {"study": STUDY.key, "arm": "memory", "repetition": "1", "host": "node1"}
    assert (tags | study).items() <= run.data.tags.items()
    curve = shared.client.get_metric_history(run.info.run_id, "cpu_time_s")
    assert [(m.step, m.value) for m in curve] == [(100, 1 / 3 + 1), (200, 1 / 3 + 2)]


def test_a_study_names_its_data_set_as_mlflow_does(shared):
    write(shared, finished_trial("a"), provenance=PROVENANCE)
    (parent,) = runs_of(shared, kind="study")
    (used,) = parent.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.source_type) == ("flowers", "file")
    assert PROVENANCE["sha256"].startswith(used.dataset.digest)
    assert json.loads(used.dataset.profile) == {"num_rows": 150, "num_features": 2}


def test_an_experiment_is_one_of_model_training_and_keeps_what_people_set(shared):
    name = "opened/here"
    experiment = shared.client.get_experiment(usable_experiment(shared, name))
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    shared.client.set_experiment_tag(experiment.experiment_id, "mlflow.experimentKind", "other")
    usable_experiment(shared, name)
    kept = shared.client.get_experiment(experiment.experiment_id)
    assert kept.tags["mlflow.experimentKind"] == "other"


def test_artifacts_of_a_store_of_our_own_belong_beside_it(own):
    experiment = own.client.get_experiment(usable_experiment(own, "any/name"))
    assert experiment.artifact_location == (own.artifacts / "any/name").as_uri()


def test_a_trial_of_usual_length_takes_three_requests(shared, monkeypatch):
    requests = []
    for name in ("create_run", "log_batch", "set_terminated", "log_metric", "log_param", "set_tag"):
        original = getattr(shared.client, name)

        def counted(*arguments, name=name, original=original, **named):
            requests.append(name)
            return original(*arguments, **named)

        monkeypatch.setattr(shared.client, name, counted)
    write(shared, finished_trial("a", windows=20))
    of_trial = ["create_run", "log_batch", "set_terminated"]
    assert requests == ["create_run", "log_batch", *of_trial, "set_terminated"]


# A study that is written again.


def test_writing_a_study_again_replaces_its_runs_and_no_others(shared):
    write(shared, finished_trial("a"), study=OTHER_ARM)
    write(shared, finished_trial("a"), finished_trial("b"))
    write(shared, finished_trial("c"))
    assert names_of(shared) == ["c"]
    assert names_of(shared, OTHER_ARM) == ["a"]
    assert len(runs_of(shared, kind="study")) == 1


def test_a_study_of_the_same_digest_is_left_as_people_changed_it(shared):
    write(shared, finished_trial("a"), finished_trial("b"), digest="first")
    (deleted,) = (run for run in runs_of(shared) if run.info.run_name == "a")
    shared.client.delete_run(deleted.info.run_id)
    write(shared, finished_trial("a"), finished_trial("b"), digest="first")
    assert [trial.trial_id for trial in read_study(shared, STUDY).trials] == ["b"]
    write(shared, finished_trial("a"), finished_trial("b"), digest="second")
    assert names_of(shared) == ["a", "b"]


def test_a_study_that_was_not_written_to_its_end_is_not_there_and_is_replaced(shared):
    def trials():
        yield finished_trial("a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_study(shared, STUDY, SUMMARY, trials(), digest="same")
    assert missing_studies(shared, [STUDY]) == [STUDY]
    write(shared, finished_trial("a"), digest="same")
    assert names_of(shared) == ["a"]
    assert missing_studies(shared, [STUDY]) == []


def test_a_store_of_our_own_keeps_no_replaced_runs_and_all_that_are_not_ours(own):
    write(own, finished_trial("a"), finished_trial("b"))
    write(own, finished_trial("a"), study=OTHER_ARM)
    (experiment_id,) = {run.info.experiment_id for run in runs_of(own)}
    others = own.client.create_run(experiment_id, run_name="not ours").info.run_id
    own.client.delete_run(others)
    elsewhere = own.client.create_experiment("not ours")
    own.client.delete_experiment(elsewhere)
    for run in (*runs_of(own, OTHER_ARM), *runs_of(own)[:1]):
        own.client.delete_run(run.info.run_id)
    write(own, finished_trial("c"))
    assert names_of(own, view=ViewType.ALL) == ["c"]
    assert names_of(own, kind="study", view=ViewType.ALL) == ["memory, repetition 1"]
    assert names_of(own, OTHER_ARM, view=ViewType.DELETED_ONLY) == ["a"]
    assert own.client.get_run(others).info.lifecycle_stage == "deleted"
    assert own.client.get_experiment(elsewhere).lifecycle_stage == "deleted"


def test_replaced_runs_of_a_shared_store_can_be_restored(shared):
    write(shared, finished_trial("before"))
    write(shared, finished_trial("after"))
    assert "before" in names_of(shared, view=ViewType.DELETED_ONLY)


def test_an_experiment_that_was_deleted_in_the_page_is_restored_without_its_runs(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/mlflow.db")
    write(store, finished_trial("a"))
    write(store, finished_trial("a"), study=OTHER_ARM)
    (experiment_id,) = {run.info.experiment_id for run in runs_of(store)}
    store.client.delete_experiment(experiment_id)
    assert missing_studies(store, [STUDY, OTHER_ARM]) == [STUDY, OTHER_ARM]
    write(store, finished_trial("b"))
    assert names_of(store) == ["b"]
    assert missing_studies(store, [STUDY, OTHER_ARM]) == [OTHER_ARM]


def test_projects_that_share_a_store_keep_their_runs_apart_by_a_prefix(shared):
    mine = open_store(shared.uri, prefix="mine/")
    write(shared, finished_trial("a"))
    write(mine, finished_trial("b"))
    assert (names_of(mine), names_of(shared)) == (["b"], ["a"])


# Stores that cannot be used.


def test_a_store_without_an_address_is_the_one_that_mlflows_variable_names(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/named.db")
    write(open_store(None), finished_trial("a"))
    assert names_of(open_store(f"sqlite:///{tmp_path}/named.db")) == ["a"]


def test_studies_that_are_not_there_are_named(shared):
    absent = Study("flowers", "logistic_regression", "memory", 9)
    with pytest.raises(UserError, match=r"flowers/logistic_regression/memory/9"):
        read_study(shared, absent)


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
