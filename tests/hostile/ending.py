"""How every hostile input must end: in a result, or in one clear message; and without a trace."""

import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import psutil
import pytest

from sysstop.run.errors import MAX_LINE_LENGTH, MAX_LINES

TRIED = Counter()
"""Cases tried, by kind and ending."""

HANGS_AFTER_S = 300  # far beyond what any case takes on a busy machine
MEMORY_BYTES = 2 * 2**30
WRITES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")
NEVER = (
    "pickle.find_class",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "socket.connect",
)

_allowed_folder: Path | None = None
_trespasses: list[str] = []


def _watch(event, arguments):
    """Note what is written outside the allowed folder, unpickled, started or connected to."""
    if _allowed_folder is None:
        return
    if event in NEVER:
        _trespasses.append(f"{event} {arguments}")
        return
    path = arguments[0] if arguments else None
    writes = event in WRITES or (
        event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    )
    if not writes or not isinstance(path, str | bytes | os.PathLike):
        return
    file = Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 - resolve() would open it
    if not file.is_relative_to(_allowed_folder) and "__pycache__" not in file.parts:
        _trespasses.append(f"{event} {file}")


sys.addaudithook(_watch)


@contextlib.contextmanager
def watched(results):
    """Have whatever runs hang, exhaust the memory or leave its folder in vain."""
    global _allowed_folder
    used = psutil.Process().memory_info().data
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    handler = signal.signal(signal.SIGALRM, _too_long)
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY_BYTES, limits[1]))
    signal.alarm(HANGS_AFTER_S)
    _trespasses.clear()
    _allowed_folder = results
    try:
        yield
    finally:
        _allowed_folder = None
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_DATA, limits)
        signal.signal(signal.SIGALRM, handler)
    assert not _trespasses


def _too_long(*_):
    pytest.fail(f"not done after {HANGS_AFTER_S} s")  # no Exception, which a reader might catch


@contextlib.contextmanager
def folder_of_case():
    """A working directory with a data file's place and `results`, in which alone may be written."""
    outside = Path(tempfile.mkdtemp(prefix="hostile-"))
    folder = outside / "project"
    (folder / "results").mkdir(parents=True)
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
        assert [path.name for path in outside.iterdir()] == ["project"]
    finally:
        os.chdir(before)
        shutil.rmtree(outside)


def assert_clear(message, *names):
    """The message names what is wrong, is short, and holds nothing that a terminal obeys."""
    assert any(name in message for name in names), message[:2000]
    lines = message.split("\n")
    assert len(lines) <= MAX_LINES + 1
    assert all(line.isprintable() and len(line) < MAX_LINE_LENGTH + 10 for line in lines)
    assert "Traceback" not in message
