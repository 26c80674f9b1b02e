"""A search and a figure, run from a folder and a shell full of what breaks other tools."""

import pandas as pd
import pytest

from tests.everyday.test_environment import PLOTTING_SETTINGS, SHELL, latin1  # noqa: F401
from tests.project import copy_project

pytestmark = pytest.mark.machine

TRIALS = "results/studies/iris/logistic_regression/trials.parquet"
LIBRARY_NAMES = ("random", "numpy", "pandas", "sklearn", "ray", "matplotlib", "mlflow", "sysstop")


def test_the_run_ends_well_and_nothing_reruns_in_another_shell(tmp_path, latin1):  # noqa: F811
    project = copy_project(tmp_path)
    project.write_config(
        "small.yaml",
        study={
            "datasets": ["iris"],
            "algorithms": ["logistic_regression"],
            "arms": ["none"],
            "repetitions": 1,
        },
        grid={"batch_size": [8], "learning_rate": [0.1, 0.01], "alpha": [0.001]},
        budget={"steps": 400, "window_steps": 100, "warmup_steps": 2},
    )
    for name in LIBRARY_NAMES:
        (project.folder / f"{name}.py").write_text("raise SystemExit('imported from here')\n")
    (project.folder / "matplotlibrc").write_text(PLOTTING_SETTINGS)
    hostile = SHELL | {name: latin1[name] for name in ("LOCPATH", "LC_ALL")}
    # Snakemake has read these before it reads the workflow.
    del hostile["PYTHONWARNINGS"], hostile["PYTHONINSPECT"]
    targets = (TRIALS, "results/figures/rq1_response/iris.svg")
    # `python -m` itself looks into the working directory first; the command `snakemake` does not.
    run = project.snakemake(*targets, config="small.yaml", PYTHONSAFEPATH="1", **hostile)
    assert run.returncode == 0, run.stdout + run.stderr
    trials = pd.read_parquet(project.folder / TRIALS)
    assert trials["status"].tolist() == ["completed"] * 2
    assert (project.folder / "results/figures/rq1_response/iris.svg").exists()
    for name in LIBRARY_NAMES:
        (project.folder / f"{name}.py").unlink()
    assert project.planned_jobs(*targets, config="small.yaml") == set()
