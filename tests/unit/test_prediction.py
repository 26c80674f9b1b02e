"""Predictions of known curves, and what stopping on them saves."""

import numpy as np
import pytest
from generated_tables import PAIRS, trials_and_windows

from sysstop.analysis.prediction import (
    LIMIT_QUANTILES,
    WINDOWS_SEEN,
    prediction_saving_table,
    prediction_table,
)
from sysstop.study.metrics import predicted_metrics


@pytest.fixture(scope="module")
def simulated():
    return trials_and_windows(PAIRS[:1], repetitions=2)


@pytest.fixture(scope="module")
def even(simulated):
    """The simulated study with curves that never vary: each window is like the one before."""
    trials, windows = simulated
    batch = batch_sizes(trials, windows)
    times = {"train_time_s": 0.01 * windows["step"] * batch, "step_time_ms": 2.0 * batch}
    steady = windows.assign(
        **times,
        **{f"steady_{name}": values for name, values in times.items()},
        memory_mb=100.0,
        memory_peak_mb=120.0,
    )
    return trials, steady


def batch_sizes(trials, windows):
    """The batch size of each window's trial."""
    return windows["trial_id"].map(
        trials.drop_duplicates("trial_id").set_index("trial_id")["batch_size"]
    )


def point(table, metric, windows_seen):
    rows = table[(table["metric"] == metric) & (table["windows_seen"] == windows_seen)]
    return rows.iloc[0]


def test_an_even_curve_is_predicted_without_error_from_its_first_window(even):
    table = prediction_table(*even)
    assert set(table["metric"]) == set(predicted_metrics())
    assert set(table["windows_seen"]) == set(WINDOWS_SEEN)
    assert table["median_error"].to_numpy() == pytest.approx(0)
    assert table["error_90"].to_numpy() == pytest.approx(0)


def test_the_error_is_how_far_the_final_value_is_missed(even):
    trials, windows = even
    first = windows["window"] == 1
    # The first window takes as long as three others, and shows half of the memory.
    warm_up_s = 0.01 * 200 * batch_sizes(trials, windows)
    changed = windows.assign(
        steady_train_time_s=windows["steady_train_time_s"] + warm_up_s,
        memory_peak_mb=windows["memory_peak_mb"].where(~first, 60.0),
    )
    table = prediction_table(trials, changed)
    # 10 windows of a first one's length against 12 that it really takes.
    assert point(table, "steady_train_time_s", 1)["median_error"] == pytest.approx(30 / 12 - 1)
    assert point(table, "steady_train_time_s", 2)["median_error"] == pytest.approx(0)
    assert point(table, "memory_peak_mb", 1)["median_error"] == pytest.approx(0.5)
    assert point(table, "memory_peak_mb", 2)["median_error"] == pytest.approx(0)


def test_only_trials_that_ran_on_are_predicted(simulated):
    trials, windows = simulated
    table = prediction_table(trials, windows[windows["window"] <= 4])
    assert set(table["windows_seen"]) == {1, 2}
    completed = trials[(trials["arm"] == "none") & (trials["status"] == "completed")]
    assert set(table["trials"]) == {len(completed)}


def test_stopping_on_an_exact_prediction_saves_more_and_nothing_wrongly(even):
    trials, windows = even
    table = prediction_saving_table(trials, windows)
    assert (
        table.groupby("repetition")["limit_quantile"].apply(list).tolist()
        == [list(LIMIT_QUANTILES)] * 2
    )
    assert (table["saved_on_prediction"] >= table["saved_on_value"]).all()
    assert (table["wrongly_stopped"] == 0).all()
    row = table[table["limit_quantile"] == 0.5].iloc[0]
    mine = (trials["arm"] == "none") & (trials["repetition"] == 1)
    batch = trials.loc[mine, "batch_size"]
    total = 10 * batch
    limit = total.median()
    assert row["limit"] == pytest.approx(limit)
    # The prediction stops a trial after 2 of its 10 windows, or after the first if that one alone
    # is beyond the limit.
    windows_saved = np.where(0.1 * total > limit, 9, 8)
    saved = (windows_saved / 10 * total)[total > limit].sum() / total.sum()
    assert row["saved_on_prediction"] == pytest.approx(saved)


def test_a_prediction_that_is_too_high_stops_trials_that_would_have_kept_the_limit(even):
    trials, windows = even
    early = windows["window"] <= 3
    # Slow at first and fast later: the pace of the second window promises too much.
    slow_start = windows["steady_train_time_s"].where(
        ~early, windows["steady_train_time_s"] * (1 + 0.5 * (windows["window"] == 2))
    )
    table = prediction_saving_table(trials, windows.assign(steady_train_time_s=slow_start))
    assert (table["wrongly_stopped"] > 0).any()
    assert (table["wrongly_stopped"] <= table["within_limit"]).all()


def test_without_a_completed_trial_there_is_nothing_to_predict():
    diverged = trials_and_windows(PAIRS[:1], repetitions=1, all_diverge=PAIRS[:1])
    assert prediction_table(*diverged).empty
    assert prediction_saving_table(*diverged).empty


def test_predictions_do_not_see_the_future(simulated):
    trials, windows = simulated
    changed = windows.assign(
        step_time_ms=np.where(windows["window"] > 2, 99.0, windows["step_time_ms"])
    )
    before, after = (prediction_table(trials, table) for table in (windows, changed))
    first, second = (point(table, "step_time_ms", 2) for table in (before, after))
    assert first["median_error"] < 0.1 < second["median_error"]
