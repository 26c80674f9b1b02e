"""Real searches with real Ray on a small grid."""

import contextlib
import errno
import math
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import psutil
import pytest
from ray.air.execution._internal import RayActorManager

from sysstop.analysis.recording import Recording
from sysstop.analysis.virtual_search import arm_stops
from sysstop.results.journal import Journal, read_trials
from sysstop.run.environment import LIBRARY_FOLDER
from sysstop.run.errors import UserError
from sysstop.search.ray_session import ray_cores, ray_session
from sysstop.search.settings import SearchSettings
from sysstop.search.tune import StudyObserver, run_search
from sysstop.study.metrics import metric_names
from sysstop.study.rules import (
    BestCost,
    FirstOf,
    MedianRule,
    MetricLimit,
    Plateau,
    SuccessiveHalving,
)
from sysstop.study.status import BUDGET_USED
from sysstop.study.studies import Budget, Study, plan_trials, search_order
from tests.shipped import ALGORITHMS

pytestmark = pytest.mark.machine

GRID = {"batch_size": [4, 16], "learning_rate": [0.1, 0.01], "alpha": [0.001]}
BUDGET = Budget(steps=30, epochs=None, seconds=None, window_steps=10, warmup_steps=2)
STUDY = Study("random", "logistic_regression", "none", 1)
LOGISTIC = ALGORITHMS["logistic_regression"]
MISSING = replace(LOGISTIC, estimator="sklearn.linear_model.NoSuchEstimator")
TRIALS = plan_trials(STUDY, LOGISTIC, GRID, BUDGET, seed=1, fold_rows=100)
RATES = [10.0**-power for power in range(5)]
MANY = plan_trials(STUDY, LOGISTIC, GRID | {"learning_rate": RATES}, BUDGET, seed=1, fold_rows=100)


@pytest.fixture
def search(split_folder, tmp_path, monkeypatch):
    """Run a search; return the finished trials by id, and the messages logged."""
    monkeypatch.setattr("sysstop.search.tune.PROGRESS_INTERVAL_S", 0.0)

    def run(
        name="journal",
        trials=TRIALS,
        rule=None,
        workers=2,
        order_seed=1,
        trial_timeout_s=None,
        max_failed_fraction=0.25,
        log=None,
    ):
        messages = []
        journal = Journal(tmp_path / name, {})
        with ray_session("local", workers):
            run_search(
                trials,
                rule,
                split_folder,
                journal,
                SearchSettings(
                    workers,
                    trial_timeout_s=trial_timeout_s,
                    max_failed_fraction=max_failed_fraction,
                ),
                order_seed=order_seed,
                log=log or messages.append,
            )
        return {trial.trial_id: trial for trial in read_trials(journal.path)}, messages

    return run


def windows_of(finished, *kinds):
    """Each trial's metrics of these kinds, window by window, as exact text."""
    return {
        trial_id: list(
            zip(
                *([str(value) for value in trial.windows[name]] for name in metric_names(*kinds)),
                strict=False,
            )
        )
        for trial_id, trial in finished.items()
    }


def test_every_trial_of_the_grid_runs_once_and_progress_is_logged(search):
    finished, messages = search()
    assert set(finished) == set(TRIALS)
    assert {trial.end.status for trial in finished.values()} == {"completed"}
    assert all(trial.windows["step"] == [10, 20, 30] for trial in finished.values())
    assert messages[-1].startswith("4 of 4 trials done")


def test_a_search_says_how_many_trials_ran_at_once(split_folder, tmp_path):
    journal = Journal(tmp_path / "journal", {})
    with ray_session("local", workers=2):
        found = run_search(
            TRIALS, None, split_folder, journal, SearchSettings(64), order_seed=1, log=print
        )
        assert found["workers"] == ray_cores() < 64
    worked_s = sum(
        trial.windows[name][-1]
        for trial in read_trials(journal.path)
        for name in ("train_time_s", "eval_time_s")
    )
    assert found["overhead_s"] == pytest.approx(found["wall_time_s"] * found["workers"] - worked_s)


def test_results_depend_neither_on_the_number_of_workers_nor_on_the_order(search):
    one, _ = search("one", workers=1, order_seed=1)
    two, _ = search("two", workers=2, order_seed=2)
    assert list(one) != list(two)
    assert windows_of(one, "quality") == windows_of(two, "quality")


def test_a_stopped_trial_is_the_baselines_trial_bit_for_bit_up_to_its_stop(search):
    baseline, _ = search("baseline", workers=2)
    rule = MetricLimit("samples_used", limit=13 * 16 * 3)
    stopped, _ = search("stopped", rule=rule, workers=1, order_seed=3)
    by_status = Counter(trial.end.status for trial in stopped.values())
    assert by_status == {"completed": 2, "stopped": 2}
    full = windows_of(baseline, "quality")
    for trial_id, windows in windows_of(stopped, "quality").items():
        assert windows == full[trial_id][: len(windows)]
        assert np.array_equal(
            stopped[trial_id].losses, baseline[trial_id].losses[: len(windows) * 10]
        )


def test_a_rule_stops_a_trial_before_its_next_window(search):
    finished, messages = search(rule=MetricLimit("memory_mb", limit=1.0))
    assert {trial.end.status for trial in finished.values()} == {"stopped"}
    assert {len(trial.windows["step"]) for trial in finished.values()} == {1}
    assert {trial.end.reason for trial in finished.values()} == {"metric_limit"}
    assert "4 stopped" in messages[-1]


BOTH = FirstOf([Plateau(patience=0, min_improvement=0.02), SuccessiveHalving(0.25)])


@pytest.mark.parametrize("rule", [SuccessiveHalving(0.25), MedianRule(0.25), BOTH])
def test_a_rule_that_compares_trials_decides_live_as_in_replay(search, rule):
    """With one worker the order of events is the order of the trials."""
    baseline, _ = search("baseline", trials=MANY)
    live, _ = search("live", trials=MANY, rule=rule, workers=1)
    ids = sorted(baseline)
    curves = {
        name: np.array([baseline[trial_id].windows[name] for trial_id in ids])
        for name in ("step", *metric_names())
    }
    recording = Recording(
        np.array(ids), np.full(len(ids), 30), np.full(len(ids), True), np.full(len(ids), 3), curves
    )
    order = [ids.index(trial_id) for trial_id in search_order(MANY, 1)]
    stops = arm_stops(recording, rule, workers=1, order=order)
    assert [len(live[trial_id].windows["step"]) for trial_id in ids] == list(stops.windows_used)
    assert 2 < stops.stopped.sum() < len(ids)
    for trial_id, stopped in zip(ids, stops.stopped, strict=True):
        assert live[trial_id].end.status == ("stopped" if stopped else "completed")
        if stopped:
            limits = {part.name: part.limit for part in rule.parts}
            stop = live[trial_id].end.stop
            assert stop.value > stop.limit == limits[stop.rule]
    reasons = {live[trial_id].end.reason for trial_id in live} - {BUDGET_USED}
    assert reasons == {part.name for part in rule.parts}
    full = windows_of(baseline, "quality")
    for trial_id, windows in windows_of(live, "quality").items():
        assert windows == full[trial_id][: len(windows)]


def test_a_trial_is_stopped_that_costs_a_multiple_of_the_cheapest_one_before(search):
    rule = BestCost(1.0)
    finished, _ = search(trials=MANY, rule=rule, workers=1)  # in the order in which they ended
    completed = []
    for trial in finished.values():
        spent_s = trial.windows["steady_train_time_s"]
        exceeds = [spent / min(completed, default=math.inf) > rule.limit for spent in spent_s[:2]]
        if any(exceeds):
            assert len(spent_s) == exceeds.index(True) + 1
            assert trial.end.stop.value == spent_s[-1] / min(completed)
        else:
            assert trial.end.status == "completed"
            completed.append(spent_s[-1])


def test_what_trials_wait_for_a_verdict_is_part_of_the_overhead_and_stated(split_folder, tmp_path):
    journal = Journal(tmp_path / "journal", {})
    with ray_session("local", workers=2):
        settings = SearchSettings(2)
        rule, messages = MedianRule(), []
        found = run_search(
            MANY, rule, split_folder, journal, settings, order_seed=1, log=messages.append
        )
    assert 0 < found["rule_wait_s"] < found["overhead_s"]
    assert not [message for message in messages if "WARNING" in message]


def test_a_rule_that_compares_trials_which_all_run_at_once_is_warned_of(search):
    few = dict(list(TRIALS.items())[:1])
    finished, messages = search(trials=few, rule=MedianRule(), workers=1)
    assert len(finished) == 1
    (warning,) = (message for message in messages if "WARNING" in message)
    assert "this study has 1 trial and 1 can run at once" in warning
    assert "the rule 'median'" in warning


def test_a_resumed_search_compares_with_the_trials_that_were_finished_before(search, tmp_path):
    rule = SuccessiveHalving(0.25)
    undisturbed, _ = search("undisturbed", trials=MANY, rule=rule, workers=1)
    lines = (tmp_path / "undisturbed").read_text().splitlines(keepends=True)
    (tmp_path / "killed").write_text("".join(lines[: 1 + len(MANY) // 2]))
    resumed, _ = search("killed", trials=MANY, rule=rule, workers=1)
    assert [str(trial.end) for trial in resumed.values()] == [
        str(trial.end) for trial in undisturbed.values()
    ]


def test_a_trial_that_fails_blocks_no_other_that_it_is_compared_with(search):
    broken = dict(MANY)
    name, other = list(broken)[:2]
    broken[name] = replace(MANY[name], algorithm=MISSING)
    endless = replace(BUDGET, steps=10**9, window_steps=10**9)
    broken[other] = replace(MANY[other], steps_planned=10**9, budget=endless)
    finished, _ = search(trials=broken, rule=MedianRule(), trial_timeout_s=15)
    assert set(finished) == set(MANY)
    failed = {trial_id for trial_id, trial in finished.items() if trial.end.status == "failed"}
    assert failed == {name, other}


def test_a_search_whose_scoreboard_dies_ends_and_says_why(search, tmp_path):
    def kill_the_scoreboard(message):
        for process in workers_of_ray():
            if "Scoreboard" in " ".join(process.cmdline()):
                process.kill()

    with pytest.raises(UserError, match="the scoreboard died"):
        search(trials=MANY, rule=MedianRule(), workers=1, log=kill_the_scoreboard)
    assert len(list(read_trials(tmp_path / "journal"))) < len(MANY)
    finished, _ = search(trials=MANY, rule=MedianRule())
    assert {trial.end.status for trial in finished.values()} <= {"completed", "stopped"}


def test_an_interrupted_search_is_not_taken_for_a_complete_one(search, tmp_path):
    def interrupt(message):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(UserError, match=r"The search was interrupted: \d of its 4 trials"):
        search(workers=1, log=interrupt)
    kept = list(read_trials(tmp_path / "journal"))
    assert 1 <= len(kept) < 4
    finished, _ = search()
    assert set(finished) == set(TRIALS)


def test_a_search_continues_with_the_trials_that_its_journal_lacks(search):
    some = dict(list(TRIALS.items())[:1])
    first, _ = search(trials=some)
    finished, messages = search()
    assert set(finished) == set(TRIALS)
    (kept,) = some
    assert str(finished[kept]) == str(first[kept])
    assert messages[-1].startswith("4 of 4")


def test_a_failing_trial_does_not_fail_the_others(search):
    broken = dict(TRIALS)
    name = next(iter(broken))
    broken[name] = replace(TRIALS[name], algorithm=MISSING)
    finished, messages = search(trials=broken)
    statuses = [trial.end.status for trial in finished.values()]
    assert sorted(statuses) == ["completed"] * 3 + ["failed"]
    assert "NoSuchEstimator" in finished[name].end.reason
    assert messages[-1].startswith("4 of 4 trials done, 1 failed,")


def test_a_failed_trial_is_tried_again_and_no_other(search):
    broken = dict(TRIALS)
    name = next(iter(broken))
    broken[name] = replace(broken[name], algorithm=MISSING)
    first, _ = search(trials=broken)
    again, _ = search()
    assert (first[name].end.status, again[name].end.status) == ("failed", "completed")
    assert set(again) == set(TRIALS)
    others = set(TRIALS) - {name}
    assert all(str(again[other]) == str(first[other]) for other in others)


def test_a_study_of_too_many_failing_trials_ends_and_says_why(search, tmp_path):
    broken = {trial_id: replace(trial, algorithm=MISSING) for trial_id, trial in TRIALS.items()}
    whole = next(iter(TRIALS))
    broken[whole] = TRIALS[whole]
    with pytest.raises(UserError) as error:
        search(trials=broken, workers=1)
    assert "2 of 4 trials failed" in str(error.value)
    assert "search.max_failed_fraction = 0.25" in str(error.value)
    assert "2 x " in str(error.value) and "NoSuchEstimator" in str(error.value)


def test_a_full_disk_ends_the_study_at_once_and_keeps_what_was_written(search, monkeypatch):
    append, kept = Journal.append, []

    def append_two(journal, trial):
        if len(kept) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(journal.path))
        append(journal, trial)
        kept.append(trial.trial_id)

    monkeypatch.setattr(Journal, "append", append_two)
    grid = GRID | {"alpha": [10.0**-power for power in range(1, 9)]}
    trials = plan_trials(STUDY, LOGISTIC, grid, BUDGET, seed=1, fold_rows=100)
    with pytest.raises(OSError, match="No space left"):
        search(trials=trials)
    monkeypatch.setattr(Journal, "append", append)
    finished, _ = search(trials=trials)
    assert list(finished)[:2] == kept
    assert set(finished) == set(trials)
    assert {trial.end.status for trial in finished.values()} == {"completed"}


def test_a_trial_that_hangs_is_ended_and_the_others_go_on(search):
    hanging = dict(TRIALS)
    name = next(iter(hanging))
    endless = replace(BUDGET, steps=10**9, window_steps=10**9)
    hanging[name] = replace(hanging[name], steps_planned=10**9, budget=endless)
    # Long enough for the start of a process on a busy machine.
    finished, _ = search(trials=hanging, trial_timeout_s=20)
    assert finished[name].end.status == "failed"
    assert "search.trial_timeout_s = 20 s" in finished[name].end.reason
    others = [trial.end.status for trial_id, trial in finished.items() if trial_id != name]
    assert others == ["completed"] * 3


def test_a_trial_whose_worker_of_ray_dies_before_its_first_report_fails_with_the_whole_reason(
    search,
):
    """As Ray's memory monitor ends workers on a full machine."""
    name, trial = next(iter(TRIALS.items()))
    endless = replace(BUDGET, steps=10**9, window_steps=10**9)
    endless_trial = replace(trial, steps_planned=10**9, budget=endless)

    over = threading.Event()

    def kill_the_workers():
        while not over.wait(0.1):
            for worker in workers_of_ray():
                worker.kill()

    threading.Thread(target=kill_the_workers, daemon=True).start()
    finished, _ = search(
        trials={name: endless_trial}, workers=1, max_failed_fraction=1.0, trial_timeout_s=60
    )
    over.set()
    assert finished[name].end.status == "failed"
    assert finished[name].end.reason.startswith("its worker of Ray died: The actor died")
    assert "OOM" in finished[name].end.reason  # among Ray's guesses, in the middle of its text


def workers_of_ray():
    """Ray's workers that run a trial."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            title = " ".join(process.cmdline())
            if title.startswith("ray::") and not ("IDLE" in title or "Agent" in title):
                found.append(process)
    return found


def test_short_trials_share_as_many_actors_as_there_are_workers(search, monkeypatch):
    """A new actor takes seconds, so none is started for a trial or killed while it starts."""
    count, ended_after = Counter(), []
    add, remove, append = RayActorManager.add_actor, RayActorManager.remove_actor, Journal.append

    def added(*arguments, **named):
        count["actors"] += 1
        return add(*arguments, **named)

    def removed(*arguments, **named):
        ended_after.append(count["trials"])
        return remove(*arguments, **named)

    def appended(journal, trial):
        count["trials"] += 1
        append(journal, trial)

    monkeypatch.setattr(RayActorManager, "add_actor", added)
    monkeypatch.setattr(RayActorManager, "remove_actor", removed)
    monkeypatch.setattr(Journal, "append", appended)
    grid = GRID | {"alpha": [10.0**-power for power in range(1, 9)]}
    short = replace(BUDGET, steps=4, window_steps=2)
    trials = plan_trials(STUDY, LOGISTIC, grid, short, seed=1, fold_rows=100)
    finished, _ = search(trials=trials)
    assert len(finished) == 32
    assert count["actors"] == 2
    assert min(ended_after) >= 32 - 1  # one may have nothing left while the other is at the last


def test_windows_of_short_trials_are_reported_together(search, monkeypatch):
    reports = []
    add = StudyObserver.add

    def counted(observer, trial_id, report):
        reports.append(len(report.windows))
        add(observer, trial_id, report)

    monkeypatch.setattr(StudyObserver, "add", counted)
    search()
    assert sum(reports) == 3 * len(TRIALS)
    assert len(reports) < sum(reports)


@pytest.mark.parametrize("module", ["sklearn", "mlflow", "matplotlib", "scipy"])
def test_a_search_imports_nothing_heavy_that_it_does_not_need(module):
    code = (
        "import sys, sysstop.search.study, sysstop.search.tune; "
        f"sys.exit(any(name.split('.')[0] == {module!r} for name in sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": str(LIBRARY_FOLDER)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )
