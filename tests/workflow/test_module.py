"""Another workflow uses this one's rules: by a path, from git, under other names and prefixes."""

import json
import shutil
import subprocess

import pandas as pd
import pytest
import yaml

from tests.project import ROOT, TINY, Project, copy_project

HERE = f'"{ROOT}/workflow/Snakefile"'
FRONT_DOOR = f'"{ROOT}/Snakefile"'
STUDY = "results/studies/iris/logistic_regression/none/repetition-1"


@pytest.fixture
def outer(tmp_path):
    """Write another workflow, which uses this one as a module, and the config that it gives to it."""

    def write(snakefile, *, names="*", given=TINY, **settings):
        settings = {"snakefile": snakefile, "config": "config"} | settings
        lines = [f"    {setting}: {value}" for setting, value in settings.items() if value]
        text = "\n".join(["module sysstop:", *lines, f"use rule * from sysstop as {names}"])
        (tmp_path / "Snakefile").write_text(text + "\n")
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(given))
        (tmp_path / "data").mkdir()
        shutil.copy(ROOT / "tests" / "data" / "flats.tsv", tmp_path / "data")
        return Project(tmp_path)

    return write


@pytest.mark.parametrize("names", ["*", "sysstop_*"])
@pytest.mark.parametrize("snakefile", [HERE, FRONT_DOOR], ids=["workflow", "front door"])
def test_a_module_plans_what_the_workflow_alone_plans(outer, fresh, snakefile, names):
    alone = fresh.planned_jobs()
    planned = outer(snakefile, names=names).planned_jobs()
    renamed = {(names.replace("*", rule), *wildcards) for rule, *wildcards in alone}
    assert planned - {("sysstop_all",)} == renamed


def test_the_rules_of_a_module_run_and_rules_around_it_use_what_they_make(outer, monkeypatch):
    # As Snakemake drops it under conda and apptainer.
    monkeypatch.delenv("PYTHONPATH", raising=False)
    project = outer(HERE, names="sysstop_*")
    with (project.folder / "Snakefile").open("a") as file:
        file.write(
            "rule mine:\n"
            "    default_target: True\n"
            "    input: rules.sysstop_aggregate.output.trials\n"
            '    output: "sizes.txt"\n'
            '    shell: "wc -c {input} > {output}"\n'
        )
    run = project.snakemake()
    assert run.returncode == 0, run.stderr
    assert (project.folder / "sizes.txt").exists()
    trials = pd.read_parquet(project.folder / "results" / "tables" / "trials.parquet")
    assert set(trials["arm"]) == set(TINY["study"]["arms"])
    assert set(trials["dataset"]) == set(TINY["study"]["datasets"])
    assert project.planned_jobs() == set()


def test_a_module_with_no_config_of_its_own_has_the_default_one(outer):
    project = outer(HERE, config=None)
    searches = [job for job in project.planned_jobs() if job[0] == "search"]
    assert {wildcards.split("dataset=")[1].split(",")[0] for _, wildcards in searches} == {
        "mnist",
        "kddcup",
        "diabetes",
        "1191_BNG_pbc",
        "529_pollen",
    }


def test_a_mistake_in_the_config_given_to_a_module_is_named(outer):
    run = outer(HERE, given=TINY | {"split": {"fold": 2}}).snakemake("--dry-run")
    assert run.returncode != 0
    assert "unknown key split.fold" in run.stderr


@pytest.mark.parametrize(
    ("settings", "placed"),
    [
        ({"prefix": '"first"'}, "first/results"),
        ({"replace_prefix": '{"results/": "first/"}'}, "first"),
    ],
    ids=["prefix", "replace_prefix"],
)
def test_a_prefix_keeps_all_results_of_a_module_together(outer, settings, placed):
    project = outer(HERE, **settings)
    study = STUDY.replace("results", placed)
    pair = f"{placed}/studies/iris/logistic_regression"
    targets = (f"{pair}/trials.parquet", f"{placed}/data/flats/split")
    run = project.snakemake(*targets)
    assert run.returncode == 0, run.stderr
    assert (project.folder / placed / "mlflow" / "mlflow.db").exists()
    assert not (project.folder / "results").exists()
    assert project.planned_jobs(*targets) == set()

    # A search that had failed trials is tried again.
    (project.folder / study / "failed_searches").write_text("1")
    assert "search" in {rule for rule, *_ in project.planned_jobs(*targets)}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A git repository of the project with a tag v1, and its commit."""
    folder = tmp_path_factory.mktemp("repository")
    copy_project(folder)

    def git(*arguments):
        names = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
        command = ["git", "-C", str(folder), *names, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "--message=The project")
    git("tag", "v1")
    return folder, git("rev-parse", "HEAD")


def test_a_module_is_used_from_a_local_git_repository(outer, repository):
    folder, commit = repository
    project = outer(f'gitfile("{folder}", path="workflow/Snakefile", tag="v1")', names="sysstop_*")
    run = project.snakemake(f"{STUDY}/search.json")
    assert run.returncode == 0, run.stderr
    assert project.planned_jobs(f"{STUDY}/search.json") == set()
    summary = json.loads((project.folder / STUDY / "search.json").read_text())
    assert (summary["git_commit"], summary["dirty"]) == (commit, False)
    assert "sysstop_report" in {rule for rule, *_ in project.planned_jobs()}


@pytest.mark.parametrize(
    "snakefile",
    [
        'github("somebody/sysstop", path="workflow/Snakefile", branch="main")',
        'gitlab("somebody/sysstop", path="workflow/Snakefile", tag="v1")',
    ],
    ids=["GitHub", "GitLab"],
)
def test_a_module_is_used_from_a_git_host(outer, repository, tmp_path, monkeypatch, snakefile):
    folder, _ = repository
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Git reads the local repository instead.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    for number, host in enumerate(["github.com", "gitlab.com"]):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", f"url.{folder}.insteadOf")
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", f"https://{host}/somebody/sysstop")
    project = outer(snakefile)
    run = project.snakemake("results/data/iris/split")
    assert run.returncode == 0, run.stderr
    assert "report" in {rule for rule, *_ in project.planned_jobs()}
