import numpy as np
import pytest

from sysstop.results.journal import (
    Journal,
    count_failed_search,
    journal_entry,
    read_failed_searches,
    read_trials,
)
from sysstop.trial.training import train

IDENTITY = {"seed": 1}
NODE1, NODE2 = {"host": "node1", "cores": 8}, {"host": "node2", "cores": 2}


@pytest.fixture
def entry(make_trial, classification_split):
    trial = make_trial(steps=20)
    records = list(train(trial, classification_split))

    def make(trial_id, environment=NODE1):
        there = [record | {"environment": environment} for record in records]
        return journal_entry(trial_id, trial, there)

    return make


def test_a_journal_gives_back_what_was_written_bit_for_bit(tmp_path, entry):
    written = entry("a")
    Journal(tmp_path / "j", IDENTITY).append(written)
    (read,) = read_trials(tmp_path / "j")
    assert np.array_equal(read.pop("losses"), written.pop("losses"))
    assert str(read) == str(written)
    assert (read["windows"]["step"], read["host"]) == ([10, 20], "node1")


def test_a_journal_continues_with_the_trials_it_holds(tmp_path, entry):
    Journal(tmp_path / "j", IDENTITY).append(entry("a"))
    assert Journal(tmp_path / "j", IDENTITY).finished == {"a": "completed"}


def test_a_continued_journal_has_lost_its_failed_trials(tmp_path, entry):
    journal = Journal(tmp_path / "j", IDENTITY)
    journal.append(entry("a") | {"status": "failed"})
    journal.append(entry("b"))
    assert journal.finished == {"a": "failed", "b": "completed"}
    again = Journal(tmp_path / "j", IDENTITY)
    assert again.finished == {"b": "completed"}
    again.append(entry("a"))
    assert [trial["trial_id"] for trial in read_trials(tmp_path / "j")] == ["b", "a"]


def test_a_journal_knows_every_environment_in_which_its_trials_ran_once(tmp_path, entry):
    journal = Journal(tmp_path / "j", IDENTITY)
    for trial_id, environment in (("a", NODE1), ("b", NODE2), ("c", NODE1), ("d", {})):
        journal.append(entry(trial_id, environment))
    assert journal.environments == [NODE1, NODE2]
    assert Journal(tmp_path / "j", IDENTITY).environments == [NODE1, NODE2]


def test_searches_with_failed_trials_are_counted(tmp_path):
    assert read_failed_searches(tmp_path) == 0
    count_failed_search(tmp_path)
    count_failed_search(tmp_path)
    assert read_failed_searches(tmp_path) == 2


def test_a_journal_of_another_study_is_begun_anew(tmp_path, entry):
    Journal(tmp_path / "j", IDENTITY).append(entry("a"))
    assert Journal(tmp_path / "j", {"seed": 2}).finished == {}


def test_a_line_that_a_crash_cut_short_is_dropped_and_the_journal_goes_on(tmp_path, entry):
    path = tmp_path / "j"
    Journal(path, IDENTITY).append(entry("a"))
    with path.open("a") as file:
        file.write('{"trial_id": "b", "sco')
    Journal(path, IDENTITY).append(entry("c"))
    assert [trial["trial_id"] for trial in read_trials(path)] == ["a", "c"]
    assert set(Journal(path, IDENTITY).finished) == {"a", "c"}


def test_a_trial_that_failed_keeps_the_windows_before(make_trial, classification_split):
    trial = make_trial()
    record = next(train(trial, classification_split)) | {"environment": NODE1}
    failed = {"status": "failed", "stop_reason": "killed", "environment": {}}
    entry = journal_entry("a", trial, [record, failed])
    assert (entry["status"], entry["stop_reason"]) == ("failed", "killed")
    assert entry["host"] == "node1"
    assert entry["windows"]["step"] == [10]
