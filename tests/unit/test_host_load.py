from types import SimpleNamespace

import pytest

from sysstop.search import host_load
from sysstop.search.host_load import HostLoad, busy_warning

QUIET = {"load_observed_s": 60.0, "other_cpu_percent": 3.0, "stolen_cpu_percent": 0.5}
CPU_TIMES = ("user", "system", "idle", "steal", "guest")


@pytest.fixture
def machine(monkeypatch):
    """A machine of two cores and its accounts of CPU time, which a test may raise."""
    machine = SimpleNamespace(now_s=100.0, **dict.fromkeys(CPU_TIMES, 1000.0))

    def cpu_times():
        return SimpleNamespace(
            **{name: getattr(machine, name) for name in CPU_TIMES}, _fields=CPU_TIMES
        )

    monkeypatch.setattr(host_load.psutil, "cpu_times", cpu_times)
    monkeypatch.setattr(host_load.psutil, "cpu_count", lambda: 2)
    monkeypatch.setattr(host_load, "time", SimpleNamespace(monotonic=lambda: machine.now_s))
    return machine


def test_cpu_time_that_the_trials_did_not_use_went_to_something_else(machine):
    load = HostLoad()
    machine.now_s += 10
    machine.user += 9
    machine.guest += 9  # counted in `user` as well
    machine.system += 1
    machine.idle += 8
    machine.steal += 2
    reading = load.read(trials_cpu_s=6.0)
    assert reading["load_observed_s"] == 10
    # Of the 20 s of two cores.
    assert reading["other_cpu_percent"] == pytest.approx(20)
    assert reading["stolen_cpu_percent"] == pytest.approx(10)
    assert load.read(trials_cpu_s=99.0)["other_cpu_percent"] == 0


def test_a_host_accounts_for_its_cpu_time():
    reading = HostLoad().read(trials_cpu_s=0.0)
    assert reading["load_before"] >= 0
    assert reading["load_observed_s"] > 0
    assert min(reading["other_cpu_percent"], reading["stolen_cpu_percent"]) >= 0


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
