"""A copy of the project in a folder of its own, and the commands that a user would give in it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
COPIED = ("Snakefile", "config", "envs", "profiles", "report", "workflow")

TINY = {
    "study": {
        "datasets": ["iris", "flats"],
        "algorithms": ["logistic_regression", "linear_regression"],
        "arms": ["none", "memory", "plateau"],
        "repetitions": 1,
    },
    "grid": {"batch_size": [2, 8], "learning_rate": [0.1, 0.01], "alpha": [0.001]},
    "budget": {"steps": 40, "window_steps": 10, "warmup_steps": 2},
    "split": {"folds": 2},
    "arms": {
        "memory": {"rule": "metric_limit", "metric": "memory_mb", "limit": 20, "quantile": None},
        "plateau": {"patience": 0},
    },
    "search": {"workers": 2},
    "datasets": {
        "flats": {
            "source": "file",
            "path": "data/flats.tsv",
            "target": "rent_eur",
            "task": "regression",
            "categorical": "one_hot",
            "missing": "impute",
        }
    },
}


@dataclass(frozen=True)
class Project:
    """A copy of the project and the commands a user would give in it."""

    folder: Path

    def command(self, *arguments, config="tiny.yaml"):
        command = [sys.executable, "-m", "snakemake", *arguments]
        return [*command, "--cores", "2", "--configfile", config]

    def snakemake(self, *arguments, config="tiny.yaml", **environment):
        return subprocess.run(
            self.command(*arguments, config=config),
            cwd=self.folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def planned_jobs(self, *arguments, config="tiny.yaml"):
        """The jobs of a dry run: (rule, wildcards) pairs."""
        run = self.snakemake("--dry-run", *arguments, config=config)
        assert run.returncode == 0, run.stderr
        jobs = re.split(r"^(?:local)?rule ", run.stdout + run.stderr, flags=re.MULTILINE)[1:]
        return {
            (job.split(":")[0], *re.findall(r"^    wildcards: (.*)$", job, re.MULTILINE))
            for job in jobs
        } - {("all",)}

    def write_config(self, name, **changes):
        """Write an overlay of the tiny config; `a__b=1` changes the key a.b."""
        config = yaml.safe_load((self.folder / "tiny.yaml").read_text())
        for key, value in changes.items():
            *path, last = key.split("__")
            section = config
            for part in path:
                section = section.setdefault(part, {})
            section[last] = value
        (self.folder / name).write_text(yaml.safe_dump(config))
        return name

    def results(self):
        """All result files and their contents, logs and Snakemake's own files left out."""
        return {
            file: file.read_bytes()
            for file in sorted((self.folder / "results").rglob("*"))
            if file.is_file() and "logs" not in file.parts and "mlflow" not in file.parts
        }


def copy_project(folder):
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy(source, folder / name)
    (folder / "data").mkdir()
    shutil.copy(ROOT / "tests" / "data" / "flats.tsv", folder / "data")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return Project(folder)
