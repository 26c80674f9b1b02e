"""The replay compared with what live searches did."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from generated_tables import ARMS, live_search, searches_of, trials_and_windows

from sysstop.analysis.replay_check import replay_check_table
from sysstop.study.rules import (
    BestCost,
    FirstOf,
    MedianRule,
    MetricLimit,
    Plateau,
    SuccessiveHalving,
)

LIVE = {"memory": {"rule": "metric_limit", "metric": "memory_peak_mb", "quantile": 0.75}}
PAIR = ("digits", "logistic_regression")


def repeated():
    """A study whose live arm has the baseline's own readings, stopped where the rule says."""
    trials, windows = trials_and_windows(pairs=[PAIR], repetitions=1, arms={"none": ARMS["none"]})
    limit = trials["memory_peak_mb"].quantile(0.75)
    live = trials.assign(arm="memory", limit=limit)
    beyond = trials["memory_peak_mb"] > limit
    first = windows[windows["window"] == 1].set_index("trial_id")
    live.loc[beyond, ["status", "steps_used"]] = ["stopped", 100]
    times = trials["trial_id"].map(first["steady_train_time_s"])
    live.loc[beyond, "steady_train_time_s"] = times[beyond]
    stopped = windows["trial_id"].isin(trials.loc[beyond, "trial_id"])
    live_windows = windows[~stopped | (windows["window"] == 1)].assign(arm="memory")
    return trials, live, pd.concat([windows, live_windows])


def check(trials, live, windows):
    both = pd.concat([trials, live])
    return replay_check_table(both, windows, LIVE, searches_of(both), seed=2023).iloc[0]


def test_a_live_search_that_did_what_the_replay_says_agrees_in_every_trial():
    row = check(*repeated())
    assert row["trials_agreeing"] == row["trials"] == 40
    assert row["live_trials_stopped"] == row["replayed_trials_stopped"] > 0
    assert row["live_saved_time_fraction"] == pytest.approx(row["replayed_saved_time_fraction"])
    assert row["time_difference"] == pytest.approx(0)
    assert row["within_noise_floor"]


def test_the_replay_has_the_limit_of_the_live_search_and_takes_no_quantile_again():
    trials, live, windows = repeated()
    row = check(trials, live.assign(limit=1e6), windows)
    assert row["limit"] == 1e6
    assert row["replayed_trials_stopped"] == 0


def test_a_trial_that_only_the_replay_stops_is_near_the_limit_or_beyond_noise():
    trials, live, windows = repeated()
    stopped = live["status"] == "stopped"
    spared = stopped & (live["batch_size"] == live["batch_size"].max())
    live.loc[spared, ["status", "steps_used"]] = ["completed", 1000]
    row = check(trials, live, windows)
    assert row["trials_agreeing"] == row["trials"] - spared.sum()
    # Its memory is far beyond the limit, and memory does not differ between the arms.
    assert row["reading_noise"] == 0
    assert row["trials_beyond_noise"] == spared.sum()
    assert row["trials_near_limit"] == 0


def test_a_reading_within_its_own_noise_of_the_limit_is_near_it():
    trials, live, windows = repeated()
    is_live = windows["arm"] == "memory"
    # In the live search every other trial's memory was read 4 % higher.
    higher = is_live & windows["trial_id"].isin(sorted(trials["trial_id"])[::2])
    windows["memory_peak_mb"] *= np.where(higher, 1.04, 1)
    spared = (live["status"] == "stopped") & (live["batch_size"] == live["batch_size"].max())
    live.loc[spared, ["status", "steps_used"]] = ["completed", 1000]
    reading = trials.loc[spared, "memory_peak_mb"].min()
    close, far = (
        check(trials, live.assign(limit=share * reading), windows) for share in (0.985, 0.9)
    )
    assert close["reading_noise"] == pytest.approx(0.04)
    assert close["trials_near_limit"] == spared.sum()
    assert far["trials_near_limit"] == 0
    assert far["trials_beyond_noise"] >= spared.sum()


def test_a_drift_of_the_machine_shows_as_a_difference_within_the_noise_floor():
    trials, live, windows = repeated()
    live["steady_train_time_s"] *= 1.1
    row = check(trials, live, windows)
    assert row["trials_agreeing"] == row["trials"]
    assert row["time_difference"] < 0
    assert row["noise_floor"] == pytest.approx(0.1)
    assert row["within_noise_floor"]


def test_the_arms_of_a_simulated_study_agree_as_far_as_their_noise_lets_them():
    trials, windows = trials_and_windows(pairs=[PAIR])
    table = replay_check_table(trials, windows, ARMS, searches_of(trials), seed=2023)
    assert set(table["arm"]) == set(ARMS) - {"none"}
    counted = table["trials_agreeing"] + table["trials_near_limit"] + table["trials_beyond_noise"]
    assert (counted == table["trials"]).all()
    plateau = table[table["arm"] == "plateau"]
    assert (plateau["trials_agreeing"] == plateau["trials"]).all(), "the loss has no noise"
    assert np.isfinite(table["time_difference"]).all()


COMPARING = [SuccessiveHalving(0.5), MedianRule(0.5), BestCost(3.0)]


@pytest.fixture(scope="module")
def baseline():
    return trials_and_windows(pairs=[PAIR], repetitions=1, arms={"none": ARMS["none"]})


def checked_live(baseline, rule, noisy=False, **live):
    """The check of a live search, whose readings of wall time may be noisy, with its replay."""
    trials, windows = live_search(*baseline, "mine", rule, **live)
    if noisy:
        odd = windows["trial_id"].isin(sorted(trials["trial_id"].unique())[::2])
        windows["train_time_s"] *= np.where((windows["arm"] == "mine") & odd, 1.5, 1)
    arms = {"mine": {"rule": rule.name, **dataclasses.asdict(rule)}}
    table = replay_check_table(trials, windows, arms, searches_of(trials), seed=2023)
    return table.iloc[0]


@pytest.mark.parametrize("rule", COMPARING, ids=lambda rule: rule.name)
def test_a_live_search_that_compared_trials_in_the_replays_order_agrees_in_every_trial(
    baseline, rule
):
    row = checked_live(baseline, rule)
    assert row["trials_agreeing"] == row["trials"] == 40
    assert row["live_trials_stopped"] == row["replayed_trials_stopped"] > 5
    assert row["live_saved_time_fraction"] == pytest.approx(row["replayed_saved_time_fraction"])
    assert (row["rule"], row["limit"]) == (rule.name, rule.limit)


def test_the_replay_has_as_many_workers_as_the_live_search_had(baseline):
    rule, arms = SuccessiveHalving(), {"mine": {"rule": "successive_halving"}}
    trials, windows = live_search(*baseline, "mine", rule, workers=8)
    agreeing = {
        workers: replay_check_table(
            trials, windows, arms, searches_of(trials, workers), seed=2023
        ).iloc[0]["trials_agreeing"]
        for workers in (8, 2)
    }
    assert agreeing[8] == 40 > agreeing[2]


@pytest.mark.parametrize("rule", COMPARING[:2], ids=lambda rule: rule.name)
def test_a_trial_that_ends_otherwise_because_others_came_first_is_told_from_the_rest(
    baseline, rule
):
    pace = np.exp(np.random.default_rng(2).normal(0, 0.4, 40))
    row = checked_live(baseline, rule, pace=pace, noisy=True)
    apart = row["trials"] - row["trials_agreeing"]
    assert 0 < row["trials_in_other_order"] <= apart
    assert row["trials_in_other_order"] + row["trials_beyond_noise"] == apart
    quiet = checked_live(baseline, rule, pace=pace)
    assert (quiet["trials_in_other_order"], quiet["trials_beyond_noise"]) == (0, apart)


def test_the_time_that_trials_waited_for_verdicts_is_a_share_of_their_work(baseline):
    rule = MedianRule()
    trials, _ = live_search(*baseline, "mine", rule)
    live = trials[trials["arm"] == "mine"]
    worked_s = live["train_time_s"].sum() + live["eval_time_s"].sum()
    assert checked_live(baseline, rule)["rule_wait_fraction"] == pytest.approx(0.5 / worked_s)


@pytest.mark.parametrize(
    "rules",
    [
        [Plateau(patience=2, min_improvement=0.01), MetricLimit("memory_peak_mb", 46.0)],
        [MetricLimit("memory_peak_mb", 46.0), SuccessiveHalving(0.5)],
    ],
    ids=["on one trial", "one that compares trials"],
)
def test_an_arm_of_several_rules_is_replayed_with_all_of_them(baseline, rules):
    rule = FirstOf(rules)
    trials, windows = live_search(*baseline, "mine", rule)
    arms = {"mine": {"rules": [{"rule": part.name} for part in rules]}}
    searches = searches_of(trials, rule=rule)
    row = replay_check_table(trials, windows, arms, searches, seed=2023).iloc[0]
    assert row["trials_agreeing"] == row["trials"] == 40
    alone = [checked_live(baseline, part)["replayed_trials_stopped"] for part in rules]
    assert row["replayed_trials_stopped"] == row["live_trials_stopped"]
    # Each stops some; a rule that compares trials sees others where some have ended already.
    assert min(alone) < row["replayed_trials_stopped"] < sum(alone)
    assert row["replayed_trials_stopped"] not in alone
    assert (row["rule"], row["metric"]) == ("first_of", "")
    assert np.isnan(row["limit"])
