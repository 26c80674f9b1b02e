"""The library as a package, for your own programs: `pip install .`."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "workflow" / "lib"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*command, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "installed")
    return folder / "installed"


def files_below(folder):
    return {
        file.relative_to(folder)
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_the_wheel_holds_every_file_of_the_library_and_no_other(installed):
    assert files_below(installed / "sysstop") == files_below(LIBRARY / "sysstop")
    assert {path.name.split("-")[0] for path in installed.iterdir()} == {"sysstop"}


def test_the_installed_library_works_without_the_checkout(installed, tmp_path):
    program = "import sysstop.report.page, sysstop.run.environment as p; print(p.LIBRARY_FOLDER)"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == str(installed), run.stderr
