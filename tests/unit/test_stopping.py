import math

import numpy as np
import pandas as pd
import pytest

from sysstop.results.trial_values import trial_values
from sysstop.study.metrics import limitable_metrics, metric_names
from sysstop.study.rules import (
    RULES,
    Constraints,
    MetricLimit,
    Plateau,
    PredictedTrainTime,
    decide,
    effective_signals,
    predicted_train_time,
)
from sysstop.study.status import Stop

PLANNED = 500


def windows(metric, *values, steps=100):
    return [{"step": steps * number, metric: value} for number, value in enumerate(values, start=1)]


def first_stop(rule, trace):
    """The window after which the rule stops a trial, asked as the live search asks."""
    for count in range(1, len(trace) + 1):
        stop = decide(rule, trace[:count], PLANNED)
        if stop:
            return count, stop
    return None


def test_a_metric_limit_fires_in_the_first_window_beyond_the_limit():
    rule = MetricLimit(metric="memory_peak_mb", limit=100.0)
    stop = Stop("metric_limit", "memory_peak_mb", 100.0, 100.5)
    assert first_stop(rule, windows("memory_peak_mb", 90, 100, 100.5, 200)) == (3, stop)


def test_a_limit_on_a_mean_bears_with_one_window_beyond_it():
    rule = MetricLimit(metric="steady_step_time_ms", limit=1.0)
    stop = Stop("metric_limit", "steady_step_time_ms", 1.0, 1.125)
    assert first_stop(rule, windows("steady_step_time_ms", 0.5, 1.25, 1.25, 1.5)) == (4, stop)


@pytest.mark.parametrize("metric", limitable_metrics())
def test_a_limit_is_compared_with_what_the_table_would_hold_of_a_trial_that_ends_there(metric):
    seen = np.random.default_rng(1).uniform(1, 2, 6)
    seen[2] = np.nan  # not read in one window
    signals = MetricLimit(metric, 1.0).signals({metric: seen}, PLANNED)
    for count, signal in enumerate(signals, 1):
        rows = pd.DataFrame(dict.fromkeys((*metric_names(), "step"), seen[:count]))
        value = trial_values(rows.assign(trial_id="a")).loc["a", metric]
        assert signal == pytest.approx(value, nan_ok=True)


def test_a_quantile_of_noisy_trials_stops_about_the_trials_beyond_it():
    """Were each window compared with it alone, nearly every trial would once be beyond the limit."""
    rng = np.random.default_rng(1)
    costs, noise = rng.uniform(1.0, 1.5, (400, 1)), rng.normal(0, 0.08, (400, 10))
    curves = {
        "step": np.tile(50.0 * np.arange(1, 11), (400, 1)),
        "steady_step_time_ms": costs * (1 + noise),
    }
    limit = np.quantile(curves["steady_step_time_ms"].mean(axis=1), 0.75)
    signals = effective_signals(MetricLimit("steady_step_time_ms", limit), curves, PLANNED)
    assert 0.25 <= (signals > limit).any(axis=1).mean() <= 0.45


def test_a_value_equal_to_the_limit_keeps_it():
    assert first_stop(MetricLimit("memory_mb", 100.0), windows("memory_mb", 100, 100)) is None


def test_no_rule_is_asked_in_its_grace_windows():
    rule = MetricLimit("steady_step_time_ms", limit=1.0, grace_windows=2)
    assert first_stop(rule, windows("steady_step_time_ms", 9, 9, 9))[0] == 3


def test_no_rule_stops_a_trial_that_has_used_its_budget():
    rule = MetricLimit("steady_step_time_ms", limit=1.0)
    assert decide(rule, windows("steady_step_time_ms", 0, 0, 0, 0, 9), PLANNED) is None


def test_a_value_that_is_not_a_number_stops_nothing():
    assert (
        first_stop(
            MetricLimit("steady_step_time_ms", 1.0), windows("steady_step_time_ms", math.nan)
        )
        is None
    )


def test_the_baseline_never_stops():
    assert decide(None, windows("steady_step_time_ms", 1e9), PLANNED) is None


@pytest.mark.parametrize(
    ("train_times", "predicted"),
    [
        ((2.0,), 10.0),  # one window: its own pace for all 500 steps
        ((3.0, 5.0), 11.0),  # 5 s used, 300 steps left at the second window's 2 s per 100
        ((3.0, 5.0, 7.0), 11.0),
    ],
)
def test_the_predicted_training_time_extrapolates_the_pace_after_the_first_window(
    train_times, predicted
):
    step = 100.0 * np.arange(1, len(train_times) + 1)
    signals = predicted_train_time(step, np.array(train_times), PLANNED)
    assert signals[-1] == pytest.approx(predicted)


def test_the_prediction_stops_before_the_limit_itself_is_reached():
    count, stop = first_stop(
        PredictedTrainTime(limit=9.0), windows("steady_train_time_s", 2, 4, 6, 8)
    )
    assert (count, stop.metric, stop.value) == (2, "steady_train_time_s", 10.0)


def test_a_slow_warm_up_alone_stops_no_trial_by_its_predicted_time():
    assert (
        first_stop(PredictedTrainTime(limit=9.0), windows("steady_train_time_s", 4, 5, 6, 7, 8))
        is None
    )


def test_a_first_window_beyond_the_limit_stops_a_trial_without_any_prediction():
    stop = first_stop(PredictedTrainTime(limit=9.0), windows("steady_train_time_s", 9.5, 10, 11))[1]
    assert stop.value == 9.5


def test_the_plateau_fires_once_the_patience_is_exceeded():
    losses = windows("val_loss", 1.0, 0.8, 0.8, 0.8, 0.8, steps=50)
    rule = Plateau(patience=1)
    assert first_stop(rule, losses) == (4, Stop("plateau", "val_loss", 1.0, 2.0))


def test_an_improvement_below_the_minimum_counts_as_none():
    losses = windows("val_loss", 1.0, 0.999, 0.998, 0.5, steps=50)
    assert first_stop(Plateau(patience=1, min_improvement=0.01), losses)[0] == 3


def test_every_rule_says_whether_a_trial_it_stopped_may_still_win():
    keeps = {name: rule.stopped_is_candidate for name, rule in RULES.items()}
    assert keeps == {
        "metric_limit": False,
        "predicted_train_time": False,
        "constraints": False,
        "plateau": True,
        "median": True,
        "best_cost": False,
        "successive_halving": True,
    }


@pytest.mark.parametrize(
    "rule",
    [
        MetricLimit("val_loss", limit=1.5, grace_windows=1),
        PredictedTrainTime(limit=18.0),
        Plateau(patience=1, min_improvement=0.1),
        Constraints({"val_loss": 1.5, "steady_train_time_s": 15.0}, limit=1.1, grace_windows=1),
    ],
)
def test_asked_about_all_windows_of_many_trials_a_rule_says_what_it_says_live(rule):
    rng = np.random.default_rng(1)
    shape, windows_planned = (20, 6), 6
    curves = {
        "step": np.tile(100.0 * np.arange(1, 7), (20, 1)),
        "val_loss": rng.normal(1.0, 0.5, shape),
        "steady_train_time_s": rng.uniform(1, 5, shape).cumsum(axis=1),
    }
    planned = np.full(20, 100 * windows_planned)
    fires = effective_signals(rule, curves, planned) > rule.limit
    assert fires.any()
    assert not fires.all()
    for trial in range(20):
        trace = [{name: values[trial, at] for name, values in curves.items()} for at in range(6)]
        live = [decide(rule, trace[:count], 600) is not None for count in range(1, 7)]
        assert live == list(fires[trial])
