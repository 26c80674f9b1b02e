"""A run of a study of thirty-two short trials that can be disturbed, and what it left behind."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pandas as pd
import psutil
from mlflow import MlflowClient

from sysstop.run.folder import run_folder
from sysstop.study.metrics import metric_names
from tests.project import copy_project

PAIR = "results/studies/iris/logistic_regression"
STUDY = f"{PAIR}/none/repetition-1"
TARGET = f"{PAIR}/trials.parquet"
GRID = {
    "batch_size": [2, 8],
    "learning_rate": [0.1, 0.01, 0.001, 0.0001],
    "alpha": [0.1, 0.01, 0.001, 0.0001],
}
TRIALS = 32
ONE_STUDY = {
    "study__datasets": ["iris"],
    "study__algorithms": ["logistic_regression"],
    "study__arms": ["none"],
    "grid": GRID,
    "budget__steps": 400,
    "budget__window_steps": 100,
}
# Python ignores Ctrl-C if it was ignored where the tests were started, as in a script's background.
HEARS_CTRL_C = ("env", "--default-signal=INT")


class FaultyRun:
    """A run of Snakemake in a process group of its own, whose processes can be found and killed."""

    def __init__(self, project, config, *arguments, prefix=(), **environment):
        self.targets = arguments
        self.output = project.folder / "output.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [*HEARS_CTRL_C, *prefix, *project.command(*arguments, config=config)],
                cwd=project.folder,
                env=os.environ | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.temporary_folder = run_folder(self.process.pid)

    @property
    def running(self):
        return self.process.poll() is None

    @property
    def said(self):
        return self.output.read_text()

    def processes(self, text=""):
        """This run's living processes, Ray's and trials' included, whose command line has a text."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE or process.pid == self.process.pid:
                    continue
                owner = process.environ().get("SYSSTOP_OWNER_PID")
                if owner == str(self.process.pid) and text in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def trials(self):
        """The processes that train, which are forks of a template of trials."""
        templates = self.processes("sysstop.trial.template")
        return [process for process in templates if not process.children()]

    def wait_for(self, condition, seconds=300):
        """Wait until a condition holds; return whether it did before the run's end."""
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.02)
        assert time.monotonic() < deadline, f"waited in vain:\n{self.said[-3000:]}"
        return False

    def wait(self, seconds=900):
        """Wait for the end of the run; return its exit code."""
        return self.process.wait(timeout=seconds)

    def wait_until_gone(self, seconds=30):
        """Wait until no process of the run is left, nor its folder unless Snakemake was killed."""
        deadline = time.monotonic() + seconds
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        left = [" ".join(process.cmdline())[:150] for process in self.processes()]
        assert not left, left
        assert self.process.returncode == -signal.SIGKILL or not self.temporary_folder.exists()

    def interrupt(self):
        """What Ctrl-C does: a signal to every process of the terminal's group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill_all(self):
        """What a power cut does: everything ends at once."""
        for process in [psutil.Process(self.process.pid), *self.processes()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.wait()


def make_project(folder, **changes):
    """Return a copy of the project in a new folder with the config `faults.yaml`."""
    folder.mkdir()
    project = copy_project(folder)
    project.write_config("faults.yaml", **(ONE_STUDY | changes))
    return project


def finished_trials(project, study=STUDY):
    """How many trials need not be run again, by the study's journal while it is searched or after."""
    for name in ("journal.jsonl", "trials.jsonl"):
        file = project.folder / study / name
        with contextlib.suppress(FileNotFoundError):
            lines = file.read_bytes().splitlines(keepends=True)[1:]
            whole = [json.loads(line) for line in lines if line.endswith(b"\n")]
            return sum(trial["status"] != "failed" for trial in whole)
    return 0


def table(project, name):
    return pd.read_parquet(project.folder / PAIR / f"{name}.parquet")


def quality(project):
    """The machine-learning metrics of each window, by trial and window."""
    windows = table(project, "windows").set_index(["trial_id", "window"])
    return windows[list(metric_names("quality"))].sort_index()


def assert_complete(project, status="completed"):
    """Each configuration is in the tables and in MLflow exactly once, and none is left running."""
    trials = table(project, "trials")
    assert len(trials) == trials["trial_id"].nunique() == TRIALS
    assert set(trials["status"]) == {status}
    runs = mlflow_runs(project)
    assert sorted(run.info.run_name for run in runs) == sorted(trials["trial_id"])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.info.run_id for run in runs} == set(trials["mlflow_run_id"])


def mlflow_runs(project, uri=""):
    """The runs of the study's trials."""
    client = MlflowClient(uri or f"sqlite:///{project.folder}/results/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("iris/logistic_regression")
    where = "tags.kind = 'trial'"
    return client.search_runs([experiment.experiment_id], where) if experiment else []


def last_message(run):
    """The last output of the run, from the job's own message on."""
    said = run.said
    return said[said.rindex("error: ") :] if "error: " in said else ""
