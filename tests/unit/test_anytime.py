"""How good a model each arm has after each share of the budget, on trials with known answers."""

import math

import numpy as np
import pandas as pd
import pytest

from sysstop.analysis.anytime import BUDGET_FRACTIONS, anytime_summary, anytime_table
from sysstop.analysis.chance import random_best

# Ten trials whose best has a regret of 0 and whose median one has a regret of 1.
SCORES = np.array([0.9, 0.8, 0.75, 0.72, 0.6, 0.4, 0.3, 0.2, 0.2, 0.1])
WINNER = 0


def study(arm="none", scores=SCORES, time_s=10.0, repetition=1, dataset="digits", **columns):
    """A study whose trials all complete after `time_s` each."""
    return pd.DataFrame(
        {
            "dataset": dataset,
            "task": "classification",
            "algorithm": "logistic_regression",
            "arm": arm,
            "repetition": repetition,
            "trial_id": [f"trial-{at:02}" for at in range(len(scores))],
            "status": "completed",
            "candidate": True,
            "steps_used": 1000,
            "steady_train_time_s": time_s,
            "score": scores,
        }
        | columns
    )


def stopped(of_study, trials, time_s, candidate=False):
    """The study with these trials stopped early."""
    of_study = of_study.copy()
    of_study.loc[trials, ["status", "candidate", "steps_used", "steady_train_time_s"]] = [
        "stopped",
        candidate,
        100,
        time_s,
    ]
    return of_study


def regrets(*studies, arm="none"):
    """The normalised regret of an arm's only study by the share of the budget."""
    table = anytime_table(pd.concat(studies, ignore_index=True))
    return table[table["arm"] == arm].set_index("budget_fraction")["normalised_regret"]


def normalised(scores):
    return np.minimum((0.9 - scores) / (0.9 - np.median(SCORES)), 1)


def test_the_baseline_in_random_order_is_random_search():
    found = regrets(study())
    # With equal times, k tenths of the budget are k trials: all but k are thrown away. A model below
    # the median counts as the median.
    expected = random_best(np.maximum(SCORES, np.median(SCORES)), 10)
    for trials in range(1, 11):
        regret = normalised(expected[10 - trials])
        assert found[trials / 10] == pytest.approx(regret, abs=0.05)
    assert found[1.0] == 0
    assert (found.diff().dropna() <= 0).all()


def test_a_trial_leaves_its_model_only_once_it_has_ended():
    found = regrets(study())
    assert found[0.05] == 1
    assert found[0.15] == found[0.1] < 1


def test_an_arm_that_stops_nothing_is_random_search_whatever_its_clock_read():
    again = study("again", time_s=np.linspace(10.1, 10.9, 10))
    pd.testing.assert_series_equal(regrets(study(), again), regrets(study(), again, arm="again"))


def test_an_arm_that_stops_bad_trials_early_finds_the_best_sooner():
    arm = stopped(study("plateau"), range(5, 10), time_s=1.0, candidate=True)
    found, random = regrets(study(), arm, arm="plateau"), regrets(study())
    assert (found <= random).all()
    assert found[0.5] < random[0.5] - 0.1
    # All trials have ended after 55 of 100 s.
    assert (found[0.55:] == 0).all()


def test_an_arm_that_stops_the_winner_never_gets_there():
    arm = stopped(study("memory"), [WINNER], time_s=1.0)
    assert regrets(study(), arm, arm="memory")[1.0] == pytest.approx(normalised(0.8))


def test_stopped_and_diverged_trials_use_the_budget():
    diverged = study().assign(score=[*SCORES[:-1], math.nan], candidate=[True] * 9 + [False])
    diverged["status"] = ["completed"] * 9 + ["diverged"]
    assert regrets(diverged)[0.95] > 0
    # Half of the budget goes into trials that leave no model.
    late = stopped(study("memory"), range(1, 10), time_s=10.0)
    assert regrets(study(), late, arm="memory")[0.5] == pytest.approx(0.5, abs=0.08)


def test_no_model_counts_as_the_median_one_and_is_never_better_than_a_model():
    nothing = stopped(study("memory"), range(10), time_s=1.0)
    worst = stopped(study("step_time"), range(9), time_s=1.0)
    assert (regrets(study(), nothing, arm="memory") == 1).all()
    assert (regrets(study(), worst, arm="step_time") == 1).all()
    table = anytime_table(pd.concat([study(), nothing, worst]))
    left = table[table["budget_fraction"] == 1].set_index("arm")["without_model"]
    assert left.to_dict() == {"memory": 1, "none": 0, "step_time": 0}


def test_a_better_model_than_the_baselines_best_has_a_negative_regret():
    arm = stopped(study("plateau"), [1], time_s=5.0, candidate=True)
    arm.loc[1, "score"] = 0.95
    assert regrets(study(), arm, arm="plateau")[1.0] == pytest.approx(normalised(0.95))


def test_a_configuration_that_failed_in_any_arm_is_left_out_of_all():
    arm = study("memory")
    arm.loc[WINNER, ["status", "candidate"]] = ["failed", False]
    table = anytime_table(pd.concat([study(), arm]))
    assert (table.loc[table["budget_fraction"] == 1, "normalised_regret"] == 0).all()


@pytest.mark.parametrize(
    "baseline",
    [
        study(scores=[0.5] * 4),
        study(scores=[0.5]),
        study(status="diverged", candidate=False, score=math.nan),
    ],
    ids=["all alike", "a single trial", "none completed"],
)
def test_without_a_better_and_a_worse_model_there_is_no_regret(baseline):
    table = anytime_table(baseline)
    assert len(table) == len(BUDGET_FRACTIONS)
    assert table["normalised_regret"].isna().all()
    assert anytime_summary(table).empty


def at_half(summary, arm):
    return summary.set_index(["arm", "budget_fraction"]).loc[(arm, 0.5)]


def test_repetitions_of_a_pair_are_averaged_with_an_interval_of_their_mean():
    studies = []
    for repetition in (1, 2, 3):
        arm = stopped(study("plateau", repetition=repetition), range(10 - 3 * repetition, 10), 1.0)
        studies += [study(repetition=repetition), arm]
    table = anytime_table(pd.concat(studies))
    of_arm = table[(table["arm"] == "plateau") & (table["budget_fraction"] == 0.5)]
    summary = anytime_summary(table)
    row = at_half(summary, "plateau")
    regret = of_arm["normalised_regret"]
    assert row["samples"] == 3
    assert row["normalised_regret"] == pytest.approx(regret.mean())
    assert regret.min() <= row["normalised_regret_low"] < row["normalised_regret_high"]
    assert row["difference"] == pytest.approx(
        row["normalised_regret"] - at_half(summary, "none")["normalised_regret"]
    )
    assert row["difference_high"] < 0
    assert (
        at_half(summary, "none")[["difference", "difference_low", "difference_high"]] == 0
    ).all()


def test_a_single_search_has_no_interval():
    row = at_half(anytime_summary(anytime_table(pd.concat([study(), study("memory")]))), "memory")
    assert row["samples"] == 1
    assert row["difference"] == 0
    assert row[["normalised_regret_low", "difference_high"]].isna().all()


def test_of_several_pairs_each_counts_once_however_often_it_was_repeated():
    lost = stopped(study("memory", dataset="wine"), [WINNER], time_s=10.0)
    kept = [study("memory", repetition=repetition) for repetition in (1, 2, 3)]
    baselines = [study(repetition=repetition) for repetition in (1, 2, 3)]
    table = anytime_table(pd.concat([*baselines, *kept, study(dataset="wine"), lost]))
    summary = anytime_summary(table)
    row = summary[(summary["arm"] == "memory") & (summary["budget_fraction"] == 1)].iloc[0]
    assert row["samples"] == 2
    assert row["normalised_regret"] == pytest.approx(normalised(0.8) / 2)


def test_arms_are_compared_only_where_all_of_them_are():
    table = anytime_table(
        pd.concat(
            [study(), study("memory"), study(dataset="wine"), study("memory", dataset="wine")]
        )
    )
    partial = table[(table["arm"] == "none") | (table["dataset"] == "digits")]
    assert set(anytime_summary(partial)["samples"]) == {1}
