"""Tables, figures and the report from the runs in MLflow alone, without any search."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from sysstop.results.journal import read_trials
from sysstop.results.tables import study_tables
from sysstop.study.studies import Study
from tests.project import TINY, Project

IMPORT = ("--config", "tracking={import: true}")
TASKS = {"logistic_regression": "classification", "linear_regression": "regression"}
SEARCHING = {"search", "calibrate", "calibrate_overhead"}


@pytest.fixture
def with_store_alone(finished, tmp_path):
    """The finished project without what was searched, and without all that was made of it."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder)
    for name in ("studies", "tables", "figures", "report.html"):
        left = folder / "results" / name
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    return Project(folder)


def store_of(project):
    return MlflowClient(f"sqlite:///{project.folder}/results/mlflow/mlflow.db")


def runs_of(project, where):
    store = store_of(project)
    (experiment,) = (e for e in store.search_experiments() if e.name == "iris/logistic_regression")
    return store.search_runs([experiment.experiment_id], where)


def tables_of(project):
    return {
        file.name: pd.read_parquet(file)
        for file in (project.folder / "results" / "tables").glob("*.parquet")
    }


def test_every_table_comes_from_the_store_bit_for_bit_and_nothing_is_searched(
    finished, with_store_alone
):
    planned = {rule for rule, *_ in with_store_alone.planned_jobs("all", *IMPORT)}
    assert not planned & SEARCHING
    assert {"export", "aggregate", "report", "figure_tradeoff"} <= planned
    run = with_store_alone.snakemake("tables", *IMPORT)
    assert run.returncode == 0, run.stderr
    expected, imported = tables_of(finished), tables_of(with_store_alone)
    assert imported.keys() == expected.keys()
    for name, table in expected.items():
        pd.testing.assert_frame_equal(imported[name], table, check_exact=True, obj=name)
    studies = with_store_alone.folder / "results" / "studies"
    assert not list(studies.rglob("*.jsonl"))
    losses = Path("results", "studies", "iris", "logistic_regression", "train_loss.parquet")
    pd.testing.assert_frame_equal(
        pd.read_parquet(with_store_alone.folder / losses),
        pd.read_parquet(finished.folder / losses),
        check_exact=True,
    )


def test_what_comes_back_from_the_store_is_what_the_journals_hold_bit_for_bit(finished):
    for name in ("iris/logistic_regression", "flats/linear_regression"):
        folder = finished.folder / "results" / "studies" / name
        journals = sorted(folder.glob("*/repetition-1/trials.jsonl"))
        trials = pd.read_parquet(folder / "trials.parquet")
        run_ids = trials.set_index(["arm", "trial_id"])["mlflow_run_id"]
        tables = []
        for journal in journals:
            study = Study(*journal.relative_to(folder.parents[1]).parts[:3], 1)
            rule = json.loads(journal.with_name("search.json").read_text())["rule"] or {}
            tables.append(
                study_tables(
                    study,
                    read_trials(journal),
                    run_ids[study.arm],
                    rule.get("limit"),
                    task=TASKS[study.algorithm],
                    levels=dict.fromkeys(TINY["grid"]),
                )
            )
        for table, parts in zip(("trials", "windows"), zip(*tables, strict=True), strict=True):
            keys = ["arm", "trial_id", *(["window"] if table == "windows" else [])]
            exported = pd.read_parquet(folder / f"{table}.parquet").sort_values(keys)
            expected = pd.concat(parts).sort_values(keys)
            pd.testing.assert_frame_equal(
                exported.reset_index(drop=True), expected.reset_index(drop=True), check_exact=True
            )


def test_a_run_that_was_deleted_in_the_page_is_in_no_table(finished, with_store_alone):
    (deleted,) = runs_of(with_store_alone, "tags.arm = 'plateau' and tags.kind = 'trial'")[:1]
    store_of(with_store_alone).delete_run(deleted.info.run_id)
    run = with_store_alone.snakemake("tables", *IMPORT)
    assert run.returncode == 0, run.stderr
    assert "iris/logistic_regression/plateau/1: the tables have 3 of its 4 trials" in run.stderr
    before, after = tables_of(finished), tables_of(with_store_alone)
    for name in ("trials", "windows"):
        assert len(after[f"{name}.parquet"]) < len(before[f"{name}.parquet"])
    assert deleted.info.run_id not in set(after["trials.parquet"]["mlflow_run_id"])


def test_studies_that_the_store_does_not_hold_are_named_together(with_store_alone):
    for arm in ("none", "memory"):
        (study,) = runs_of(with_store_alone, f"tags.arm = '{arm}' and tags.kind = 'study'")
        store_of(with_store_alone).delete_run(study.info.run_id)
    run = with_store_alone.snakemake("tables", *IMPORT)
    assert run.returncode != 0
    message = run.stderr[run.stderr.rindex("error: ") :]
    assert "tracking.import: the store 'sqlite:///results/mlflow/mlflow.db'" in message
    for arm in ("none", "memory"):
        assert f"iris/logistic_regression/{arm}/1" in message
    assert "plateau" not in message
    assert "without tracking.import" in message
    assert "Traceback" not in message
