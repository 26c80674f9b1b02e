"""What is in a user's shell and working directory changes no result."""

import os
import site
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from sysstop.run.environment import (
    LIBRARY_FOLDER,
    chosen_environment,
    look_last_in_working_directory,
    measured_environment,
)
from tests.project import ROOT

# A shell of a cluster's job script, a notebook's terminal and an old login at once.
SHELL = {
    "OMP_PROC_BIND": "true",
    "OMP_PLACES": "cores",
    "GOMP_CPU_AFFINITY": "0",
    "KMP_AFFINITY": "compact",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONWARNINGS": "error",
    "PYTHONINSPECT": "1",
    "MLFLOW_RUN_ID": "0123",
    "RAY_ADDRESS": "10.0.0.1:6379",
    "SKLEARN_ASSUME_FINITE": "1",
    "LC_ALL": "en_US.ISO-8859-1",
}


def run(program, folder, environment, *options):
    result = subprocess.run(
        [sys.executable, *options, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_what_binds_bends_or_redirects_is_gone_and_the_rest_stays():
    stays = {"PATH": "/bin", "MLFLOW_TRACKING_URI": "http://x", "https_proxy": "", "HOME": "/h"}
    chosen = chosen_environment(SHELL | stays)
    assert chosen.items() >= stays.items()
    assert chosen["MPLBACKEND"] == "agg"
    assert not chosen.keys() & (SHELL.keys() - {"MPLBACKEND", "LC_ALL"})


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core leaves nothing to bind")
def test_trials_may_use_all_cores_whatever_binds_them_in_the_shell(tmp_path, monkeypatch):
    program = "import os, sklearn.linear_model; print(len(os.sched_getaffinity(0)))"
    for variable in ("OMP_PROC_BIND", "GOMP_CPU_AFFINITY"):
        monkeypatch.setenv(variable, SHELL[variable])
    assert run(program, tmp_path, os.environ) == "1"
    cores = str(len(os.sched_getaffinity(0)))
    assert run(program, tmp_path, measured_environment()) == cores


@pytest.mark.parametrize("path", ["", ":", ".", "{folder}", ":/elsewhere"])
def test_python_files_in_the_working_directory_are_not_imported_for_libraries(
    tmp_path, path, monkeypatch
):
    (tmp_path / "random.py").write_text("raise SystemExit('imported from here')")
    monkeypatch.setenv("PYTHONPATH", path.format(folder=tmp_path))
    monkeypatch.chdir(tmp_path)
    program = "import random, sysstop; print('libraries')"
    assert run(program, tmp_path, measured_environment()) == "libraries"
    assert "/elsewhere" in measured_environment()["PYTHONPATH"] or "elsewhere" not in path


def test_the_working_directory_is_the_last_place_to_import_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    path = ["", str(tmp_path), "/usr/lib", ".", str(link), "/workflow"]
    look_last_in_working_directory(path)
    assert path == ["/usr/lib", "/workflow", "", str(tmp_path), ".", str(link)]


def test_packages_of_the_users_own_are_not_imported_for_those_of_the_environment(monkeypatch):
    assert chosen_environment({})["PYTHONNOUSERSITE"] == "1"
    ray_folder = str(Path(find_spec("ray").origin).parents[1])
    monkeypatch.setattr(site, "getusersitepackages", lambda: ray_folder)
    monkeypatch.setattr(sys, "path", [ray_folder])
    assert "PYTHONNOUSERSITE" not in chosen_environment({})  # all is installed there


def test_a_user_that_the_system_does_not_know_gets_a_name(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert chosen_environment({})["USER"] == "user-54321"
    assert chosen_environment({"LOGNAME": "ada"}) == chosen_environment({"LOGNAME": "ada"}) | {
        "LOGNAME": "ada"
    }
    assert "USER" not in chosen_environment({"LOGNAME": "ada"})


# Figures

DRAW = """
import sys
sys.path[:0] = {paths!r}
import pandas as pd
from matplotlib.figure import Figure
from sysstop.report.figures.style import new_figure, save, styled

@styled
def draw():
    figure = new_figure(2)
    figure.subplots().plot([1, 2, 3], label="a")
    figure.legend()
    return figure

save(draw(), "figure.svg", "figure.pdf")
"""
PLOTTING_SETTINGS = """
lines.linestyle: :
lines.linewidth: 9
axes.facecolor: black
xtick.direction: in
savefig.bbox: tight
savefig.dpi: 30
figure.dpi: 30
legend.loc: lower left
backend: TkAgg
"""


def test_a_notebooks_backend_and_a_users_plotting_settings_do_not_reach_figures(tmp_path):
    program = DRAW.format(paths=[str(LIBRARY_FOLDER)])
    folders = [tmp_path / name for name in ("plain", "settings")]
    for folder in folders:
        (folder / "home/matplotlib").mkdir(parents=True)
    (folders[1] / "matplotlibrc").write_text(PLOTTING_SETTINGS)
    (folders[1] / "home/matplotlib/matplotlibrc").write_text(PLOTTING_SETTINGS)
    for folder in folders:
        shell = SHELL | {"XDG_CONFIG_HOME": str(folder / "home"), "MPLCONFIGDIR": ""}
        run(program, folder, chosen_environment(os.environ | shell))
    for file in ("figure.svg", "figure.pdf"):
        contents = {(folder / file).read_bytes() for folder in folders}
        assert len(contents) == 1


# Locale


@pytest.fixture(scope="session")
def latin1(tmp_path_factory):
    """The environment of a login whose locale is ISO-8859-1."""
    folder = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", folder / "en_US.ISO-8859-1"]
    subprocess.run(command, check=False, capture_output=True)
    environment = os.environ | {"LOCPATH": str(folder), "LC_ALL": "en_US.ISO-8859-1"}
    environment.pop("PYTHONUTF8", None)
    encoding = run("import locale; print(locale.getpreferredencoding())", folder, environment)
    if encoding != "ISO-8859-1":
        pytest.skip("this system cannot make the locale (package locales)")
    return environment


def test_the_digest_of_code_does_not_depend_on_the_locale(latin1, tmp_path):
    program = (
        f"import sys; sys.path.insert(0, {str(LIBRARY_FOLDER)!r})\n"
        "from pathlib import Path\n"
        "from sysstop.run.provenance import code_digest\n"
        f"print(code_digest(Path({str(ROOT)!r}) / 'workflow/scripts/search.py'))"
    )
    utf8 = os.environ | {"PYTHONUTF8": "1"}
    assert run(program, tmp_path, latin1) == run(program, tmp_path, utf8)


def test_jobs_write_utf_8_in_any_locale(latin1, tmp_path):
    program = "from pathlib import Path; Path('dash.txt').write_text('1\\u20132')"
    run(program, tmp_path, chosen_environment(latin1))
    assert (tmp_path / "dash.txt").read_bytes() == "1\u20132".encode()
