"""The report in a real MLflow store, a fresh SQLite database."""

from pathlib import Path

import pytest

from sysstop.results.store import open_store
from sysstop.results.tracked_report import track_report

STUDY = {"datasets": ["iris"], "repetitions": 3}


@pytest.fixture
def own(tmp_path):
    return open_store(f"sqlite:///{tmp_path}/mlflow.db", artifacts=tmp_path / "artifacts")


@pytest.fixture
def results(tmp_path):
    """The page and the figures by folder."""
    page, figure = tmp_path / "report.html", tmp_path / "cost.svg"
    page.write_text("<html>")
    figure.write_text("<svg>")
    return page, {"figures/rq1": [figure]}


def test_page_and_figures_are_artifacts_of_a_run_that_says_what_was_studied(own, results):
    run = own.client.get_run(track_report(own, STUDY, *results))
    assert (run.info.run_name, run.info.status) == ("report", "FINISHED")
    assert run.data.params == {"datasets": "['iris']", "repetitions": "3"}
    (at_top, folder) = sorted(own.client.list_artifacts(run.info.run_id), key=lambda a: a.is_dir)
    assert (at_top.path, folder.path) == ("report.html", "figures")
    (figure,) = own.client.list_artifacts(run.info.run_id, "figures/rq1")
    assert Path(own.client.download_artifacts(run.info.run_id, figure.path)).read_text() == "<svg>"


def test_the_report_before_is_gone_with_its_artifacts(own, results):
    first = own.client.get_run(track_report(own, STUDY, *results))
    second = own.client.get_run(track_report(own, STUDY, *results))
    runs = own.client.search_runs([first.info.experiment_id], run_view_type=3)
    assert [run.info.run_id for run in runs] == [second.info.run_id]
    assert [file.name for file in own.artifacts.rglob("report.html")] == ["report.html"]


def test_a_store_whose_artifacts_are_on_another_host_gets_none(tmp_path, results):
    shared = open_store(f"sqlite:///{tmp_path}/shared.db")
    assert track_report(shared, STUDY, *results) is None
    assert shared.client.get_experiment_by_name("report") is None
