"""The work that all contenders do: one study's grid on generated data, as a config overlay."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sysstop.data.split import load_split
from sysstop.run.environment import LIBRARY_FOLDER, THREAD_LIMITS
from sysstop.study.studies import Budget, Study, Trial, plan_trials
from sysstop.trial.training import train
from tests.shipped import ALGORITHMS

ROOT = Path(__file__).parents[1]
WORKERS = 2
SEED = 2023
STUDY = Study("synthetic_classification", "logistic_regression", "none", 1)
# The baseline, twice: the first study of a run starts Ray, the second finds it running.
ARMS = ("none", "none_again")
WINDOWS = 5


@dataclass(frozen=True)
class Workload:
    """A grid of equal trials, in a folder of its own that holds the config and the data."""

    folder: Path

    @property
    def overlay(self) -> Path:
        """The config overlay with which Snakemake runs this work."""
        return self.folder / "workload.yaml"

    @property
    def split_folder(self) -> Path:
        """The data that the trials train on."""
        return self.folder / "results" / "data" / STUDY.dataset / "split"

    @property
    def config(self) -> dict[str, Any]:
        """The overlay's content."""
        return yaml.safe_load(self.overlay.read_text())

    def trials(self) -> dict[str, Trial]:
        """Return the study's trials by trial id."""
        config = self.config
        rows = load_split(self.split_folder).fold_train_rows
        budget = Budget(**config["budget"])
        return plan_trials(
            STUDY,
            ALGORITHMS[STUDY.algorithm],
            config["grid"],
            budget,
            config["study"]["seed"],
            rows,
        )

    def snakemake(self, *arguments: str) -> None:
        """Run Snakemake in the folder; raise `CalledProcessError` when it fails."""
        command = [sys.executable, "-m", "snakemake", *arguments, "--cores", str(WORKERS)]
        command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        command += ["--configfile", str(self.overlay), "--quiet", "all"]
        subprocess.run(command, check=True, capture_output=True, text=True)


def make_workload(folder: Path, trials: int, steps: int, batch_size: int = 32) -> Workload:
    """Write the overlay of a grid of `trials` equal trials, and fetch and split its data."""
    folder.mkdir(parents=True, exist_ok=True)
    rates = max(size for size in range(1, 17) if trials % size == 0)
    config = {
        "study": {
            "datasets": [STUDY.dataset],
            "algorithms": [STUDY.algorithm],
            "arms": list(ARMS),
            "repetitions": 1,
            "seed": SEED,
        },
        "grid": {
            "batch_size": [batch_size],
            "learning_rate": np.geomspace(1e-4, 1e-2, rates).round(8).tolist(),
            "alpha": np.geomspace(1e-5, 1e-2, trials // rates).round(10).tolist(),
        },
        "budget": {
            "steps": steps,
            "epochs": None,
            "seconds": None,
            "window_steps": max(1, steps // WINDOWS),
            "warmup_steps": 2,
        },
        "split": {"folds": 3},
        "arms": {name: {"rule": "none"} for name in ARMS},
        "search": {"workers": WORKERS},
    }
    workload = Workload(folder)
    workload.overlay.write_text(yaml.safe_dump(config))
    workload.snakemake(str(workload.split_folder.relative_to(folder)), "results/mlflow/ready")
    return workload


def steps_for(seconds: float, workload: Workload) -> int:
    """Return the steps after which a trial of this workload has taken about that many seconds."""
    (trial, *_), split = workload.trials().values(), load_split(workload.split_folder)
    began = time.perf_counter()
    list(train(trial, split))
    seconds_per_step = (time.perf_counter() - began) / trial.steps_planned
    return max(WINDOWS, round(seconds / seconds_per_step / WINDOWS) * WINDOWS)


def run_alone(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module as a process of its own; return the JSON object that it prints last."""
    paths = os.pathsep.join([str(LIBRARY_FOLDER), str(ROOT)])
    run = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | THREAD_LIMITS | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return json.loads(run.stdout.splitlines()[-1])
