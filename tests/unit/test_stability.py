import pandas as pd
import pytest

from sysstop.results.stability import unstable_readings


def windows(*step_times_ms, fits=300, trial_id="t"):
    """The windows of a trial with these step times; its own time is their sum over all fits."""
    train_time_s = pd.Series(step_times_ms).cumsum() * fits / 1e3
    return pd.DataFrame(
        {"trial_id": trial_id, "step_time_ms": step_times_ms, "train_time_s": train_time_s}
    )


@pytest.mark.parametrize(
    ("readings", "reasons"),
    [
        ([1.0, 1.02, 0.98], ""),
        ([1.0, 1.3, 0.7], "spread"),
        ([1.0] * 40 + [1.4], ""),
        ([1.0] * 99 + [1.9], "extreme"),
        ([1.0, 2.5, 1.0], "spread,extreme"),
        ([1.0, 1.0], "few"),
    ],
)
def test_a_step_time_is_unstable_by_these_criteria(readings, reasons):
    assert unstable_readings(windows(*readings))["t"] == reasons


def test_windows_shorter_than_a_millisecond_are_too_short_for_a_reading():
    assert unstable_readings(windows(0.001, 0.001, 0.001))["t"] == "short"


def test_each_trial_is_judged_by_its_own_windows():
    both = pd.concat([windows(1.0, 1.0, 1.0, trial_id="a"), windows(1.0, 3.0, 1.0, trial_id="b")])
    assert unstable_readings(both).to_dict() == {"a": "", "b": "spread,extreme"}


def test_a_window_of_nothing_but_warm_up_is_no_reading():
    warm_up = windows(float("nan"), 1.0, 1.0, 1.0)
    warm_up["train_time_s"] = [0.3, 0.6, 0.9, 1.2]
    assert unstable_readings(warm_up)["t"] == ""
