import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from sysstop.results.journal import (
    Journal,
    count_failed_search,
    read_failed_searches,
    read_trials,
)
from sysstop.study.rules import MetricLimit
from sysstop.study.status import Status, TrialEnd
from sysstop.trial.training import train
from sysstop.trial.window import finished_trial

IDENTITY = {"seed": 1}
NODE1, NODE2 = {"host": "node1", "cores": 8}, {"host": "node2", "cores": 2}


FAILED = TrialEnd(Status.FAILED, "killed")


@pytest.fixture
def entry(make_trial, classification_split):
    trial = make_trial(steps=20)

    def make(trial_id, environment=NODE1, rule=None):
        windows = list(train(trial, classification_split, rule))
        return finished_trial(trial_id, trial, windows, windows[-1].end, environment)

    return make


@pytest.mark.parametrize("rule", [None, MetricLimit("samples_used", 1.0)])
def test_a_journal_gives_back_what_was_written_bit_for_bit(tmp_path, entry, rule):
    written = entry("a", rule=rule)
    Journal(tmp_path / "j", IDENTITY).append(written)
    (read,) = read_trials(tmp_path / "j")
    assert np.array_equal(read.losses, written.losses)
    without_losses = [str(asdict(replace(trial, losses=None))) for trial in (read, written)]
    assert without_losses[0] == without_losses[1]
    assert read.windows["step"] == ([10] if rule else [10, 20])
    assert read.row["host"] == "node1"


def test_a_line_of_the_journal_names_columns_and_statuses_as_the_tables_do(tmp_path, entry):
    Journal(tmp_path / "j", IDENTITY).append(entry("a", rule=MetricLimit("samples_used", 1.0)))
    line = json.loads((tmp_path / "j").read_text().splitlines()[1])
    assert (line["status"], line["stop_reason"]) == ("stopped", "metric_limit")
    assert (line["stop_metric"], line["stop_limit"]) == ("samples_used", 1.0)
    assert line["stop_value"] == line["windows"]["samples_used"][0]


def test_a_journal_continues_with_the_trials_it_holds(tmp_path, entry):
    Journal(tmp_path / "j", IDENTITY).append(entry("a"))
    assert Journal(tmp_path / "j", IDENTITY).finished == {"a": "completed"}


def test_a_continued_journal_has_lost_its_failed_trials(tmp_path, entry):
    journal = Journal(tmp_path / "j", IDENTITY)
    journal.append(replace(entry("a"), end=FAILED))
    journal.append(entry("b"))
    assert journal.finished == {"a": "failed", "b": "completed"}
    again = Journal(tmp_path / "j", IDENTITY)
    assert again.finished == {"b": "completed"}
    again.append(entry("a"))
    assert [trial.trial_id for trial in read_trials(tmp_path / "j")] == ["b", "a"]


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
    assert [trial.trial_id for trial in read_trials(path)] == ["a", "c"]
    assert set(Journal(path, IDENTITY).finished) == {"a", "c"}


def test_a_trial_that_failed_keeps_the_windows_before(make_trial, classification_split):
    trial = make_trial()
    window = next(train(trial, classification_split))
    failed = finished_trial("a", trial, [window], FAILED, NODE1)
    assert (failed.row["status"], failed.row["stop_reason"]) == ("failed", "killed")
    assert failed.windows["step"] == [10]
    assert len(failed.losses) == 10
