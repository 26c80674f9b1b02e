"""Which tests may run at the same time: all but those that need the machine for themselves."""

import pytest

MACHINE = ("workflow", "browser", "faults", "cluster")
"""Folders whose tests run the whole pipeline or a browser."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the tests that need the machine for themselves."""
    for item in items:
        if item.path.parent.name in MACHINE:
            item.add_marker(pytest.mark.machine)
