import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sysstop.run.environment import LIBRARY_FOLDER
from sysstop.run.errors import UserError
from sysstop.run.job import OWNER_VARIABLE, failure_messages, job


@pytest.fixture
def snakemake(tmp_path):
    return SimpleNamespace(log=[str(tmp_path / "rule.log")])


def snakemake_log(tmp_path, *logs):
    named = "".join(f"    log: {log} (check log file(s) for error details)\n" for log in logs)
    (tmp_path / "snakemake.log").write_text(f"Error in rule fetch:\n{named}")
    return tmp_path / "snakemake.log"


def test_a_users_mistake_ends_in_one_message_without_a_traceback(snakemake, capsys):
    with pytest.raises(SystemExit) as exit_, job(snakemake):
        raise UserError("data.path: no such file")
    assert exit_.value.code == 1
    assert capsys.readouterr().err == "error: data.path: no such file\n"


def test_a_full_disk_ends_in_one_message_too(snakemake, capsys):
    with pytest.raises(SystemExit), job(snakemake), Path("/dev/full").open("w") as full:
        full.write("a result")
        full.flush()
    message = capsys.readouterr().err
    assert message.startswith("error: A file: The disk is full; free some space, then run")
    assert "finished trials are kept" in message and "Traceback" not in message


def test_exhausted_memory_ends_in_one_message_too(snakemake, capsys):
    with pytest.raises(SystemExit), job(snakemake):
        np.empty(2**50)
    message = capsys.readouterr().err
    assert message.startswith("error: The memory ran out.") and "Unable to allocate" in message


def test_a_file_that_may_not_be_written_is_named(snakemake, tmp_path, capsys):
    with pytest.raises(SystemExit), job(snakemake):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "trials.parquet"))
    assert f"error: {tmp_path / 'trials.parquet'}: It may not be" in capsys.readouterr().err


def test_a_job_whose_run_has_ended_before_it_began_says_so(snakemake, capsys, monkeypatch):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    monkeypatch.setenv(OWNER_VARIABLE, str(gone.pid))
    with pytest.raises(SystemExit), job(snakemake):
        pytest.fail("the job began")
    assert capsys.readouterr().err.startswith("error: The run that this job belongs to has ended")


def test_what_failed_jobs_said_is_found_through_snakemakes_log(snakemake, tmp_path):
    with pytest.raises(SystemExit), job(snakemake):
        raise UserError("data.path: no such file,\nwrite another")
    log = snakemake_log(tmp_path, snakemake.log[0], tmp_path / "missing.log")
    assert failure_messages(log) == ["error: data.path: no such file,\nwrite another"]


def test_a_message_is_found_whole_whatever_names_it_holds(snakemake, tmp_path):
    with pytest.raises(SystemExit), job(snakemake):
        raise UserError("no column 'error: none'.\n  - it is in the file 'error: a.csv'")
    log = snakemake_log(tmp_path, snakemake.log[0])
    (message,) = failure_messages(log)
    assert message.startswith("error: no column 'error: none'.")


def test_a_name_commands_no_terminal_and_fills_no_screen(snakemake, capsys):
    with pytest.raises(SystemExit), job(snakemake):
        raise UserError("no column '\x1b[2J\r" + "x" * 10_000_000 + "'." + "\n  - mistake" * 500)
    message = capsys.readouterr().err
    assert message.startswith(r"error: no column '\x1b[2J\rxxx") and " ... xxx" in message
    assert message.endswith("and 461 more lines\n")
    assert len(message) < 3000


def test_a_fault_of_the_program_keeps_its_traceback_in_the_log(snakemake, tmp_path):
    with pytest.raises(ZeroDivisionError), job(snakemake):
        1 / 0  # noqa: B018
    text = (tmp_path / "rule.log").read_text()
    assert "Traceback" in text
    messages = failure_messages(snakemake_log(tmp_path, snakemake.log[0]))
    assert messages == ["error: ZeroDivisionError: division by zero"]


def test_a_job_does_not_outlive_its_owner(tmp_path):
    script = """
import sys, time
from types import SimpleNamespace
from sysstop.run.job import job
with job(SimpleNamespace(log=[sys.argv[1]])):
    print("working", flush=True)
    time.sleep(600)
"""
    owner = subprocess.Popen(["sleep", "600"])
    environment = os.environ | {"PYTHONPATH": str(LIBRARY_FOLDER), OWNER_VARIABLE: str(owner.pid)}
    command = [sys.executable, "-c", script, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as worker:
        assert worker.stdout.readline() == b"working\n"
        owner.kill()
        owner.wait()
        assert worker.wait(timeout=30) == -signal.SIGKILL
