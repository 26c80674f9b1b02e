"""Hostile input in bulk: every case is counted, and there must be many."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, configuration, settings

from tests.hostile.ending import TRIED

ENOUGH = 200

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


@pytest.fixture(scope="session", autouse=True)
def enough_were_tried(request):
    """Fail if all of these tests together tried fewer cases than promised."""
    yield
    session = request.session
    all_files = set(Path(__file__).parent.glob("test_*.py"))
    whole = not request.config.option.keyword and not any("::" in a for a in request.config.args)
    if hasattr(request.config, "workerinput") and not TRIED:
        return  # another process had these tests
    if whole and all_files <= {item.path for item in session.items} and not session.testsfailed:
        assert TRIED.total() >= ENOUGH, f"only {TRIED.total()} hostile inputs were tried"


def pytest_terminal_summary(terminalreporter):
    if TRIED:
        ends = ", ".join(f"{count} {ending}" for ending, count in TRIED.items())
        terminalreporter.write_line(f"hostile inputs tried: {TRIED.total()} ({ends})")
