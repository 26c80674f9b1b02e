import pandas as pd
import pytest

from sysstop.run.errors import UserError
from sysstop.study.arms import arm_entry, make_rule, needs_baseline, stopped_is_candidate
from sysstop.study.rules import MetricLimit, Plateau, PredictedTrainTime

BASELINE = pd.DataFrame(
    {
        "status": ["completed"] * 4 + ["diverged"],
        "memory_mb": [10.0, 20.0, 30.0, 40.0, 900.0],
        "train_time_s": [1.0, 2.0, 3.0, 4.0, 0.1],
    }
)


def test_the_baseline_has_no_rule():
    assert make_rule({"rule": "none"}, None) is None
    assert not stopped_is_candidate({"rule": "none"})


def test_an_absolute_limit_is_taken_as_it_is():
    arm = {"rule": "metric_limit", "metric": "memory_mb", "limit": 5, "grace_windows": 1}
    assert make_rule(arm, None) == MetricLimit("memory_mb", 5, grace_windows=1)
    assert not needs_baseline(arm)


def test_a_quantile_is_taken_over_the_baselines_completed_trials():
    arm = {"rule": "metric_limit", "metric": "memory_mb", "quantile": 0.5}
    assert needs_baseline(arm)
    assert make_rule(arm, BASELINE) == MetricLimit("memory_mb", 25.0)


def test_the_predicted_training_time_is_limited_by_the_baselines_training_times():
    arm = {"rule": "predicted_train_time", "quantile": 0.5}
    assert make_rule(arm, BASELINE) == PredictedTrainTime(2.5)


def test_a_plateau_keeps_its_models_as_candidates():
    arm = {"rule": "plateau", "patience": 2, "min_improvement": 0.1}
    assert make_rule(arm, None) == Plateau(patience=2, min_improvement=0.1)
    assert stopped_is_candidate(arm)


def test_a_baseline_without_completed_trials_gives_no_quantile():
    arm = {"rule": "metric_limit", "metric": "memory_mb", "quantile": 0.5}
    with pytest.raises(UserError, match="no trial of the baseline arm completed"):
        make_rule(arm, BASELINE[BASELINE["status"] == "diverged"])


def test_a_key_that_an_overlay_set_to_null_is_left_out():
    config = {"arms": {"memory": {"rule": "metric_limit", "limit": 5, "quantile": None}}}
    assert arm_entry(config, "memory") == {"rule": "metric_limit", "limit": 5}
