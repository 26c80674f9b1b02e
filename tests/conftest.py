"""Which tests may run at the same time: all but those that need the machine for themselves."""

import pytest

MACHINE = ("workflow", "browser", "faults", "cluster")
"""Folders whose tests run the whole pipeline or a browser."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep a file's tests in one process, for the fixtures that they share; count hostile input in one."""
    for item in items:
        folder = item.path.parent.name
        if folder in MACHINE:
            item.add_marker(pytest.mark.machine)
        item.add_marker(pytest.mark.xdist_group(folder if folder == "hostile" else item.path.stem))
