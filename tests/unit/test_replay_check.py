"""The replay compared with what live searches did."""

import numpy as np
import pandas as pd
import pytest
from generated_tables import ARMS, trials_and_windows

from sysstop.analysis.replay_check import replay_check_table

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
    return replay_check_table(pd.concat([trials, live]), windows, LIVE).iloc[0]


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
    table = replay_check_table(trials, windows, ARMS)
    assert set(table["arm"]) == set(ARMS) - {"none"}
    counted = table["trials_agreeing"] + table["trials_near_limit"] + table["trials_beyond_noise"]
    assert (counted == table["trials"]).all()
    plateau = table[table["arm"] == "plateau"]
    assert (plateau["trials_agreeing"] == plateau["trials"]).all(), "the loss has no noise"
    assert np.isfinite(table["time_difference"]).all()
