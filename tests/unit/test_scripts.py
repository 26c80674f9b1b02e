"""The scripts of the workflow find the library by their own path: Snakemake drops PYTHONPATH under conda."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
FINDER = "sysstop_path"


@pytest.mark.parametrize("script", sorted(set(SCRIPTS.glob("*.py")) - {SCRIPTS / f"{FINDER}.py"}))
def test_a_script_finds_the_library_and_its_log_before_it_imports_anything_else(script):
    modules = []
    for node in ast.parse(script.read_text()).body:
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module)
    assert modules[0] == FINDER


def test_the_library_found_is_the_one_next_to_the_scripts_whatever_is_installed(tmp_path):
    (tmp_path / "sysstop").mkdir()
    (tmp_path / "sysstop" / "__init__.py").touch()
    # Snakemake puts a script's folder after all others.
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.path.append({str(SCRIPTS)!r})\n"
        f"import {FINDER}; import sysstop; print(sysstop.__file__)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == str(SCRIPTS.parent / "lib" / "sysstop" / "__init__.py")
