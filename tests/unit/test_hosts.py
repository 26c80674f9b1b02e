"""What the report says where several hosts measured, and how fast each of them was."""

import numpy as np
import pandas as pd
import pytest
from generated_tables import trials_and_windows

from sysstop.analysis.hosts import host_table
from sysstop.report.hosts import host_limitations, shared_core_limitations
from sysstop.results.core_share import core_share_warning, counted_criteria

MIXED = [f"node{number % 2}" for number in range(320)]


def environment(*hosts, **columns):
    """One row per host; a column may be a value, or a list of values."""
    alike = {"cpu_model": "A processor", "cores": 8, "python": "3.11.9", "load_before_max": 0.1}
    return pd.DataFrame({"host": hosts} | alike | columns, index=range(len(hosts)))


@pytest.fixture(scope="module")
def trials():
    trials, _ = trials_and_windows(repetitions=2, seed=5)
    return trials.query("arm == 'none'").reset_index(drop=True)


def test_one_host_is_no_limitation_nor_is_a_failed_trial_of_which_no_host_is_known(trials):
    hosts = ["", *["node1"] * (len(trials) - 1)]
    assert host_limitations(trials.assign(host=hosts), environment("node1")) == []


def test_trials_of_one_study_on_several_hosts_are_a_limitation(trials):
    (text,) = host_limitations(trials.assign(host=MIXED), environment("node0", "node1"))
    assert (
        "In all 8 studies the trials ran on more than one host (2 hosts: node0 and node1)" in text
    )


def test_studies_on_a_host_each_are_a_limitation_of_another_kind(trials):
    hosts = np.where(trials["repetition"] == 1, "node0", "node1")
    (text,) = host_limitations(trials.assign(host=hosts), environment("node0", "node1"))
    assert "Each study ran on one host, but not all on the same" in text


def test_hosts_that_differ_are_named_with_what_they_differ_in(trials):
    unlike = environment("node0", "node1", cpu_model=["A processor", "Another"], cores=[8, 64])
    _, text = host_limitations(trials.assign(host=MIXED), unlike)
    assert "The hosts are not alike" in text
    assert "CPU model (A processor on node0 and Another on node1)" in text
    assert "cores (8 on node0 and 64 on node1)" in text
    assert "python" not in text


def test_a_host_whose_load_nobody_read_is_named(trials):
    hosts = environment("node0", "node1", load_before_max=[0.1, np.nan])
    _, text = host_limitations(trials.assign(host=MIXED), hosts)
    assert "How busy node1 was with something else is not known" in text


def test_how_long_steps_take_on_each_host_is_taken_from_configurations_that_ran_on_both(trials):
    hosts = pd.Series(np.where(trials["repetition"] == 1, "node0", "node1"))
    slower = trials.assign(
        host=hosts, step_time_ms=trials["step_time_ms"].where(hosts == "node0", 1.5 * trials["step_time_ms"])
    )  # fmt: skip
    table = host_table(slower, environment("node0", "node1")).set_index("host")
    ratio = table["step_time_ratio"]
    assert ratio["node1"] / ratio["node0"] == pytest.approx(1.5, rel=0.05)
    # What slows a host slows the reference step as well.
    steady = table["steady_step_time_ratio"]
    assert steady["node1"] / steady["node0"] == pytest.approx(1, rel=0.02)
    assert (table["compared_configurations"] > 100).all()
    assert list(table["studies"]) == [4, 4]
    assert table["trials"].sum() == len(trials)


def test_hosts_that_share_no_configuration_are_not_compared(trials):
    once = trials.query("repetition == 1").assign(host=lambda rows: rows["trial_id"].str[:6])
    table = host_table(once, environment(*sorted(once["host"].unique())))
    assert table[["steady_step_time_ratio", "step_time_ratio"]].isna().all(axis=None)
    assert (table["compared_configurations"] == 0).all()


def test_trials_that_did_not_have_a_core_for_themselves_are_a_limitation(trials):
    assert shared_core_limitations(trials.assign(core_share="")) == []
    shares = ["unpinned,shared", "shared", "shared", *[""] * (len(trials) - 3)]
    (text,) = shared_core_limitations(trials.assign(core_share=shares))
    assert "3 of 320 trials did not have a core for themselves" in text
    assert "all cores were reserved for other trials (1 trial)" in text
    assert "less than 90 % of the training's time on it (3 trials)" in text
    assert ": 3)" in text  # of the data set and algorithm


def test_a_search_warns_of_trials_that_did_not_have_a_core_for_themselves():
    assert core_share_warning({}, 2) == ""
    assert core_share_warning(counted_criteria(["", ""]), 2) == ""
    warning = core_share_warning(counted_criteria(["", "unpinned,shared", "shared"]), 3)
    assert warning == (
        "WARNING: 1 of 3 trials had no core of their own and 2 of 3 trials had less than 90 % of a core: "
        "wall times too long, steady times not"
    )
