"""Faults are tried on a copy of the project with one study of thirty-two short trials."""

import contextlib

import psutil
import pytest

from tests.faults.faulty_run import TARGET, FaultyRun, make_project


@pytest.fixture
def project(tmp_path):
    """A copy of the project with the config `faults.yaml`."""
    return make_project(tmp_path / "project")


@pytest.fixture
def start(project):
    """Start a run of the project; whatever is left of it in the end is killed."""
    runs = []

    def start_run(*arguments, config="faults.yaml", in_project=project, prefix=(), **environment):
        run = FaultyRun(in_project, config, *(arguments or (TARGET,)), prefix=prefix, **environment)
        runs.append(run)
        return run

    yield start_run
    for run in runs:
        if run.running or run.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                run.kill_all()
