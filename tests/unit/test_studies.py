import pytest

from sysstop.run.errors import UserError
from sysstop.study.studies import (
    Budget,
    Study,
    derive_seed,
    grid_configurations,
    plan_trials,
    planned_pairs,
    planned_studies,
)

GRID = {"batch_size": [2, 4], "learning_rate": [0.1, 0.01, 0.001], "alpha": [0.0, 1.0]}
BUDGET = Budget(steps=300, epochs=None, seconds=None, window_steps=100, warmup_steps=10)
CONFIG = {
    "study": {
        "datasets": ["flowers", "flats"],
        "algorithms": ["logistic_regression", "linear_regression", "support_vector_regressor"],
        "arms": ["none", "memory"],
        "repetitions": 2,
    },
    "datasets": {"flowers": {"task": "classification"}, "flats": {"task": "regression"}},
}


def test_algorithms_run_on_the_data_sets_of_their_task():
    assert planned_pairs(CONFIG) == [
        ("flowers", "logistic_regression"),
        ("flats", "linear_regression"),
        ("flats", "support_vector_regressor"),
    ]


def test_a_study_is_planned_for_each_pair_arm_and_repetition_once():
    studies = planned_studies(CONFIG)
    assert len(studies) == len(set(studies)) == 3 * 2 * 2


def test_machines_that_share_the_repetitions_plan_the_studies_of_one_that_runs_all():
    shared = [
        study
        for repetitions in ([2], [3, 1])
        for study in planned_studies(
            CONFIG | {"study": CONFIG["study"] | {"repetitions": repetitions}}
        )
    ]
    alone = planned_studies(CONFIG | {"study": CONFIG["study"] | {"repetitions": 3}})
    assert set(shared) == set(alone)
    assert len(shared) == len(alone)


def test_the_trials_of_a_study_are_the_grid_each_once():
    trials = plan_trials(Study("d", "a", "none", 1), GRID, BUDGET, seed=1, fold_rows=100)
    configurations = {trial.configuration for trial in trials.values()}
    assert len(trials) == len(configurations) == 2 * 3 * 2


def test_powers_of_two_go_up_to_the_rows_of_a_fold_model():
    grid = GRID | {"batch_size": "powers_of_two"}
    sizes = {c.batch_size for c in grid_configurations(grid, fold_rows=16, dataset="d")}
    assert sizes == {2, 4, 8, 16}


def test_a_batch_beyond_the_rows_of_a_fold_model_is_refused():
    with pytest.raises(UserError, match=r"grid\.batch_size: \[4\].*3 rows.*'flowers'"):
        grid_configurations(GRID, fold_rows=3, dataset="flowers")


def test_all_arms_of_a_repetition_share_their_seeds():
    plans = [
        plan_trials(Study("d", "a", arm, 1), GRID, BUDGET, seed=1, fold_rows=100)
        for arm in ("none", "memory")
    ]
    assert plans[0] == plans[1]


def test_each_trial_and_repetition_has_a_seed_of_its_own():
    seeds = {
        trial.seed
        for repetition in (1, 2)
        for trial in plan_trials(
            Study("d", "a", "none", repetition), GRID, BUDGET, seed=1, fold_rows=100
        ).values()
    }
    assert len(seeds) == 2 * 12


def test_seeds_do_not_depend_on_the_process():
    assert derive_seed(2023, "digits", 1) == 3833551867


def test_whichever_of_steps_and_epochs_ends_first_is_planned():
    budget = Budget(steps=300, epochs=2, seconds=None, window_steps=100, warmup_steps=0)
    assert budget.steps_planned(batch_size=10, fold_rows=105) == 21
    assert budget.steps_planned(batch_size=1, fold_rows=1000) == 300
