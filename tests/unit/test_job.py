from types import SimpleNamespace

import pytest

from sysstop.errors import UserError
from sysstop.job import failure_messages, job


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


def test_what_failed_jobs_said_is_found_through_snakemakes_log(snakemake, tmp_path):
    with pytest.raises(SystemExit), job(snakemake):
        raise UserError("data.path: no such file,\nwrite another")
    log = snakemake_log(tmp_path, snakemake.log[0], tmp_path / "missing.log")
    assert failure_messages(log) == ["error: data.path: no such file,\nwrite another"]


def test_a_fault_of_the_program_keeps_its_traceback_in_the_log(snakemake, tmp_path):
    with pytest.raises(ZeroDivisionError), job(snakemake):
        1 / 0  # noqa: B018
    text = (tmp_path / "rule.log").read_text()
    assert "Traceback" in text
    messages = failure_messages(snakemake_log(tmp_path, snakemake.log[0]))
    assert messages == ["error: ZeroDivisionError: division by zero"]
