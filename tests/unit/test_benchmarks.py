"""The benchmarks still run, and what must grow in proportion does. Ratios and counts only."""

from benchmarks import growth
from benchmarks.contenders import grid_search_cv, limit
from benchmarks.speed import PEERS
from benchmarks.workload import make_workload


def test_contenders_do_the_whole_work(tmp_path):
    workload = make_workload(tmp_path, trials=4, steps=10)
    whole = limit(workload)
    assert whole["trials"] == grid_search_cv(workload)["trials"] == 4
    assert whole["worked_s"] > 0
    assert limit(workload, every=2)["trials"] == 2
    assert "grid_search_cv" in PEERS


def test_export_and_aggregation_grow_in_proportion_to_the_trials(monkeypatch):
    seconds = {}
    for trials in (100, 400):
        monkeypatch.setattr(growth, "TABLE_STUDIES", 2)
        monkeypatch.setattr(growth, "TABLE_TRIALS", trials // 2)
        found = growth.tables()
        assert found["tables_trials"] == trials
        seconds[trials] = found["tables_export_s"] + found["tables_aggregate_s"]
    assert seconds[400] < 8 * seconds[100]
