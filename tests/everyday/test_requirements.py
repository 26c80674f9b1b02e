"""What a run needs of its host is checked first, in one message."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sysstop.run import requirements
from sysstop.run.errors import UserError
from sysstop.run.machine import MB, Machine
from sysstop.run.requirements import LEAST_MEMORY_MB, check_requirements
from tests.project import ROOT


@pytest.fixture
def refusal(tmp_path, monkeypatch):
    """The message about this host; empty if it has everything."""
    monkeypatch.chdir(tmp_path)

    def check(results="results", searches_here=True):
        try:
            check_requirements(Path(results), searches_here=searches_here)
        except UserError as error:
            return str(error)
        return ""

    return check


def test_this_host_can_run_it(refusal):
    assert refusal() == ""


def test_an_old_kernel_is_refused_with_the_one_that_is_needed(refusal, monkeypatch):
    def no_such_call(pid):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", no_such_call)
    message = refusal()
    assert "Linux 5.3 or newer is needed" in message
    assert f"this is Linux {os.uname().release}" in message


def test_a_python_that_was_built_for_an_old_kernel_is_refused(refusal, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    assert "Linux 5.3 or newer is needed" in refusal()


def test_a_sandbox_without_readings_of_memory_is_refused(refusal, monkeypatch, tmp_path):
    (tmp_path / "status").write_text("VmRSS: 1 kB\n")
    monkeypatch.setattr(requirements, "SELF", tmp_path / "absent")
    assert "/proc/self/clear_refs: No such file" in refusal()
    monkeypatch.setattr(requirements, "SELF", tmp_path)
    assert "VmHWM" in refusal()


def test_another_system_is_refused_in_one_line(refusal, monkeypatch):
    monkeypatch.setattr(requirements, "sys", SimpleNamespace(platform="darwin"))
    assert "Linux is needed; this is darwin" in refusal()


def test_too_little_memory_is_refused_with_what_is_needed(refusal, monkeypatch):
    monkeypatch.setattr(requirements, "this_machine", lambda: Machine(512 * MB, 2.0))
    assert f"{LEAST_MEMORY_MB} MB of memory are needed at least" in refusal()
    assert "has 512 MB" in refusal()
    assert refusal(searches_here=False) == ""  # as on a cluster's login node


def test_a_broken_link_for_the_results_is_refused_with_its_target(refusal, tmp_path):
    (tmp_path / "results").symlink_to("/scratch/gone")
    message = refusal()
    assert "results is a link to /scratch/gone, which does not exist" in message
    assert "mkdir -p /scratch/gone" in message
    assert "results is a link" in refusal("results/module")  # as a module with a prefix
    (tmp_path / "results").unlink()
    (tmp_path / "there").mkdir()
    (tmp_path / "results").symlink_to("there")
    assert refusal() == ""


def test_a_file_in_place_of_the_results_is_refused(refusal, tmp_path):
    (tmp_path / "results").write_text("notes")
    assert "results is a file" in refusal()


def test_everything_that_is_missing_is_in_one_message(refusal, monkeypatch, tmp_path):
    monkeypatch.setattr(requirements, "this_machine", lambda: Machine(512 * MB, 2.0))
    monkeypatch.delattr(os, "pidfd_open")
    (tmp_path / "results").symlink_to("/scratch/gone")
    assert refusal().count("\n  - ") == 3


def test_the_readme_names_the_same_kernel_and_memory():
    line = next(
        line
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith("Linux 5.3")
    )
    assert re.search(r"([\d,]+) MB", line)[1].replace(",", "") == str(LEAST_MEMORY_MB)


SCRIPT = """
import sys
from types import SimpleNamespace
__real_file__ = "script.py"
snakemake = SimpleNamespace(log=[{log!r}])
sys.path.append({scripts!r})
import sysstop_path
import no_such_library
"""


def test_an_import_that_fails_before_the_job_begins_is_in_its_log(tmp_path):
    log, scripts = tmp_path / "rule.log", str(ROOT / "workflow" / "scripts")
    program = SCRIPT.format(log=str(log), scripts=scripts)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    *_, last = log.read_text().strip().splitlines()
    assert last.startswith("error: ModuleNotFoundError: No module named 'no_such_library'")
    assert "set it up again" in last
