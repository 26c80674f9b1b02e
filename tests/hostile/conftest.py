"""Hostile input in bulk: every case is counted, and there must be many."""

import tempfile

import pytest
from hypothesis import HealthCheck, configuration, settings

from tests.hostile.ending import TRIED

settings.register_profile(
    "hostile",
    derandomize=True,  # the same cases in each run
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("hostile")
# Hypothesis keeps a folder of examples, by default in the working directory. This one ends with the tests.
EXAMPLES = tempfile.TemporaryDirectory(prefix="hypothesis-")
configuration.set_hypothesis_home_dir(EXAMPLES.name)


@pytest.fixture(scope="module", autouse=True)
def enough_were_tried(request):
    """Fail if a whole file of tests tried fewer cases than it promises."""
    before = TRIED.total()
    yield
    whole = not request.config.option.keyword and not any("::" in a for a in request.config.args)
    if whole and not request.session.testsfailed:
        tried = TRIED.total() - before
        assert tried >= request.module.ENOUGH, f"only {tried} hostile inputs were tried"


def pytest_terminal_summary(terminalreporter):
    if TRIED:
        ends = ", ".join(f"{count} {ending}" for ending, count in TRIED.items())
        terminalreporter.write_line(f"hostile inputs tried: {TRIED.total()} ({ends})")
