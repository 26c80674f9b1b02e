import time

import psutil
import pytest

from sysstop.search.host_load import HostLoad, busy_warning

QUIET = {"load_observed_s": 60.0, "other_cpu_percent": 3.0, "stolen_cpu_percent": 0.5}


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_cpu_time_that_the_trials_did_not_use_went_to_something_else():
    load = HostLoad()
    busy(1.0)
    others, trials = load.read(trials_cpu_s=0.0), load.read(trials_cpu_s=1.0)
    one_second = 100 / (others["load_observed_s"] * psutil.cpu_count())
    assert others["other_cpu_percent"] >= 0.8 * one_second
    assert trials["other_cpu_percent"] <= others["other_cpu_percent"] - 0.8 * one_second


def test_a_quiet_machine_is_not_warned_of():
    assert busy_warning(QUIET) == ""
    assert busy_warning({}) == ""


@pytest.mark.parametrize(
    ("reading", "words"),
    [("other_cpu_percent", "something other than the trials"), ("stolen_cpu_percent", "virtual")],
)
def test_a_busy_machine_is_warned_of_with_what_to_do(reading, words):
    warning = busy_warning(QUIET | {reading: 40.0})
    assert warning.startswith("WARNING: the machine was busy: 40 %")
    assert words in warning
    assert "--forcerun search" in warning


def test_a_search_too_short_to_tell_is_not_warned_of():
    assert busy_warning(QUIET | {"other_cpu_percent": 80.0, "load_observed_s": 1.0}) == ""
