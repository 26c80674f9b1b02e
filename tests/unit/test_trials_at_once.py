"""How many trials run at once: one for each core of Ray, also in the replay of comparing rules."""

import pytest
from generated_tables import ARMS, trials_and_windows

from sysstop.analysis import replay
from sysstop.run.machine import Machine
from sysstop.search import settings
from sysstop.search.settings import (
    expected_trials_at_once,
    few_cores_warning,
    few_trials_warning,
    trials_at_once,
    trials_at_once_here,
)
from sysstop.study.rules import MedianRule, Plateau


@pytest.mark.parametrize(("cores", "at_once"), [(2, 2), (8, 8), (16, 8), (0, 1)])
def test_there_are_as_many_as_workers_but_no_more_than_cores(cores, at_once):
    assert trials_at_once(8, cores) == at_once


def test_this_hosts_cores_bound_its_private_ray_and_no_cluster():
    assert expected_trials_at_once({"workers": 8, "ray_address": "local"}, 2) == 2
    assert expected_trials_at_once({"workers": 8, "ray_address": "10.0.0.1:6379"}, 2) == 8


@pytest.mark.parametrize(("usable_cores", "at_once"), [(2.0, 2), (1.5, 1), (0.3, 1), (64.0, 8)])
def test_trials_on_this_machine_do_not_share_its_cores(monkeypatch, usable_cores, at_once):
    monkeypatch.setattr(settings, "this_machine", lambda: Machine(2**30, usable_cores))
    search = {"workers": 8, "ray_address": "local"}
    assert trials_at_once_here(search, 32) == at_once
    warning = few_cores_warning(search, 32)
    assert bool(warning) == (at_once < 8)
    if warning:
        assert f"{at_once} instead of 8 trials" in warning
        assert f"has {usable_cores:g} core" in warning
    assert few_cores_warning({"workers": 8, "ray_address": "10.0.0.1:6379"}, 32) == ""


@pytest.mark.parametrize(("trials", "warned"), [(3, True), (4, True), (5, False)])
def test_a_rule_that_compares_trials_has_little_to_compare_where_all_run_at_once(trials, warned):
    warning = few_trials_warning(MedianRule(), trials, at_once=4)
    assert ("lower search.workers" in warning) == warned
    assert few_trials_warning(Plateau(patience=2), trials, at_once=4) == ""
    assert few_trials_warning(None, trials, at_once=4) == ""


def test_the_replay_has_as_many_workers_as_each_search_had(monkeypatch):
    pair, used = ("digits", "logistic_regression"), []
    tables = trials_and_windows([pair], {"none": ARMS["none"]}, repetitions=2)
    summaries = [
        {
            "study": dict(zip(("dataset", "algorithm"), pair, strict=True))
            | {"arm": arm, "repetition": repetition},
            "workers": workers,
        }
        for arm, repetition, workers in (("none", 1, 2), ("memory", 1, 7), ("none", 2, 3))
    ]
    search = replay.virtual_searches

    def searched(recording, rule, limits, workers, order):
        used.append(workers)
        return search(recording, rule, limits, workers, order)

    monkeypatch.setattr(replay, "virtual_searches", searched)
    replay.replay_table(*tables, [MedianRule()], replay.baseline_workers(summaries), seed=1)
    assert used == [2, 3]
