"""The benchmarks still run, and what must grow in proportion does. Ratios and counts only."""

import cProfile
import subprocess

import pandas as pd
import pytest

from benchmarks import growth
from benchmarks.contenders import grid_search_cv, limit
from benchmarks.scaling import copies, schedule_table
from benchmarks.speed import PEERS
from benchmarks.steady_time import OURS, measure_steady_time
from benchmarks.workload import WORKERS, make_workload, run_alone
from sysstop.plan.trial_cost import Overhead
from sysstop.search.ray_head import private_environment

pytestmark = pytest.mark.machine


def test_contenders_do_the_whole_work(tmp_path):
    workload = make_workload(tmp_path, trials=4, steps=10)
    whole = limit(workload)
    assert whole["trials"] == grid_search_cv(workload)["trials"] == 4
    assert whole["worked_s"] > 0
    assert limit(workload, every=2)["trials"] == 2
    assert "grid_search_cv" in PEERS


def test_readings_of_wall_cpu_and_steady_time_are_compared():
    table = measure_steady_time(readings=1, trial_s=0.1).set_index("reading")
    assert {"wall", "cpu", OURS} < set(table.index)
    apart = table.drop("cost of the reference")
    assert (apart.notna() & (apart >= 0)).all(axis=None)
    assert 0 < table.loc["cost of the reference", "quiet: median"] < 100


def test_a_search_is_measured_without_snakemake(tmp_path, monkeypatch):
    workload = make_workload(tmp_path, trials=2, steps=10)
    # Its Ray ends with a process of its own, so that no other test finds it running.
    with subprocess.Popen(["sleep", "infinity"]) as owner:
        for name, value in private_environment(owner.pid).items():
            monkeypatch.setenv(name, value)
        found = run_alone("benchmarks.growth", "search", str(workload.folder))
        owner.kill()
    assert found["driver_memory_mb"] > 0
    assert found["s_per_trial"] > found["overhead_s_per_trial"] / WORKERS > 0


def test_export_and_aggregation_grow_in_proportion_to_the_trials(monkeypatch):
    """Counted in function calls, whose number does not depend on a clock."""
    calls = {}
    monkeypatch.setattr(growth, "TABLE_STUDIES", 2)
    monkeypatch.setattr(growth, "TABLE_WINDOWS", 10)
    for trials in (4, 100, 400):  # the first time includes what is done once in a process
        monkeypatch.setattr(growth, "TABLE_TRIALS", trials // 2)
        with cProfile.Profile() as profile:
            found = growth.tables()
        assert found["tables_trials"] == trials
        calls[trials] = sum(entry.callcount for entry in profile.getstats())
    assert calls[400] < 4.4 * calls[100]


def test_nodes_share_the_studies_until_the_longest_chain_of_them_is_left():
    arms, overhead = ["none", "memory"], Overhead(*[0] * 8)
    plan = pd.DataFrame({"arm": arms, "job_s": 90.0, "refit_s": 0.0}).assign(
        dataset="flowers", algorithm="logistic_regression", repetition=1
    )
    many = copies(plan, 20)
    assert len(many) == 40
    assert many["dataset"].nunique() == 20
    schedule = schedule_table("many", many, {"memory"}, overhead).set_index("nodes")
    assert dict(schedule["speed_up"]) == {1: 1, 10: 10, 100: 20}
    assert dict(schedule["busy_percent"]) == {1: 100, 10: 100, 100: 20}
    assert schedule["speed_up_if_no_arm_waits"][100] == 40
