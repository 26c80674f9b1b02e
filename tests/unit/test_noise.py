"""The noise floor from trials that ran twice, on readings whose noise is known."""

import numpy as np
import pandas as pd
import pytest
from generated_tables import ARMS, PAIRS, budget, trials_and_windows

from sysstop.analysis.noise import noise_table, repeated_trials, saving_floor, time_drift
from sysstop.study.metrics import metric_names

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


def test_drift_looks_like_a_saving_and_is_its_floor(repeated_baseline):
    trials = with_ratio(repeated_baseline, "train_time_s", 0.8)
    assert time_drift(trials).tolist() == pytest.approx([0.2])
    assert saving_floor(trials).tolist() == pytest.approx([0.2])
    table = budget(trials).set_index("arm")
    assert table.loc["none_again", "saved_fraction"] == pytest.approx(0.2)
    assert table["noise_floor"].tolist() == pytest.approx([0.2, 0.2])
    assert not table["above_noise_floor"].any()


def test_a_saving_beyond_the_drift_stands_above_the_floor():
    trials, _ = trials_and_windows(PAIRS[:1], ARMS, repetitions=2)
    table = budget(trials)
    above = table["saved_fraction"].abs() > table["noise_floor"]
    assert table["above_noise_floor"].equals(above)
    assert table.loc[table["arm"] == "step_time", "above_noise_floor"].all()
    assert not table.loc[table["arm"] == "none", "above_noise_floor"].any()


def test_without_repeated_trials_there_is_no_floor():
    trials, _ = trials_and_windows(PAIRS[:1], {"none": ARMS["none"]}, repetitions=1)
    assert noise_table(trials).empty
    table = budget(trials)
    assert table["noise_floor"].isna().all()
    assert not table["above_noise_floor"].any()
