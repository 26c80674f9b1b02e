"""What a partial report tells of, and that it says so."""

import pandas as pd
import pytest

from sysstop.plan.partial import finished_studies
from sysstop.report.study import study_size
from sysstop.run.errors import UserError
from sysstop.study.studies import Study

PLANNED = [
    Study("flowers", "logistic_regression", arm, repetition)
    for repetition in (1, 2)
    for arm in ("none", "memory", "plateau")
]


@pytest.fixture
def folders(tmp_path):
    """The folders of the planned studies, of which some have a summary of their search."""

    def make(*finished):
        folders = {study: tmp_path / study.key for study in PLANNED}
        for study in finished:
            folders[study].mkdir(parents=True)
            (folders[study] / "search.json").write_text("{}")
        return folders

    return make


def test_finished_searches_are_told_of_in_the_order_of_the_plan(folders):
    assert finished_studies(folders(*reversed(PLANNED[:2]))) == PLANNED[:2]


def test_a_search_counts_only_beside_its_own_baseline(folders):
    baseline, *_, other_repetition = PLANNED
    assert finished_studies(folders(baseline, other_repetition)) == [baseline]


def test_without_a_baseline_there_is_nothing_to_report(folders):
    with pytest.raises(UserError, match="no search of a baseline"):
        finished_studies(folders(PLANNED[1]))


def test_the_report_says_that_it_is_partial():
    trials = pd.DataFrame({"dataset": ["a"], "algorithm": ["b"], "arm": ["none"]})
    config = {"study": {"repetitions": 2}}
    partial = study_size(config | {"partial": {"finished": 2, "planned": 6}}, trials)
    assert "PARTIAL REPORT: only 2 of 6 searches are finished so far" in partial
    assert "PARTIAL" not in study_size(config, trials)
