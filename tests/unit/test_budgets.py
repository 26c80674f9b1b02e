"""Budgets: what was saved, what it cost and which trial is best, on tables with known truth."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from sysstop.analysis.budgets import (
    BUDGET_SCHEMA,
    SAVED_TIMES,
    arm_summary,
    best_trials,
    budget_table,
    interval_of_mean,
)
from sysstop.results.tables import checked, trials_schema
from sysstop.run.errors import UserError
from sysstop.study.keys import REPLICATE, STUDY, TRIAL
from sysstop.study.metrics import metric_names
from sysstop.study.status import Status
from tests.shipped import LEVELS, point

SMALL, MIDDLE, LARGE = (point(size, 0.1, 0.01) for size in (2, 8, 32))


def trial(configuration, arm="none", **values):
    """A completed trial of 1000 steps, 10 s of training, 12 s of CPU time and a score of 0.5."""
    status = values.get("status", "completed")
    return {
        **dict.fromkeys(trials_schema(LEVELS).columns, math.nan),
        **dict.fromkeys(metric_names(), 1.0),
        **dict.fromkeys(
            [
                "mlflow_run_id",
                "stop_reason",
                "stop_metric",
                "host",
                "step_time_unstable",
                "core_share",
            ],
            "",
        ),
        **configuration.values,
        "trial_id": configuration.trial_id,
        "dataset": "digits",
        "algorithm": "logistic_regression",
        "task": "classification",
        "arm": arm,
        "repetition": 1,
        "status": status,
        "candidate": status == "completed",
        "steps_planned": 1000,
        "steps_used": 1000,
        "steady_train_time_s": 10.0,
        "train_time_s": 10.0,
        "cpu_time_s": 12.0,
        "score": 0.5,
        **values,
    }


def trials_table(*trials):
    return checked(pd.DataFrame(trials), trials_schema(LEVELS))


def scores_of(trials):
    """A test score for every trial: its score minus 0.1."""
    scores = trials[[*TRIAL, "score"]]
    return scores.assign(test_score=scores["score"] - 0.1).drop(columns="score")


def budget_of(*trials):
    trials = trials_table(*trials)
    return budget_table(trials, scores_of(trials)).set_index("arm")


def random_trials(seed):
    """Three arms, two repetitions and two algorithms with trials of every status."""
    rng = np.random.default_rng(seed)
    rows = []
    for algorithm in ("logistic_regression", "support_vector_machine"):
        for arm in ("none", "memory", "step_time"):
            for repetition in (1, 2):
                for size in 2 ** np.arange(1, 9):
                    status = rng.choice([*Status], p=[0.6, 0.2, 0.1, 0.1])
                    if arm == "none" and status == "stopped":
                        status = "completed"
                    done = status == "completed"
                    rows.append(
                        trial(
                            point(int(size), 0.1, 0.01),
                            arm,
                            algorithm=algorithm,
                            repetition=repetition,
                            status=status,
                            steps_used=1000 if done else int(rng.integers(0, 1000)),
                            steady_train_time_s=rng.uniform(0, 100),
                            train_time_s=rng.uniform(0, 100),
                            cpu_time_s=rng.uniform(0, 100),
                            score=math.nan if status == "diverged" else rng.integers(0, 5) / 4,
                        )
                    )
    return trials_table(*rows)


def test_savings_are_what_the_arm_used_less_than_the_baseline():
    budget = budget_of(
        trial(SMALL, train_time_s=10, steady_train_time_s=8, cpu_time_s=12),
        trial(LARGE, train_time_s=30, steady_train_time_s=24, cpu_time_s=38),
        trial(SMALL, "step_time", train_time_s=11, steady_train_time_s=8, cpu_time_s=13),
        trial(
            LARGE,
            "step_time",
            status="stopped",
            steps_used=100,
            train_time_s=3,
            steady_train_time_s=2,
            cpu_time_s=4,
        ),
    )
    arm = budget.loc["step_time"]
    assert (arm["trials"], arm["trials_stopped"]) == (2, 1)
    assert (arm["steps_planned"], arm["steps_used"], arm["steps_saved"]) == (2000, 1100, 900)
    assert (arm["steady_train_time_s"], arm["steady_time_saved_s"]) == (10, 22)
    assert (arm["train_time_s"], arm["train_time_saved_s"]) == (14, 26)
    assert (arm["cpu_time_s"], arm["cpu_time_saved_s"]) == (17, 33)
    assert arm["steady_saved_fraction"] == 22 / 32
    assert arm["saved_fraction"] == 26 / 40
    assert arm["saved_steps_fraction"] == 900 / 2000


def test_steps_that_diverged_trials_left_are_no_saving_of_the_arm():
    diverged = {"status": "diverged", "steps_used": 200, "score": math.nan}
    budget = budget_of(
        trial(SMALL),
        trial(LARGE, **diverged),
        trial(SMALL, "memory"),
        trial(LARGE, "memory", **diverged),
    )
    assert budget["trials_diverged"].tolist() == [1, 1]
    assert budget["steps_saved"].tolist() == [800, 800]
    assert budget["saved_steps_fraction"].tolist() == [0, 0]


def test_the_baseline_saves_nothing_and_regrets_nothing():
    baseline = budget_of(trial(SMALL, score=0.4), trial(LARGE, score=0.9)).loc["none"]
    fractions = ["steady_saved_fraction", "saved_fraction", "saved_steps_fraction"]
    assert (baseline[[*SAVED_TIMES.values(), *fractions, "regret", "test_regret"]] == 0).all()
    assert not baseline["winner_stopped"]


def test_stopping_the_baselines_best_trial_costs_its_lead_over_the_next_best():
    arm = budget_of(
        trial(SMALL, score=0.75),
        trial(LARGE, score=1.0),
        trial(SMALL, "step_time", score=0.75),
        trial(LARGE, "step_time", status="stopped", score=0.875),
    ).loc["step_time"]
    assert arm["winner_stopped"]
    assert (arm["baseline_best_trial_id"], arm["best_trial_id"]) == (LARGE.trial_id, SMALL.trial_id)
    assert (arm["baseline_best_score"], arm["best_score"], arm["regret"]) == (1.0, 0.75, 0.25)
    assert arm["baseline_test_score"] == pytest.approx(0.9)
    assert arm["test_score"] == pytest.approx(0.65)
    assert arm["test_regret"] == pytest.approx(0.25)


def test_stopping_any_other_trial_costs_nothing():
    arm = budget_of(
        trial(SMALL, score=1.0),
        trial(LARGE, score=0.5),
        trial(SMALL, "step_time", score=1.0),
        trial(LARGE, "step_time", status="stopped", score=0.25),
    ).loc["step_time"]
    assert not arm["winner_stopped"]
    assert arm["regret"] == 0


def test_a_stopped_trial_that_is_a_candidate_may_win_and_the_regret_be_negative():
    arm = budget_of(
        trial(SMALL, score=0.5),
        trial(LARGE, score=0.75),
        trial(SMALL, "plateau", score=0.5),
        trial(LARGE, "plateau", status="stopped", candidate=True, score=1.0),
    ).loc["plateau"]
    assert arm["winner_stopped"]
    assert (arm["best_trial_id"], arm["regret"]) == (LARGE.trial_id, -0.25)


def test_an_arm_without_any_candidate_has_no_best_trial_no_score_and_no_regret():
    arm = budget_of(trial(SMALL), trial(SMALL, "memory", status="stopped", steps_used=0)).loc[
        "memory"
    ]
    assert arm["best_trial_id"] == ""
    assert arm[["best_score", "regret", "test_score", "test_regret"]].isna().all()
    assert arm["baseline_best_score"] == 0.5
    assert arm["winner_stopped"]


def test_a_baseline_whose_trials_all_diverged_has_no_winner_to_stop():
    diverged = {"status": "diverged", "score": math.nan}
    budget = budget_of(trial(SMALL, **diverged), trial(SMALL, "memory", **diverged))
    assert (budget["baseline_best_trial_id"] == "").all()
    assert budget["regret"].isna().all()
    assert not budget["winner_stopped"].any()


def test_equal_scores_go_to_the_first_trial_id_whatever_the_times():
    ids = sorted([SMALL, MIDDLE, LARGE], key=lambda configuration: configuration.trial_id)
    for slowest in ids:
        trials = trials_table(
            *(trial(each, train_time_s=90 if each == slowest else 10) for each in reversed(ids))
        )
        assert best_trials(trials)["trial_id"].tolist() == [ids[0].trial_id]


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_not_finite_never_wins(score):
    trials = trials_table(trial(SMALL, score=score), trial(LARGE, score=-5.0))
    assert best_trials(trials)["trial_id"].tolist() == [LARGE.trial_id]


def test_best_trials_returns_the_trial_to_refit_and_skips_studies_without_candidates():
    trials = trials_table(
        trial(SMALL, score=0.2),
        trial(LARGE, score=0.3),
        trial(SMALL, "memory", status="stopped"),
    )
    expected = {
        "dataset": ["digits"],
        "algorithm": ["logistic_regression"],
        "arm": ["none"],
        "repetition": [1],
        "trial_id": [LARGE.trial_id],
        "score": [0.3],
        "steps_used": [1000],
    }
    assert_frame_equal(best_trials(trials), pd.DataFrame(expected))


def test_a_configuration_that_failed_in_one_arm_counts_in_none_of_them():
    budget = budget_of(
        trial(SMALL, train_time_s=10, score=0.5),
        trial(LARGE, train_time_s=90, score=1.0),
        trial(SMALL, "memory", train_time_s=8, score=0.5),
        trial(LARGE, "memory", status="failed", steps_used=100, train_time_s=1),
    )
    assert budget["trials"].tolist() == [2, 2]
    assert budget.loc[["none", "memory"], "trials_failed"].tolist() == [0, 1]
    assert budget["steps_planned"].tolist() == [1000, 1000]
    assert budget.loc["memory", "saved_fraction"] == 0.2
    assert budget.loc["memory", "saved_steps_fraction"] == 0
    assert budget.loc["memory", "regret"] == 0


def test_a_study_whose_trials_all_failed_has_a_row_that_claims_no_saving():
    arm = budget_of(trial(SMALL), trial(SMALL, "memory", status="failed")).loc["memory"]
    assert (arm["trials"], arm["trials_failed"], arm["steps_planned"]) == (1, 1, 0)
    assert math.isnan(arm["saved_fraction"])
    assert arm["best_trial_id"] == ""


def test_every_repetition_is_paired_with_its_own_baseline():
    budget = budget_of(
        trial(SMALL, train_time_s=10),
        trial(SMALL, repetition=2, train_time_s=20),
        trial(SMALL, "memory", train_time_s=5),
        trial(SMALL, "memory", repetition=2, train_time_s=5),
    ).loc["memory"]
    assert budget["saved_fraction"].tolist() == [0.5, 0.75]


@pytest.mark.parametrize("seed", range(5))
def test_identities_hold_exactly_for_any_trials(seed):
    trials = random_trials(seed)
    budget = budget_table(trials, scores_of(trials))
    assert list(budget.columns) == list(BUDGET_SCHEMA.columns)
    assert len(budget) == len(trials.drop_duplicates(STUDY)) == 12
    assert (budget["steps_used"] + budget["steps_saved"] == budget["steps_planned"]).all()
    baseline = budget[budget["arm"] == "none"].set_index(REPLICATE)
    for arm, rows in budget.groupby("arm"):
        rows = rows.set_index(REPLICATE)
        for time, saved in SAVED_TIMES.items():
            assert (rows[saved] == baseline[time] - rows[time]).all()
        for steady, saved in (("steady_", "steady_time_saved_s"), ("", "train_time_saved_s")):
            share = rows[saved] / baseline[f"{steady}train_time_s"]
            assert (rows[f"{steady}saved_fraction"] == share).all()
        used = baseline["steps_used"]
        assert (rows["saved_steps_fraction"] == (used - rows["steps_used"]) / used).all()
        for name in ("best_score", "test_score"):
            assert rows[f"baseline_{name}"].equals(baseline[name].rename(f"baseline_{name}")), arm
        assert rows["regret"].equals((baseline["best_score"] - rows["best_score"]).rename("regret"))


def test_a_study_without_a_baseline_is_refused_by_name():
    trials = trials_table(trial(SMALL, "memory"))
    with pytest.raises(UserError, match=r"(?s)no baseline arm 'none'.*digits.*study\.arms"):
        budget_table(trials, scores_of(trials))


def test_a_best_trial_without_a_test_score_is_refused_by_name():
    trials = trials_table(trial(SMALL, score=0.2), trial(LARGE, score=0.3))
    scores = scores_of(trials)
    without = scores[scores["trial_id"] != LARGE.trial_id]
    with pytest.raises(UserError, match=f"(?s)test_scores: .*{re.escape(LARGE.trial_id)}"):
        budget_table(trials, without)


def test_the_refitted_winner_may_diverge_which_leaves_no_test_regret():
    trials = trials_table(trial(SMALL))
    baseline = budget_table(trials, scores_of(trials).assign(test_score=math.nan)).iloc[0]
    assert baseline["best_score"] == 0.5
    assert math.isnan(baseline["test_score"]) and math.isnan(baseline["test_regret"])


def test_the_summary_of_an_arm_is_the_mean_of_its_repetitions_with_intervals():
    trials = trials_table(
        trial(SMALL, score=0.5),
        trial(LARGE, score=1.0),
        trial(SMALL, repetition=2, score=0.5),
        trial(LARGE, repetition=2, score=1.0),
        trial(SMALL, "memory", score=0.5, train_time_s=5),
        trial(LARGE, "memory", score=1.0),
        trial(SMALL, "memory", repetition=2, score=0.5),
        trial(LARGE, "memory", repetition=2, status="stopped", train_time_s=0),
    )
    summary = arm_summary(budget_table(trials, scores_of(trials))).set_index("arm").loc["memory"]
    assert summary["repetitions"] == 2
    assert summary["saved_fraction"] == pytest.approx((0.25 + 0.5) / 2)
    # Resamples of two have the mean of the lower one in a quarter of cases, and so of the higher.
    assert (summary["saved_fraction_low"], summary["saved_fraction_high"]) == (0.25, 0.5)
    assert summary["cpu_saved_fraction"] == 0
    assert summary["regret"] == 0.25
    assert (summary["regret_low"], summary["regret_high"]) == (0, 0.5)
    assert summary["winner_stopped"] == 0.5
    assert summary["trials_stopped"] == 0.5


def test_the_summary_does_not_hide_a_repetition_that_found_no_model():
    trials = trials_table(
        trial(SMALL),
        trial(SMALL, repetition=2),
        trial(SMALL, "memory"),
        trial(SMALL, "memory", repetition=2, status="stopped"),
    )
    summary = arm_summary(budget_table(trials, scores_of(trials))).set_index("arm")
    assert summary.loc["memory", ["regret", "regret_low", "regret_high"]].isna().all()
    assert summary.loc["none", "regret"] == 0


def test_one_repetition_has_no_interval():
    trials = trials_table(trial(SMALL), trial(SMALL, "memory", cpu_time_s=9))
    summary = arm_summary(budget_table(trials, scores_of(trials))).set_index("arm").loc["memory"]
    assert summary["cpu_saved_fraction"] == 0.25
    ends = [f"{name}_{end}" for name in ("saved_fraction", "regret") for end in ("low", "high")]
    assert summary[ends].isna().all()


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_its_description_says():
    rng = np.random.default_rng(3)

    def held(repetitions):
        draws = rng.normal(0.3, 0.05, (400, repetitions))
        intervals = [interval_of_mean(pd.Series(values)) for values in draws]
        return np.mean([low <= 0.3 <= high for low, high in intervals])

    # Four standard errors of a share of 400 draws are 0.09 at three of four and 0.04 at 95 %.
    assert held(3) == pytest.approx(0.75, abs=0.09)
    assert held(40) == pytest.approx(0.95, abs=0.04)
