"""A rule reruns when the code it depends on changes, and only then."""

import ast
import shutil
from pathlib import Path

import pytest

from sysstop.run import provenance
from sysstop.run.provenance import code_digest, code_digests, environment, folder_digest, git_state

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
        ("trial/training.py", {"search", "test_scores"}),
        ("trial/template.py", {"search"}),
        ("study/rules/plateau.py", {"search", "export", "aggregate", "test_scores", "budget"}),
        ("analysis/budgets.py", {"test_scores", "budget"}),
        ("data/sources.py", {"fetch"}),
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


@pytest.mark.parametrize("text", ["\n\n# a remark\n", '"""The meaning of WIDTH."""\n'])
def test_comments_layout_and_docstrings_change_nothing(project, text):
    project.append("trial/training.py", "\nWIDTH = 7\n")
    before = project.digest("search")
    project.append("trial/training.py", text)
    assert project.digest("search") == before


WORDS = [
    ("study/wording.py", "\nANSWER = 42\n"),
    ("study/rules/metric_colours.py", "\nANSWER = 42\n"),
    (
        "study/rules/plateau.py",
        "\n    @for_readers\n    def motto(self):\n        return 'enough'\n",
    ),
]


@pytest.mark.parametrize(("module", "text"), WORDS, ids=[module for module, _ in WORDS])
def test_words_and_colours_of_a_rule_change_what_shows_them_and_nothing_that_measures(
    project, module, text
):
    scripts = ("search", "export", "test_scores", "replay", "report", "paper_tables", "plan")
    before = {script: project.digest(script) for script in scripts}
    project.append(module, text)
    changed = {script for script in scripts if project.digest(script) != before[script]}
    assert changed == {"report", "paper_tables", "plan"}


def test_all_digests_of_the_workflow_read_each_module_once(monkeypatch):
    """Every run of Snakemake computes them all, so each module is analysed once."""
    parsed = []
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda source: parsed.append(source) or parse(source))
    provenance._codes.cache_clear()
    for script in (ROOT / "workflow" / "scripts").glob("*.py"):
        code_digest(script)
    assert len(parsed) == len(set(parsed)) > 50


def test_digests_are_kept_until_the_code_changes(project, tmp_path, monkeypatch):
    script, kept = tmp_path / "workflow" / "scripts" / "search.py", tmp_path / "new" / "kept.json"
    found = code_digests([script], kept)
    assert found == {str(script): code_digest(script)}
    with monkeypatch.context() as patched:
        patched.delattr(provenance, "code_digest")
        assert code_digests([script], kept) == found
    project.append("trial/training.py", "\nANSWER = 42\n")
    changed = code_digests([script], kept)
    assert changed == {str(script): code_digest(script)} != found
    script.write_text(script.read_text() + "\nANSWER = 42\n")
    assert code_digests([script], kept) == {str(script): code_digest(script)} != changed


@pytest.mark.parametrize("content", ["", "{", '{"state": 1}', "[]"])
def test_kept_digests_that_cannot_be_read_are_made_again(project, tmp_path, content):
    script, kept = tmp_path / "workflow" / "scripts" / "search.py", tmp_path / "kept.json"
    kept.write_text(content)
    assert code_digests([script], kept) == {str(script): code_digest(script)}


def test_digests_need_no_place_to_be_kept(project, tmp_path):
    script, occupied = tmp_path / "workflow" / "scripts" / "search.py", tmp_path / "file"
    occupied.touch()
    assert code_digests([script], occupied / "kept.json") == {str(script): code_digest(script)}


@pytest.fixture
def nested(tmp_path, monkeypatch):
    """A made-up library of nested packages, two of whose modules share their file's name."""
    library = tmp_path / "sysstop"
    monkeypatch.setattr(provenance, "LIBRARY", library)
    for module, text in {
        "__init__.py": "",
        "run/__init__.py": "",
        "run/errors.py": "class UserError(Exception): ...",
        "trial/__init__.py": "from sysstop.run.errors import UserError",
        "trial/process.py": "TEMPLATE = 'sysstop.trial.template'",
        "trial/template.py": "from sysstop.trial import training",
        "trial/training.py": "import sysstop.report.figures.style as style",
        "report/__init__.py": "",
        "report/figures/__init__.py": "",
        "report/figures/style.py": "WIDTH = 7",
        "report/figures/template.py": "",
        "report/page.py": "",
    }.items():
        (library / module).parent.mkdir(parents=True, exist_ok=True)
        (library / module).write_text(text)
    script = tmp_path / "script.py"
    script.write_text("from sysstop.trial.process import TEMPLATE")

    def digest_after(module, text="\nANSWER = 42\n"):
        with (library / module).open("a") as file:
            file.write(text)
        return code_digest(script)

    return digest_after


@pytest.mark.parametrize(
    "module",
    [
        "trial/process.py",  # the script's own import
        "trial/template.py",  # named in a string
        "trial/training.py",  # a module imported as a package's member
        "report/figures/style.py",  # two packages deep
        "run/errors.py",  # imported by a package on the way
        "__init__.py",
        "trial/__init__.py",
        "report/__init__.py",
        "report/figures/__init__.py",
    ],
)
def test_a_digest_follows_nested_packages(nested, module):
    before = nested(module, "")
    assert nested(module) != before


@pytest.mark.parametrize("module", ["report/page.py", "report/figures/template.py"])
def test_a_digest_leaves_out_what_only_stands_near_or_shares_a_files_name(nested, module):
    before = nested(module, "")
    assert nested(module) == before


def test_a_module_that_moves_to_another_package_changes_the_digest(nested, tmp_path):
    """Modules count by their path in the library, because a bare file name may not be unique."""
    before = nested("report/page.py", "")
    library = tmp_path / "sysstop"
    (library / "report/figures/style.py").rename(library / "trial/style.py")
    (library / "trial/training.py").write_text("import sysstop.trial.style as style")
    assert nested("report/page.py", "") != before


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
