"""The noise floor from trials that ran twice, on readings whose noise is known."""

import numpy as np
import pandas as pd
import pytest
from generated_tables import ARMS, PAIRS, budget, trials_and_windows

from sysstop.analysis.budgets import ROUNDING
from sysstop.analysis.noise import (
    noise_table,
    reading_noise,
    repeated_readings,
    repeated_trials,
    saving_floor,
    time_drift,
)
from sysstop.analysis.recording import recordings
from sysstop.study.metrics import metric_names
from sysstop.study.rules import MetricLimit, PredictedTrainTime

AGAIN = {"none": {"rule": "none"}, "none_again": {"rule": "none"}}


@pytest.fixture(scope="module")
def repeated_baseline():
    return trials_and_windows(PAIRS[:1], AGAIN, repetitions=1)[0]


def with_ratio(trials, metric, ratio):
    """The same trials; the second arm's readings of a metric are the baseline's times a ratio."""
    baseline = trials[trials["arm"] == "none"]
    again = baseline.assign(arm="none_again", **{metric: baseline[metric] * ratio})
    return pd.concat([baseline, again])


def test_the_floor_is_what_nearly_all_repeated_readings_agree_within(repeated_baseline):
    ratios = np.linspace(0.9, 1.1, 40)
    noise = noise_table(with_ratio(repeated_baseline, "memory_mb", ratios)).set_index("metric")
    assert set(noise.index) == set(metric_names("system"))
    assert noise.loc["memory_mb", "repeated_trials"] == 40
    assert noise.loc["memory_mb", "median_difference"] == pytest.approx(0.05, abs=0.003)
    assert noise.loc["memory_mb", "floor"] == pytest.approx(0.095, abs=0.003)
    assert noise.loc["step_time_ms", "floor"] == 0


def test_only_trials_that_both_arms_completed_are_repeated():
    trials, _ = trials_and_windows(PAIRS[2:3], ARMS, repetitions=1)
    repeated = repeated_trials(trials)
    completed = trials[(trials["status"] == "completed") & (trials["arm"] != "none")]
    assert 0 < len(repeated) == len(completed)
    assert (
        not repeated["trial_id"].isin(trials.loc[trials["status"] == "diverged", "trial_id"]).any()
    )


@pytest.mark.parametrize("steady", ["steady_", ""])
def test_drift_looks_like_a_saving_and_is_its_floor(repeated_baseline, steady):
    time = f"{steady}train_time_s"
    trials = with_ratio(repeated_baseline, time, 0.8)
    assert time_drift(trials, time).tolist() == pytest.approx([0.2])
    assert saving_floor(trials, time).tolist() == pytest.approx([0.2])
    table = budget(trials).set_index("arm")
    assert table.loc["none_again", f"{steady}saved_fraction"] == pytest.approx(0.2)
    assert table[f"{steady}noise_floor"].tolist() == pytest.approx([0.2, 0.2])
    assert not table["above_noise_floor"].any()
    assert not table["above_steady_noise_floor"].any()


def test_a_neighbour_makes_a_saving_of_wall_time_and_none_of_steady_time(repeated_baseline):
    table = budget(with_ratio(repeated_baseline, "train_time_s", 0.8)).set_index("arm")
    assert table.loc["none_again", "saved_fraction"] == pytest.approx(0.2)
    assert table.loc["none_again", "steady_saved_fraction"] == 0


def test_no_study_that_stopped_nothing_stands_above_the_floor_that_it_is(repeated_baseline):
    for ratio in np.linspace(0.7, 1.3, 13):
        table = budget(with_ratio(repeated_baseline, "steady_train_time_s", ratio))
        assert not table["above_steady_noise_floor"].any(), ratio


def test_a_saving_beyond_the_drift_stands_above_the_floor():
    trials, _ = trials_and_windows(PAIRS[:1], ARMS, repetitions=2)
    table = budget(trials)
    for steady in ("steady_", ""):
        above = table[f"{steady}saved_fraction"].abs() - table[f"{steady}noise_floor"] > ROUNDING
        assert table[f"above_{steady}noise_floor"].equals(above)
    assert table.loc[table["arm"] == "step_time", "above_steady_noise_floor"].all()
    assert not table.loc[table["arm"] == "none", "above_steady_noise_floor"].any()


def test_without_repeated_trials_there_is_no_floor():
    trials, _ = trials_and_windows(PAIRS[:1], {"none": ARMS["none"]}, repetitions=1)
    assert noise_table(trials).empty
    table = budget(trials)
    assert table[["steady_noise_floor", "noise_floor"]].isna().all(axis=None)
    assert not table[["above_steady_noise_floor", "above_noise_floor"]].any(axis=None)


@pytest.fixture(scope="module")
def read_twice():
    """A study of two arms that never stop; the second one reads alternate windows 4 % higher."""
    trials, windows = trials_and_windows(PAIRS[:1], AGAIN, repetitions=1)
    baseline = windows[windows["arm"] == "none"]
    factor = np.where(baseline["window"] % 2, 1.04, 1.0)
    again = baseline.assign(
        arm="none_again",
        **{name: baseline[name] * factor for name in ("memory_mb", "step_time_ms")},
    )
    return trials, pd.concat([baseline, again])


def test_the_noise_of_a_reading_is_how_far_two_readings_of_one_window_differ(read_twice):
    (_, first), (_, again) = (next(recordings(*read_twice, arm)) for arm in ("none", "none_again"))
    assert reading_noise(MetricLimit("memory_mb", 1), [(first, again)]) == pytest.approx(0.04)
    assert reading_noise(PredictedTrainTime(1), [(first, again)]) == 0
    assert np.isnan(reading_noise(MetricLimit("memory_mb", 1), []))


def test_a_reading_repeated_is_the_first_window_as_a_multiple_of_the_mean_of_all_arms(read_twice):
    _, windows = read_twice
    readings = repeated_readings(windows, ["step_time_ms", "steady_step_time_ms"])
    assert len(readings) == 2 * windows["trial_id"].nunique()
    by_arm = readings.groupby("arm")
    assert by_arm["step_time_ms"].min().tolist() == pytest.approx([2 / 2.04, 2.08 / 2.04])
    assert readings["steady_step_time_ms"].tolist() == pytest.approx([1.0] * len(readings))


def test_readings_of_one_arm_alone_are_not_repeated(read_twice):
    _, windows = read_twice
    alone = windows[windows["arm"] == "none"]
    assert repeated_readings(alone, ["step_time_ms"]).empty
