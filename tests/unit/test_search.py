"""Real searches with real Ray on a small grid."""

import pytest

from sysstop.journal import Journal
from sysstop.metrics import metric_names
from sysstop.search import run_search
from sysstop.stopping import MetricLimit
from sysstop.studies import Budget, Study, plan_trials

GRID = {"batch_size": [4, 16], "learning_rate": [0.1, 0.01], "alpha": [0.001]}
BUDGET = Budget(steps=30, epochs=None, seconds=None, window_steps=10, warmup_steps=2)
STUDY = Study("random", "logistic_regression", "none", 1)
TRIALS = plan_trials(STUDY, GRID, BUDGET, seed=1, fold_rows=100)


@pytest.fixture
def search(split_folder, tmp_path):
    def run(name="journal", trials=TRIALS, rule=None, workers=2):
        told = []
        journal = Journal(tmp_path / name, {})
        run_search(
            trials,
            rule,
            split_folder,
            journal,
            workers=workers,
            ray_address="local",
            order_seed=1,
            tell=told.append,
        )
        return journal.finished, told

    return run


def quality_of(finished):
    return {
        trial_id: [[str(w[name]) for name in metric_names("quality")] for w in trial["windows"]]
        for trial_id, trial in finished.items()
    }


def test_every_trial_of_the_grid_runs_once_and_progress_is_told(search):
    finished, told = search()
    assert set(finished) == set(TRIALS)
    assert {trial["status"] for trial in finished.values()} == {"completed"}
    assert all(len(trial["windows"]) == 3 for trial in finished.values())
    assert told[-1].startswith("4 of 4 trials done")


def test_results_do_not_depend_on_the_number_of_workers(search):
    assert quality_of(search("one", workers=1)[0]) == quality_of(search("two", workers=2)[0])


def test_a_rule_stops_a_trial_before_its_next_window(search):
    finished, told = search(rule=MetricLimit("memory_mb", limit=1.0))
    assert {trial["status"] for trial in finished.values()} == {"stopped"}
    assert {len(trial["windows"]) for trial in finished.values()} == {1}
    assert {trial["stop_reason"] for trial in finished.values()} == {"metric_limit"}
    assert "4 stopped" in told[-1]


def test_a_search_continues_with_the_trials_that_its_journal_lacks(search):
    some = dict(list(TRIALS.items())[:1])
    first, _ = search(trials=some)
    finished, told = search()
    assert set(finished) == set(TRIALS)
    (kept,) = some
    assert str(finished[kept]) == str(first[kept])
    assert told[-1].startswith("4 of 4")


def test_a_failing_trial_does_not_fail_the_others(search):
    broken = dict(TRIALS)
    name = next(iter(broken))
    broken[name] = plan_trials(
        Study("random", "no such algorithm", "none", 1), GRID, BUDGET, seed=1, fold_rows=100
    )[name]
    finished, _ = search(trials=broken)
    statuses = [trial["status"] for trial in finished.values()]
    assert sorted(statuses) == ["completed"] * 3 + ["failed"]
    assert "no such algorithm" in finished[name]["stop_reason"]
