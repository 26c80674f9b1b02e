import numpy as np
import pytest

from sysstop.journal import (
    Journal,
    count_failed_search,
    journal_entry,
    read_failed_searches,
    read_trials,
)
from sysstop.training import train

IDENTITY = {"seed": 1}


@pytest.fixture
def entry(make_trial, classification_split):
    trial = make_trial(steps=20)
    records = [record | {"host": "node1"} for record in train(trial, classification_split)]

    def make(trial_id):
        return journal_entry(trial_id, trial, records)

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
    record = next(train(trial, classification_split)) | {"host": "node1"}
    failed = {"status": "failed", "stop_reason": "killed", "host": "node1"}
    entry = journal_entry("a", trial, [record, failed])
    assert (entry["status"], entry["stop_reason"]) == ("failed", "killed")
    assert entry["windows"]["step"] == [10]
