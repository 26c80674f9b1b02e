"""`snakemake plan` says what a run will take, and starts and changes nothing of it."""

import re
import shutil

import pytest

from sysstop.plan.plan import ANALYSIS_JOBS

PAIRS = [("iris", "logistic_regression"), ("flats", "linear_regression")]


@pytest.fixture(scope="module")
def planned(finished):
    """The finished project after `snakemake plan`, and what that printed."""
    before = finished.results()
    run = finished.snakemake("plan")
    assert run.returncode == 0, run.stderr
    yield run.stdout, before, run.stderr
    shutil.rmtree(finished.folder / "results" / "plan")


def test_a_plan_calibrates_and_starts_no_search(fresh):
    rules = [rule for rule, *_ in fresh.planned_jobs("plan")]
    assert sorted(rules) == sorted(
        ["fetch", "split", "calibrate"] * len(PAIRS) + ["calibrate_overhead", "plan"]
    )


def test_nothing_else_needs_a_calibration(fresh):
    rules = {rule for rule, *_ in fresh.planned_jobs()}
    assert not {"plan", "calibrate", "calibrate_overhead"} & rules


def test_the_plan_counts_the_jobs_that_come_once_after_the_searches(fresh):
    """Those of all files without a wildcard, but for the store's, which is made at the start."""
    once = {job for job in fresh.planned_jobs() if len(job) == 1} - {("tracking_store",)}
    assert len(once) == ANALYSIS_JOBS


def test_the_plan_is_all_that_is_printed(planned):
    _, _, said = planned
    assert len(said.splitlines()) <= 10
    assert "rule " not in said


def test_the_plan_lists_trials_and_steps_of_every_pair_and_their_total(planned):
    text, *_ = planned
    for dataset, algorithm in PAIRS:
        assert re.search(rf"^\s*{dataset}\s+{algorithm}\s+3\s+12\s+480\s", text, re.MULTILINE)
    assert re.search(r"^\s*all\s+6\s+24\s+960\s", text, re.MULTILINE)
    assert "1 node of 2 cores" in text


def test_after_a_run_the_plan_shows_estimate_against_measurement(planned):
    text, *_ = planned
    comparison = text.partition("Ratios of estimate to measurement, for the 6 searches")[2]
    total = re.search(r"^\s*all(\s+[\d.]+){4}", comparison, re.MULTILINE)
    _, searches, *ratios = total[0].split()
    assert searches == "6"
    assert all(float(ratio) > 0 for ratio in ratios)


def test_a_plan_changes_no_result_and_reruns_nothing(finished, planned):
    _, before, _ = planned
    after = finished.results()
    assert {file: after[file] for file in before} == before
    assert {file.parts[-3] for file in set(after) - set(before)} <= {"plan", "results"}
    assert finished.planned_jobs() == set()


def test_a_second_plan_needs_no_calibration(finished, planned):
    assert {rule for rule, *_ in finished.planned_jobs("plan")} == {"plan"}


def test_more_steps_are_planned_without_another_search(finished, planned):
    config = finished.write_config("changed.yaml", budget__steps=80)
    run = finished.snakemake("plan", config=config)
    assert run.returncode == 0, run.stderr
    assert re.search(r"^\s*all\s+6\s+24\s+1,?920\s", run.stdout, re.MULTILINE)
    assert "Ratios of estimate to measurement" not in run.stdout
