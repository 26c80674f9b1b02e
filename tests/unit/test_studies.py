from collections import Counter
from itertools import product

import pytest

from sysstop.run.errors import UserError
from sysstop.study.studies import (
    Budget,
    Configuration,
    Study,
    derive_seed,
    grid_configurations,
    plan_trials,
    planned_pairs,
    planned_studies,
)
from tests.shipped import ALGORITHMS, ENTRIES, point

GRID = {"batch_size": [2, 4], "learning_rate": [0.1, 0.01, 0.001], "alpha": [0.0, 1.0]}
BUDGET = Budget(steps=300, epochs=None, seconds=None, window_steps=100, warmup_steps=10)
LINEAR = ALGORITHMS["linear_regression"]
CONFIG = {
    "algorithms": ENTRIES,
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
    trials = plan_trials(Study("d", "a", "none", 1), LINEAR, GRID, BUDGET, seed=1, fold_rows=100)
    assert len(trials) == 2 * 3 * 2
    expected = product(GRID["batch_size"], GRID["learning_rate"], GRID["alpha"])
    assert [trial.configuration for trial in trials.values()] == [point(*v) for v in expected]


def test_powers_of_two_go_up_to_the_rows_of_a_fold_model():
    grid = GRID | {"batch_size": "powers_of_two"}
    sizes = {c.batch_size for c in grid_configurations(grid, 16, "d", sample_seed=1)}
    assert sizes == {2, 4, 8, 16}


def test_batch_sizes_of_a_list_go_as_far_as_the_data_if_the_grid_says_so():
    grid = GRID | {"batch_size": {"up_to_rows": [1, 8, 16, 4096]}}
    sizes = {c.batch_size for c in grid_configurations(grid, 16, "d", sample_seed=1)}
    assert sizes == {1, 8, 16}


@pytest.mark.parametrize("sizes", ["powers_of_two", {"up_to_rows": [4, 8]}])
def test_a_data_set_with_too_few_rows_for_any_batch_is_refused(sizes):
    with pytest.raises(UserError, match=r"no batch size is left for data set 'flowers'.* 1 rows"):
        grid_configurations(GRID | {"batch_size": sizes}, 1, "flowers", sample_seed=1)


def test_a_batch_beyond_the_rows_of_a_fold_model_is_refused():
    with pytest.raises(UserError, match=r"grid\.batch_size: \[4\].*3 rows.*'flowers'"):
        grid_configurations(GRID, 3, "flowers", sample_seed=1)


def test_all_arms_of_a_repetition_share_their_seeds():
    plans = [
        plan_trials(Study("d", "a", arm, 1), LINEAR, GRID, BUDGET, seed=1, fold_rows=100)
        for arm in ("none", "memory")
    ]
    assert plans[0] == plans[1]


def test_each_trial_and_repetition_has_a_seed_of_its_own():
    seeds = {
        trial.seed
        for repetition in (1, 2)
        for trial in plan_trials(
            Study("d", "a", "none", repetition), LINEAR, GRID, BUDGET, seed=1, fold_rows=100
        ).values()
    }
    assert len(seeds) == 2 * 12


def test_seeds_do_not_depend_on_the_process():
    assert derive_seed(2023, "digits", 1) == 3833551867


def test_whichever_of_steps_and_epochs_ends_first_is_planned():
    budget = Budget(steps=300, epochs=2, seconds=None, window_steps=100, warmup_steps=0)
    assert budget.steps_planned(batch_size=10, fold_rows=105) == 21
    assert budget.steps_planned(batch_size=1, fold_rows=1000) == 300


def test_a_trials_name_and_seed_are_those_of_linear_models_ever_since():
    trials = plan_trials(
        Study("digits", "linear_regression", "none", 1), LINEAR, GRID, BUDGET, 2023, fold_rows=100
    )
    assert list(trials)[:2] == ["batch2-rate0.1-alpha0", "batch2-rate0.1-alpha1"]
    expected = derive_seed(2023, "digits", "linear_regression", 1, "batch2-rate0.1-alpha0")
    assert trials["batch2-rate0.1-alpha0"].seed == expected


def test_values_of_any_kind_have_a_place_in_a_trials_name():
    values = {"batch_size": 8, "hidden_layer_sizes": [64, 64], "solver": "a b/c", "warm": True}
    name = Configuration(values).trial_id
    assert name == "batch8-hidden_layer_sizes64x64-solvera_b_c-warmtrue"


SAMPLED = GRID | {"batch_size": [1, 2, 3, 4, 5], "sample": 7}


def test_a_sample_of_the_grid_is_the_same_in_all_arms_and_repetitions():
    samples = [
        list(plan_trials(Study("d", "a", arm, repetition), LINEAR, SAMPLED, BUDGET, 1, 100))
        for arm, repetition in (("none", 1), ("memory", 1), ("none", 2))
    ]
    assert len(samples[0]) == len(set(samples[0])) == 7
    assert samples[0] == samples[1] == samples[2]


def test_a_sample_is_drawn_from_the_grid_in_its_order_and_by_the_seed():
    whole = grid_configurations(SAMPLED | {"sample": None}, 100, "d", sample_seed=1)
    first, second = (grid_configurations(SAMPLED, 100, "d", sample_seed=s) for s in (1, 2))
    places = [whole.index(configuration) for configuration in first]
    assert places == sorted(places)
    assert first != second


def test_each_configuration_has_the_same_chance_to_be_in_a_sample():
    counts = Counter(
        configuration.trial_id
        for seed in range(2000)
        for configuration in grid_configurations(SAMPLED, 100, "d", sample_seed=seed)
    )
    expected = 2000 * 7 / 30
    assert len(counts) == 30
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())


def test_a_sample_that_is_no_smaller_than_the_grid_is_the_grid():
    grid = GRID | {"sample": 12}
    assert len(grid_configurations(grid, 100, "d", sample_seed=1)) == 12


def test_a_sample_of_a_grid_far_too_large_to_list_is_drawn_at_once():
    grid = {f"h{i}": list(range(1000)) for i in range(8)} | {"batch_size": [1], "sample": 3}
    assert len(grid_configurations(grid, 100, "d", sample_seed=1)) == 3
