"""The project run once on a tiny config by the real Snakemake."""

import pytest

from tests.project import copy_project


@pytest.fixture(scope="session")
def first_run(tmp_path_factory):
    """The project after a complete run on the tiny config, and the lines that the run printed."""
    project = copy_project(tmp_path_factory.mktemp("finished"))
    run = project.snakemake()
    assert run.returncode == 0, run.stderr
    return project, run.stderr.splitlines()


@pytest.fixture(scope="session")
def finished(first_run):
    """The project after a complete run on the tiny config. Tests leave it as they found it."""
    return first_run[0]


@pytest.fixture(scope="session")
def said(first_run):
    """The lines that the run of `finished` printed."""
    return first_run[1]


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    """The project before any run."""
    return copy_project(tmp_path_factory.mktemp("fresh"))
