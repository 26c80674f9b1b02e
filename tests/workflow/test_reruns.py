"""A change reruns what depends on it and nothing else. Dry runs on a finished project."""

import contextlib

import pytest

from sysstop.report.figures import registry

REPLAY = {"replay", "replay_check", "prediction", "recommendations"}
TABLES = {
    "export",
    "test_scores",
    "aggregate",
    "anytime",
    "budget",
    "effects",
    "noise",
    "paper_tables",
} | REPLAY
REPORT = {"report", "track_report"}
DOWNSTREAM = TABLES | REPORT
FIGURES = {f"figure_{figure.name}" for figure in registry.FIGURES.values()}


@contextlib.contextmanager
def changed(project, file, old, new):
    path = project.folder / file
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(before)


def rules_of(jobs):
    return {job[0] for job in jobs}


def searched(jobs):
    return {job[1] for job in jobs if job[0] == "search"}


LIBRARY = "workflow/lib/sysstop"


def test_a_figures_code_reruns_that_figure_and_the_report(finished):
    with changed(finished, f"{LIBRARY}/report/figures/cost.py", "from ", "ANSWER = 42\nfrom "):
        assert rules_of(finished.planned_jobs()) == {"figure_cost"} | REPORT


def test_a_comment_reruns_nothing(finished):
    with changed(finished, f"{LIBRARY}/trial/training.py", "import", "# a remark\nimport"):
        assert finished.planned_jobs() == set()


@pytest.mark.parametrize("template", ["report.html.jinja", "explorer.css", "explorer.js"])
def test_a_template_reruns_the_report_alone(finished, template):
    with changed(finished, f"{LIBRARY}/report/templates/{template}", "limit", "bound"):
        assert rules_of(finished.planned_jobs()) == REPORT


def test_training_code_reruns_every_search_but_no_data(finished):
    with changed(
        finished, f"{LIBRARY}/trial/training.py", "import math", "import math\nANSWER = 42"
    ):
        jobs = finished.planned_jobs()
    assert len(searched(jobs)) == 6
    assert rules_of(jobs) == {"search"} | DOWNSTREAM | FIGURES


def test_code_of_tables_and_tracking_reruns_exports_and_no_search(finished):
    for module in ("results/tables", "results/tracking"):
        with changed(finished, f"{LIBRARY}/{module}.py", "from ", "ANSWER = 42\nfrom "):
            rules = rules_of(finished.planned_jobs())
        assert "export" in rules
        assert "search" not in rules


def test_another_tracking_store_exports_every_study_to_it_and_searches_nothing(finished):
    config = finished.write_config("changed.yaml", tracking__uri="sqlite:///another.db")
    jobs = finished.planned_jobs(config=config)
    assert len([job for job in jobs if job[0] == "export"]) == 2
    assert {"tracking_store", "track_report"} <= rules_of(jobs)
    assert not searched(jobs)


def test_whoever_imports_runs_searches_nothing_and_writes_nothing_into_the_store(finished):
    rules = rules_of(finished.planned_jobs("--config", "tracking={import: true}"))
    assert {"tracking_store", "export", "aggregate", "report"} <= rules
    assert not {"search", "track_report"} & rules


def test_an_arms_limit_reruns_that_arm(finished):
    config = finished.write_config("changed.yaml", arms__memory__limit=21)
    jobs = finished.planned_jobs(config=config)
    assert len(searched(jobs)) == 2
    assert all("arm=memory" in wildcards for wildcards in searched(jobs))
    assert not {"fetch", "split"} & rules_of(jobs)


def test_a_new_data_set_runs_that_data_set(finished):
    config = finished.write_config("changed.yaml", study__datasets=["iris", "flats", "wine"])
    jobs = finished.planned_jobs(config=config)
    assert len(searched(jobs)) == 3
    assert all("dataset=wine" in wildcards for wildcards in searched(jobs))


def test_another_repetition_runs_that_repetition(finished):
    config = finished.write_config("changed.yaml", study__repetitions=2)
    jobs = finished.planned_jobs(config=config)
    assert len(searched(jobs)) == 6
    assert all("repetition=2" in wildcards for wildcards in searched(jobs))


def test_the_limits_of_an_application_rerun_no_search(finished):
    config = finished.write_config("changed.yaml", constraints={"memory_mb": 100})
    rules = rules_of(finished.planned_jobs(config=config))
    assert rules == {"recommendations", "figure_pareto", "paper_tables"} | REPORT


def test_another_number_of_workers_reruns_nothing(finished):
    """The replay takes the number of workers from the searches themselves."""
    config = finished.write_config("changed.yaml", search__workers=1)
    assert finished.planned_jobs(config=config) == set()


def test_the_time_limit_of_a_trial_reruns_nothing(finished):
    config = finished.write_config("changed.yaml", search__trial_timeout_s=99)
    assert finished.planned_jobs(config=config) == set()


def test_another_place_of_the_pmlb_files_reruns_nothing(finished, monkeypatch):
    monkeypatch.setenv("PMLB_CACHE", "/another/place")
    assert finished.planned_jobs() == set()
    config = finished.write_config("changed.yaml", data__pmlb_cache="/yet/another")
    assert finished.planned_jobs(config=config) == set()


def test_changed_data_rerun_their_data_set_only(finished):
    with changed(finished, "data/flats.tsv", "harbour", "south"):
        jobs = finished.planned_jobs()
    assert {
        wildcards for rule, *wildcards in jobs if rule == "fetch" for wildcards in wildcards
    } == {"dataset=flats"}
    assert all("dataset=flats" in wildcards for wildcards in searched(jobs))


@pytest.mark.parametrize(
    ("target", "rules"),
    [
        ("rq1", {"effects", "figure_response", "figure_effects", "figure_cost"}),
        (
            "rq2",
            {
                "anytime",
                "budget",
                "noise",
                "figure_anytime",
                "figure_budget",
                "figure_tradeoff",
                "figure_courses",
            },
        ),
        ("results/tables/budget.tex", {"paper_tables"}),
    ],
)
def test_a_single_target_makes_what_it_needs(fresh, target, rules):
    made = rules_of(fresh.planned_jobs(target))
    assert rules <= made
    assert "report" not in made


def test_a_single_study_is_a_target(fresh):
    study = "results/studies/iris/logistic_regression/plateau/repetition-1/search.json"
    assert rules_of(fresh.planned_jobs(study)) == {"fetch", "split", "nominal", "search"}


def test_a_data_set_and_algorithm_is_a_target_whose_studies_are_exported_together(fresh):
    jobs = fresh.planned_jobs("results/studies/iris/logistic_regression/trials.parquet")
    assert len(searched(jobs)) == 3
    assert [job[0] for job in jobs if job[0] != "search"].count("export") == 1


def test_an_arm_whose_limit_is_a_quantile_waits_for_the_baseline(fresh):
    config = fresh.write_config(
        "changed.yaml", arms__memory__limit=None, arms__memory__quantile=0.5
    )
    study = "results/studies/iris/logistic_regression/memory/repetition-1/search.json"
    jobs = fresh.planned_jobs(study, config=config)
    assert rules_of(jobs) == {"fetch", "split", "nominal", "search"}
    assert {w.split("arm=")[1].split(",")[0] for w in searched(jobs)} == {"none", "memory"}


@contextlib.contextmanager
def without_search(project, study):
    """A finished search is missing in the meantime."""
    summary = project.folder / "results/studies" / study / "search.json"
    content = summary.read_text()
    summary.unlink()
    try:
        yield
    finally:
        summary.write_text(content)


def test_a_partial_report_is_made_of_what_is_finished_without_any_search(finished):
    with without_search(finished, "iris/logistic_regression/memory/repetition-1"):
        jobs = finished.planned_jobs("report", "--config", "partial=true")
    assert not searched(jobs)
    assert {"export", "aggregate", "budget", "report"} <= rules_of(jobs)


def test_a_plan_is_of_the_whole_study_also_where_a_report_would_be_partial(finished):
    with without_search(finished, "flats/linear_regression/none/repetition-1"):
        jobs = finished.planned_jobs("plan", "--config", "partial=true")
    assert [job[0] for job in jobs].count("calibrate") == 2


def test_a_partial_report_of_nothing_is_refused(fresh):
    run = fresh.snakemake("--dry-run", "report", "--config", "partial=true")
    assert run.returncode != 0
    assert "no search of a baseline (arm 'none') is finished" in run.stderr
