"""The plan of a run whose costs are known, and its comparison with what the run took."""

import json
import math

import numpy as np
import pytest

from sysstop.plan.plan import ANALYSIS_JOBS, pair_table, plan_table, plan_text, run_s
from sysstop.plan.trial_cost import Calibration, Overhead, Reading
from sysstop.report.wording import pair_label
from sysstop.results.journal import FinishedTrial
from sysstop.run.errors import UserError
from sysstop.study.metrics import metric_names
from sysstop.study.status import BUDGET_USED, Status, TrialEnd
from sysstop.study.studies import Budget, Study, plan_trials
from sysstop.study.wording import duration
from tests.shipped import ALGORITHMS

GRID = {"batch_size": [2, 4], "learning_rate": [0.1, 0.01], "alpha": [0.001]}
BUDGET = Budget(steps=40, epochs=None, seconds=None, window_steps=10, warmup_steps=2)
SEED, FOLDS, ROWS = 1, 2, 100
TRIALS = 4
STEP_S, MEMORY_MB = 0.5, 80.0
TRIAL_S = 40 * STEP_S
OVERHEAD = Overhead(
    ray_start_s=90.0,
    imports_s=10.0,
    search_job_s=3.0,
    tune_s=2.0,
    trial_s=1.0,
    export_job_s=4.0,
    export_trial_s=0.5,
    analysis_job_s=2.0,
)
ANALYSIS_S = ANALYSIS_JOBS * 2.0 / 2  # on two cores
SEARCH_S = 2.0 + TRIALS / 2 * (TRIAL_S + 1.0)
REFIT_S = TRIAL_S / FOLDS
PAIR = ("flowers", "logistic_regression")


def job_s(studies_of_pair):
    """The job of a search, and its share of the one job that exports all searches of a pair."""
    return 3.0 + SEARCH_S + 4.0 / studies_of_pair + 0.5 * TRIALS


def calibration(sample_least_s=0.0):
    """A step takes `STEP_S`, half of it on the CPU, and nothing else takes anything."""
    readings = [
        Reading(
            size, "", 0, 0, steps, steps * STEP_S / 2, steps * STEP_S, steps * STEP_S, MEMORY_MB
        )
        for size in (2, 4)
        for steps in (1, 10)
    ]
    return Calibration(readings, FOLDS, ROWS, "digest of the data", "a processor", sample_least_s)


def studies(arms=("none", "memory"), repetitions=1, datasets=("flowers",)):
    return [
        Study(dataset, PAIR[1], arm, repetition)
        for dataset in datasets
        for repetition in range(1, repetitions + 1)
        for arm in arms
    ]


def plan_of(planned, folder, grid=GRID, budget=BUDGET, sample_least_s=0.0):
    return plan_table(
        {study: folder / study.key for study in planned},
        {(study.dataset, study.algorithm): calibration(sample_least_s) for study in planned},
        OVERHEAD,
        algorithms=ALGORITHMS,
        grids=dict.fromkeys(ALGORITHMS, grid),
        budget=budget,
        seed=SEED,
        workers=2,
    )


def text_of(plan, cores=2, trial_timeout_s=None, workers=2):
    return plan_text(
        plan,
        OVERHEAD,
        waiting_arms=set(),
        cores=cores,
        workers=workers,
        trial_timeout_s=trial_timeout_s,
        cpu_models=["a processor"],
    )


def write_results(study, folder, steps_used=40, resumed=0, data="digest of the data", **summary):
    """What a search leaves behind, as far as a plan looks at it."""
    folder = folder / study.key
    folder.mkdir(parents=True)
    trials = plan_trials(study, ALGORITHMS[study.algorithm], GRID, BUDGET, SEED, ROWS, 500.0)
    identity = {"trials": {name: trial.identity for name, trial in trials.items()}, "data": data}
    values = dict.fromkeys(metric_names(), 1.0) | {
        "cpu_time_s": steps_used * STEP_S / 4,
        "memory_peak_mb": MEMORY_MB / 2,
    }
    windows = {"step": [steps_used]} | {name: [value] for name, value in values.items()}
    end = TrialEnd(Status.COMPLETED, BUDGET_USED)
    lines = [
        FinishedTrial(name, trial.configuration, 40, end, {}, windows, np.array([])).to_line()
        for name, trial in trials.items()
    ]
    (folder / "trials.jsonl").write_text("\n".join([json.dumps(identity), *lines]) + "\n")
    summary = {"resumed_trials": resumed, "wall_time_s": SEARCH_S / 2} | summary
    (folder / "search.json").write_text(json.dumps(summary))


def test_every_study_is_planned_with_its_trials_steps_and_costs(tmp_path):
    plan = plan_of(studies(), tmp_path)
    assert list(plan["arm"]) == ["none", "memory"]
    for column, value in {
        "trials": TRIALS,
        "steps": TRIALS * 40,
        "cpu_s": TRIALS * TRIAL_S / 2,
        "search_s": SEARCH_S,
        "job_s": job_s(2),
        "refit_s": REFIT_S,
        "longest_trial_s": TRIAL_S,
        "memory_mb": MEMORY_MB,
    }.items():
        assert list(plan[column]) == pytest.approx([value, value]), column


def test_epochs_shorten_the_trials_of_large_batches(tmp_path):
    budget = Budget(steps=40, epochs=1, seconds=None, window_steps=10, warmup_steps=2)
    plan = plan_of(studies(("none",)), tmp_path, budget=budget)
    assert plan["steps"].item() == 2 * 40 + 2 * 25


def test_a_grid_that_does_not_fit_the_data_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"grid\.batch_size"):
        plan_of(studies(), tmp_path, grid=GRID | {"batch_size": [2 * ROWS]})


def test_totals_are_the_sums_over_studies(tmp_path):
    plan = plan_of(studies(repetitions=3, datasets=("flowers", "birds")), tmp_path)
    *pairs, total = pair_table(plan).to_dict("records")
    assert [pair["dataset"] for pair in pairs] == ["flowers", "birds"]
    assert total["searches"] == 2 * 6 == sum(pair["searches"] for pair in pairs)
    assert total["trials"] == 2 * 6 * TRIALS
    assert total["steps"] == 2 * 6 * TRIALS * 40
    assert total["cpu_s"] == pytest.approx(2 * 6 * TRIALS * TRIAL_S / 2)
    assert total["search_s"] == pytest.approx(2 * 6 * SEARCH_S)
    assert total["memory_mb"] == pytest.approx(MEMORY_MB)


def test_one_node_runs_one_search_after_the_other_and_starts_ray_once(tmp_path):
    plan = plan_of(studies(repetitions=2), tmp_path)
    expected = 100 + 4 * job_s(4) + 4 * REFIT_S + ANALYSIS_S  # the refits of one pair are one job
    assert run_s(plan, (), OVERHEAD, nodes=1, cores=2) == pytest.approx(expected)


def test_nodes_share_the_studies_and_each_study_starts_a_ray(tmp_path):
    plan = plan_of(studies(repetitions=2), tmp_path)
    after = 4 * REFIT_S + ANALYSIS_S
    two, many = (run_s(plan, (), OVERHEAD, nodes, cores=2) for nodes in (2, 100))
    assert two == pytest.approx(2 * (100 + job_s(4)) + after)
    assert many == pytest.approx(100 + job_s(4) + after)


def test_on_many_nodes_an_arm_with_a_quantile_still_waits_for_its_baseline(tmp_path):
    plan = plan_of(studies(repetitions=2), tmp_path)
    length = run_s(plan, {"memory"}, OVERHEAD, nodes=100, cores=2)
    assert length == pytest.approx(2 * (100 + job_s(4)) + 4 * REFIT_S + ANALYSIS_S)


def test_before_a_run_nothing_is_compared(tmp_path):
    pairs = pair_table(plan_of(studies(), tmp_path))
    assert (pairs["measured_searches"] == 0).all()
    assert pairs[["cpu_ratio", "search_ratio", "memory_ratio"]].isna().all(axis=None)
    assert "Ratios of estimate to measurement" not in text_of(plan_of(studies(), tmp_path))


def test_after_a_run_the_estimate_of_what_ran_is_compared_with_it(tmp_path):
    planned = studies(repetitions=2)
    for study in planned[:2]:
        write_results(study, tmp_path)
    plan = plan_of(planned, tmp_path)
    total = pair_table(plan).iloc[-1]
    assert total["measured_searches"] == 2
    assert total["cpu_ratio"] == pytest.approx(2)
    assert total["search_ratio"] == pytest.approx(2)
    assert total["memory_ratio"] == pytest.approx(2)
    assert total["used_fraction"] == 1
    assert "for the 2 searches that have results" in text_of(plan)


def test_what_rules_stopped_is_kept_apart_from_the_error_of_the_costs(tmp_path):
    (study,) = studies(("none",))
    write_results(study, tmp_path, steps_used=10)
    total = pair_table(plan_of([study], tmp_path)).iloc[-1]
    assert total["used_fraction"] == pytest.approx(0.25)
    assert total["cpu_ratio"] == pytest.approx(8)
    assert total["of_steps_used"] == pytest.approx(2)


def test_a_search_that_was_interrupted_has_no_wall_time_to_compare(tmp_path):
    (study,) = studies(("none",))
    write_results(study, tmp_path, resumed=2)
    total = pair_table(plan_of([study], tmp_path)).iloc[-1]
    assert total["cpu_ratio"] == pytest.approx(2)
    assert math.isnan(total["search_ratio"])


def test_results_of_other_data_or_trials_are_not_compared(tmp_path):
    one, other = studies()
    write_results(one, tmp_path, data="another digest")
    write_results(other, tmp_path)
    assert pair_table(plan_of([one], tmp_path)).iloc[-1]["measured_searches"] == 0
    changed = plan_of([other], tmp_path, grid=GRID | {"alpha": [0.1]})
    assert pair_table(changed).iloc[-1]["measured_searches"] == 0
    assert pair_table(plan_of([other], tmp_path)).iloc[-1]["measured_searches"] == 1


def test_the_text_names_each_pair_the_totals_and_every_number_of_nodes(tmp_path):
    text = text_of(plan_of(studies(), tmp_path))
    assert "upper bound" in text
    assert "2 searches" in text
    for words in ("flowers", "logistic_regression", "1 node of 2 cores", "100 nodes of 2 cores"):
        assert words in text
    assert "WARNING" not in text


def test_times_are_in_the_unit_that_fits(tmp_path):
    """A trial of 20 s and a study of 51.5 s on two cores; the run with Ray's start and the analysis."""
    text = text_of(plan_of(studies(), tmp_path))
    assert "study takes 51 s, the longest trial 20 s" in text
    whole_s = 100 + 2 * job_s(2) + 2 * REFIT_S + ANALYSIS_S
    assert f"1 node of 2 cores: about {duration(whole_s)}" in text
    assert duration(whole_s).endswith(" min")


def test_trials_longer_than_their_time_limit_are_warned_of(tmp_path):
    plan = plan_of(studies(), tmp_path)
    assert "search.trial_timeout_s" in text_of(plan, trial_timeout_s=TRIAL_S / 2)
    assert "search.trial_timeout_s" not in text_of(plan, trial_timeout_s=TRIAL_S * 2)


def test_trials_that_do_not_fit_into_memory_together_are_warned_of(tmp_path):
    plan = plan_of(studies(), tmp_path)
    assert "Lower search.workers" in text_of(plan, workers=10**6)


def test_readings_that_do_not_show_what_a_sample_costs_are_warned_of(tmp_path):
    """All batch sizes take the same time in these readings."""
    hidden = text_of(plan_of(studies(), tmp_path, sample_least_s=0.01 * STEP_S))
    assert f"WARNING: when {pair_label(*PAIR)} was calibrated" in hidden
    assert "plan --forcerun calibrate" in hidden
    small = text_of(plan_of(studies(), tmp_path, sample_least_s=1e-9 * STEP_S))
    assert "WARNING" not in small
