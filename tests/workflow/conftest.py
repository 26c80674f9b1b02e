"""The project run once on a tiny config by the real Snakemake."""

import pytest

from tests.project import copy_project


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The project after a complete run on the tiny config. Tests leave it as they found it."""
    project = copy_project(tmp_path_factory.mktemp("finished"))
    run = project.snakemake()
    assert run.returncode == 0, run.stderr
    return project


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    """The project before any run."""
    return copy_project(tmp_path_factory.mktemp("fresh"))
