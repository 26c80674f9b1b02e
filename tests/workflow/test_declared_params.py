"""What a rule declares is what its script reads: no needless rerun, and none that is missing."""

import ast
import json
from pathlib import Path

import pytest

from tests.project import ROOT, Project

# Declared for Snakemake alone: what reruns a rule, and what has to be there before.
UNREAD = {
    ("search", "params", "failed_searches"),
    ("export", "input", "store"),
    ("track_report", "input", "store"),
    ("track_model", "input", "store"),
    ("tracking_store", "params", "looked_at"),
    ("plan", "params", "asked_at"),
    ("calibrate", "input", "overhead"),
    ("report", "params", "templates"),
}
DIGEST = "code"

LIST_RULES = """
import json
from pathlib import Path
from pathlib import Path

include: "{root}/Snakefile"

declared = {{
    each.name: {{
        "script": str(Path(each.basedir.path, each.script)),
        **{{part: list(getattr(each, part).keys()) for part in ("params", "input", "output")}},
    }}
    for each in workflow.rules
    if each.script
}}
Path("declared.json").write_text(json.dumps(declared))
"""


@pytest.fixture(scope="module")
def declared(tmp_path_factory):
    """The names that each rule declares, and its script."""
    folder = tmp_path_factory.mktemp("declared")
    (folder / "Snakefile").write_text(LIST_RULES.format(root=ROOT))
    (folder / "tiny.yaml").write_text("{}")
    run = Project(folder).snakemake("--list-rules")
    assert run.returncode == 0, run.stderr
    return json.loads((folder / "declared.json").read_text())


def names_read(script, part, declared):
    """The names that a script reads from `snakemake.params`, say, directly or through a variable.

    All that are declared, if the script passes them on together.
    """
    tree = ast.parse(script)
    aliases = {f"snakemake.{part}"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            sides = node.targets[0], node.value
            together = all(isinstance(side, ast.Tuple) for side in sides)
            pairs = zip(*(side.elts for side in sides), strict=True) if together else [sides]
            aliases |= {ast.unparse(name) for name, value in pairs if ast.unparse(value) in aliases}
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in aliases:
            names.add(node.attr)
        if isinstance(node, ast.Call):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(ast.unparse(argument) in aliases for argument in given):
                return set(declared)
            if ast.unparse(node.func) in {f"{alias}.get" for alias in aliases}:
                names.add(node.args[0].value)
    return names - {"get"}


def test_names_are_found_however_a_script_reads_them():
    script = (
        "wildcards, params = snakemake.wildcards, snakemake.params\n"
        "given = snakemake.params\n"
        "f(snakemake.params.grid, params.seed, given.arm, params.get('limit'), other.name)\n"
    )
    assert names_read(script, "params", []) == {"grid", "seed", "arm", "limit"}
    assert names_read("f(config=snakemake.params)", "params", ["grid", "seed"]) == {"grid", "seed"}


@pytest.mark.parametrize("part", ["params", "input", "output"])
def test_a_script_reads_what_its_rule_declares_and_nothing_else(declared, part):
    assert len(declared) > 20
    for rule, names in declared.items():
        script = Path(names["script"]).read_text()
        read = names_read(script, part, names[part])
        unread = set(names[part]) - read - {DIGEST}
        assert {(rule, part, name) for name in unread} <= UNREAD, rule
        assert read <= set(names[part]), rule
