"""One command regenerates every result; a second call finds nothing to do."""

import json

import pandas as pd
import pytest
from mlflow import MlflowClient

from sysstop.report.figures.registry import FIGURES
from sysstop.results.tables import trials_schema, windows_schema
from sysstop.study.metrics import metric_names
from tests.project import copy_project
from tests.shipped import LEVELS

STUDIES = 2 * 3  # two pairs of data set and algorithm, three arms
GRID = 2 * 2


@pytest.fixture(scope="module")
def table(finished):
    def read(name):
        return pd.read_parquet(finished.folder / "results" / "tables" / f"{name}.parquet")

    return read


def test_a_dry_run_plans_each_study_once(fresh):
    searches = [job for job in fresh.planned_jobs() if job[0] == "search"]
    assert len(searches) == STUDIES


def test_a_second_call_has_nothing_to_do(finished):
    assert finished.planned_jobs() == set()
    before = finished.results()
    assert finished.snakemake().returncode == 0
    assert finished.results() == before


def test_the_trials_of_each_study_are_the_grid_each_once(table):
    trials = table("trials")
    assert len(trials) == STUDIES * GRID
    assert (trials.groupby(["dataset", "arm"])["trial_id"].nunique() == GRID).all()
    assert list(trials.columns) == list(trials_schema(LEVELS).columns)
    assert list(table("windows").columns) == list(windows_schema().columns)


def test_steps_used_and_saved_add_up_to_those_planned(table):
    budget = table("budget")
    assert len(budget) == STUDIES
    assert (budget["steps_used"] + budget["steps_saved"] == budget["steps_planned"]).all()


def test_a_stopped_arm_agrees_with_the_baseline_bit_for_bit_until_it_stops(table):
    windows = table("windows")
    keys = ["dataset", "algorithm", "repetition", "trial_id", "window"]
    quality = ["step", "train_loss", "val_loss", "accuracy", "rmse", "score"]
    baseline = windows[windows["arm"] == "none"].set_index(keys)[quality]
    for arm, of_arm in windows[windows["arm"] != "none"].groupby("arm"):
        of_arm = of_arm.set_index(keys)[quality]
        pd.testing.assert_frame_equal(of_arm, baseline.loc[of_arm.index], check_exact=True), arm


def test_the_same_seed_gives_the_same_models_whatever_the_workers_and_the_arms(table, tmp_path):
    other = copy_project(tmp_path)
    other.write_config("other.yaml", search__workers=1, study__arms=["plateau", "none"])
    run = other.snakemake("results/tables/windows.parquet", config="other.yaml")
    assert run.returncode == 0, run.stderr
    again = pd.read_parquet(tmp_path / "results" / "tables" / "windows.parquet")
    keys = ["dataset", "algorithm", "arm", "repetition", "trial_id", "window"]
    quality = list(metric_names("quality"))
    before = table("windows").query("arm != 'memory'").set_index(keys)[quality]
    pd.testing.assert_frame_equal(
        again.set_index(keys)[quality].sort_index(), before.sort_index(), check_exact=True
    )


def test_a_limit_below_all_memory_stops_every_trial_after_its_first_window(table):
    stopped = table("trials").query("arm == 'memory'")
    assert set(stopped["status"]) == {"stopped"}
    assert set(stopped["steps_used"]) == {10}
    assert set(stopped["stop_reason"]) == {"metric_limit"}
    assert set(stopped["stop_metric"]) == {"memory_mb"}
    assert (stopped["stop_value"] > stopped["stop_limit"]).all()
    assert not stopped["candidate"].any()


def test_the_training_loss_of_every_step_is_kept(finished):
    pair = finished.folder / "results/studies/iris/logistic_regression"
    losses = pd.read_parquet(pair / "train_loss.parquet").query("arm == 'none'")
    assert (losses.groupby("trial_id", observed=True)["step"].max() == 40).all()
    assert len(losses) == GRID * 40


def test_every_trial_is_a_run_in_mlflow_with_the_tables_values(finished, table):
    trials = table("trials").set_index("mlflow_run_id")
    store = MlflowClient(f"sqlite:///{finished.folder}/results/mlflow/mlflow.db")
    experiments = [e.experiment_id for e in store.search_experiments() if "/" in e.name]
    found = store.search_runs(experiments, "tags.kind = 'trial'")
    runs = {run.info.run_id: run for run in found}
    assert set(runs) == set(trials.index)
    for run_id, trial in trials.iterrows():
        assert runs[run_id].info.status == "FINISHED"
        assert runs[run_id].info.run_name == trial["trial_id"]
        for name in ("train_time_s", "val_loss", "score", "samples_used"):
            assert runs[run_id].data.metrics[name] == trial[name]


def test_the_noise_floor_comes_from_trials_that_ran_twice(table):
    noise = table("noise")
    # All trials of the arm `memory` are stopped, some of `plateau` are not.
    assert (noise["repeated_trials"] <= GRID).all()
    assert (noise["median_difference"] <= noise["floor"]).all()


def test_provenance_and_environment_are_recorded(finished, table):
    provenance = json.loads((finished.folder / "results/data/flats/provenance.json").read_text())
    assert provenance["rows"] == 30
    assert len(provenance["sha256"]) == 64
    assert table("environment")["scikit_learn"].item()


def test_the_report_stands_alone(finished):
    page = (finished.folder / "results" / "report.html").read_text()
    assert "RQ1" in page
    assert "RQ2" in page
    assert "<script src" not in page
    assert "<link" not in page


def test_every_figure_is_there_as_svg_and_pdf(finished):
    figures = finished.folder / "results" / "figures"
    svgs = {file.relative_to(figures).with_suffix("") for file in figures.rglob("*.svg")}
    pdfs = {file.relative_to(figures).with_suffix("") for file in figures.rglob("*.pdf")}
    assert svgs == pdfs
    datasets = ("iris", "flats")
    declared = [kind.path.format(dataset=name) for kind in FIGURES.values() for name in datasets]
    assert {str(svg) for svg in svgs} == set(declared)


def test_snakemakes_own_report_is_made(finished):
    run = finished.snakemake("--report", "results/snakemake-report.zip")
    assert run.returncode == 0, run.stderr
    archive = finished.folder / "results" / "snakemake-report.zip"
    assert archive.stat().st_size > 10_000
    archive.unlink()
