"""A rule reruns when the code it depends on changes, and only then."""

import shutil
from pathlib import Path

import pytest

from sysstop.run import provenance
from sysstop.run.provenance import code_digest, environment, folder_digest, git_state

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the workflow whose modules a test may change."""
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow")
    library = tmp_path / "workflow" / "lib" / "sysstop"
    monkeypatch.setattr(provenance, "LIBRARY", library)

    class Project:
        def digest(self, script):
            return code_digest(tmp_path / "workflow" / "scripts" / f"{script}.py")

        def append(self, module, text):
            with (library / module).open("a") as file:
                file.write(text)

    return Project()


@pytest.mark.parametrize(
    ("module", "changed"),
    [
        ("training.py", {"search", "test_scores"}),
        ("trial_template.py", {"search"}),
        ("stopping.py", {"search", "export", "test_scores"}),
        ("budgets.py", {"test_scores", "budget"}),
        ("data_sources.py", {"fetch"}),
    ],
)
def test_a_change_in_a_module_changes_the_digest_of_the_scripts_that_use_it(
    project, module, changed
):
    scripts = ("fetch", "split", "search", "test_scores", "export", "aggregate", "budget")
    before = {script: project.digest(script) for script in scripts}
    project.append(module, "\nANSWER = 42\n")
    after = {script: project.digest(script) for script in scripts}
    assert {script for script in scripts if before[script] != after[script]} == changed


def test_comments_and_layout_change_nothing(project):
    before = project.digest("search")
    project.append("training.py", "\n\n# a remark\n")
    assert project.digest("search") == before


def test_a_folders_digest_follows_contents_and_names(tmp_path):
    (tmp_path / "a").write_text("1")
    first = folder_digest(tmp_path)
    (tmp_path / "a").write_text("2")
    second = folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, folder_digest(tmp_path)}) == 3


def test_outside_a_git_checkout_the_commit_is_empty(tmp_path):
    assert git_state(tmp_path) == {"git_commit": "", "dirty": False}


def test_the_environment_names_machine_and_versions():
    found = environment()
    assert found["cores"] >= 1
    assert found["memory_gb"] > 0
    assert found["scikit_learn"].count(".") >= 1
