"""Hostile input given to the real Snakemake: the last word is one message, and nothing is run."""

import json
import resource

import pytest

from tests.hostile.ending import MEMORY_BYTES, TRIED, assert_clear
from tests.hostile.hostile_files import CASES, PLAIN
from tests.hostile.test_hostile_data import algorithm_of
from tests.project import copy_project

ENOUGH = 5  # inputs that these tests try, at least
SPLIT = "results/data/hostile/split"
FILE_NAME = "a$(touch pwned) `touch pwned`; touch pwned & 'b' %s é"
NASTY = f"{FILE_NAME} {{dataset}} <script>../../x"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = copy_project(tmp_path_factory.mktemp("hostile"))
    before = files_outside_results(project)
    yield project
    new = files_outside_results(project) - before
    assert {name for name in new if not name.startswith((".snakemake", "data", "hostile"))} == set()


def files_outside_results(project):
    """The files of the project, and what lies next to its folder."""
    inside = {str(file.relative_to(project.folder)) for file in project.folder.rglob("*")}
    return {name for name in inside if "__pycache__" not in name and name[:7] != "results"} | {
        f"../{file.name}" for file in project.folder.parent.iterdir()
    }


def run(project, target, config="hostile.yaml"):
    """Run up to a target; count how it ended, and refuse a traceback as the last word."""
    run = project.snakemake(target, config=config)
    TRIED["runs refused" if run.returncode else "runs to the end"] += 1
    if run.returncode:
        assert "Traceback" not in run.stderr
    return run


def run_data(project, case, **changes):
    path = f"data/{case.file}"
    file = project.folder / path
    case.make(file) if callable(case.make) else file.write_bytes(case.make)
    entry = {"source": "file", "path": path, "target": "y", "task": "classification"}
    entry |= changes
    config = project.write_config(
        "hostile.yaml",
        study__datasets=["hostile"],
        study__algorithms=[algorithm_of(entry)],
        datasets__hostile=entry,
    )
    return run(project, SPLIT, config)


@pytest.mark.parametrize(
    "name", ["gzip bomb", "a pickle as Parquet", "labels that command terminals"]
)
def test_the_last_word_on_a_hostile_file_is_one_message(project, name):
    case = CASES[name]
    words = run_data(project, case, **case.entry).stderr
    assert_clear(words[words.rindex("\nerror: ") :].strip(), "'hostile'")
    assert case.expected in words
    assert not (project.folder / SPLIT).exists()
    # The peak memory of the largest process that has ended so far; in KB on Linux.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < MEMORY_BYTES


def test_no_name_in_a_data_set_is_run_or_expanded(project):
    header = f'"{NASTY}","{NASTY} too",kind,"y{NASTY}"'.encode()
    content = header + PLAIN[PLAIN.index(b"\n") :]
    case = CASES["gzip"]._replace(make=content, file=f"{FILE_NAME}.csv")
    finished = run_data(project, case, target=f"y{NASTY}", licence=NASTY)
    assert finished.returncode == 0, finished.stderr
    split = json.loads((project.folder / SPLIT / "split.json").read_text())
    assert split["feature_names"] == [NASTY, f"{NASTY} too", "kind"]


CONFIGS = {
    "a command": (
        "study: !!python/object/apply:os.system ['touch pwned']",
        "not valid JSON or YAML",
    ),
    "a number as a name": ("datasets: {529: {source: sklearn}}", "the key 529 is not a string"),
    "a list that contains itself": ("grid: {alpha: &a [*a]}", "does a YAML alias"),
}


@pytest.mark.parametrize(("text", "expected"), CONFIGS.values(), ids=CONFIGS)
def test_the_last_word_on_a_hostile_config_is_one_message(project, text, expected):
    (project.folder / "hostile.yaml").write_text(text)
    words = run(project, SPLIT).stderr
    assert expected in "\n".join(words.strip().splitlines()[-4:])
