"""A study killed at any moment continues with the trials it had finished, and loses nothing."""

import contextlib
import random
import signal
import time
from itertools import cycle, islice

import pandas as pd
import psutil

from sysstop.results.journal import read_trials
from sysstop.study.rules import Scoreboard, SuccessiveHalving, showing_after
from sysstop.study.status import Status
from tests.faults.faulty_run import (
    PAIR,
    STUDY,
    TARGET,
    TRIALS,
    assert_complete,
    finished_trials,
    last_message,
    make_project,
    quality,
    table,
)

KILLS = 20
LONG = {"budget__steps": 300, "budget__window_steps": 30, "split__folds": 4}


def kill(find):
    """Return what kills the first process that `find` finds, which may not have started yet."""

    def kill_found(run):
        found = []
        run.wait_for(lambda: found.extend(find(run)[:1]) or found)
        with contextlib.suppress(psutil.NoSuchProcess):
            found[0].kill()

    return kill_found


WAYS = {
    "the job is killed": kill(lambda run: run.processes(".search.py")),
    "a trial's process is killed": kill(lambda run: run.trials()),
    "Ray is killed": kill(lambda run: run.processes("raylet/raylet")),
    "Snakemake is killed": lambda run: run.process.kill(),
    "Ctrl-C": lambda run: run.interrupt(),
    "power-off": lambda run: run.kill_all(),
}


def killed_at_twenty_moments(start, project, target, study=STUDY):
    """Kill a run at twenty moments, in all ways; return how many trials of the study were finished then."""
    rng = random.Random(2023)
    progress = []
    for way in islice(cycle(WAYS), KILLS):
        run = start(target, in_project=project)
        before = finished_trials(project, study)
        # From the start of the run to some trials into its search.
        delay_s, trials = rng.choice([(rng.uniform(0, 6), None), (0, rng.randint(1, 2))])
        if trials:
            run.wait_for(lambda wanted=before + trials: finished_trials(project, study) >= wanted)
        else:
            time.sleep(delay_s)
        print(f"{way} after {delay_s:.1f} s with {finished_trials(project, study)} trials")
        assert run.running, run.said[-2000:]
        WAYS[way](run)
        if way == "a trial's process is killed":
            time.sleep(1)
            run.kill_all()
        run.wait()
        run.wait_until_gone()
        if way == "Ray is killed" and trials:
            assert "Ray died in the middle of the search" in last_message(run)
        progress.append(finished_trials(project, study))
        assert progress[-1] >= before, "finished trials were lost"
    assert progress[-1] < TRIALS, "the study was over before the last kill"
    return progress[-1]


def test_a_study_killed_at_twenty_moments_has_the_tables_of_an_undisturbed_one(start, tmp_path):
    project = make_project(tmp_path / "disturbed", **LONG)
    undisturbed = make_project(tmp_path / "undisturbed", **LONG)
    assert start(in_project=undisturbed).wait() == 0
    assert_complete(undisturbed)

    finished = killed_at_twenty_moments(start, project, TARGET)
    last = start(in_project=project)
    assert last.wait() == 0, last.said[-3000:]
    last.wait_until_gone()
    assert_complete(project)
    pd.testing.assert_frame_equal(quality(project), quality(undisturbed), check_exact=True)
    resumed = pd.read_json(project.folder / STUDY / "search.json", typ="series")
    assert resumed["resumed_trials"] == finished


def test_a_search_that_compares_trials_and_is_killed_goes_on_with_what_they_have_shown(
    start, tmp_path
):
    # Longer, because half of them end early.
    longer = LONG | {"budget__steps": 1200, "budget__window_steps": 120}
    project = make_project(
        tmp_path / "compared", study__arms=["none", "halving"], search__workers=1, **longer
    )
    study = f"{PAIR}/halving/repetition-1"
    finished = killed_at_twenty_moments(start, project, f"{study}/search.json", study)
    again = start(f"{study}/search.json", in_project=project)
    assert again.wait() == 0, again.said[-3000:]
    summary = pd.read_json(project.folder / study / "search.json", typ="series")
    assert summary["resumed_trials"] == finished < TRIALS
    assert 0 < summary["rule_wait_s"] < summary["overhead_s"]

    # One trial at a time, so each saw exactly those before it: the verdicts can be told from the losses.
    rule, stopped = SuccessiveHalving(0.5), 0
    scoreboard = Scoreboard(rule)
    trials = list(read_trials(project.folder / study / "trials.jsonl"))
    assert len({trial.trial_id for trial in trials}) == len(trials) == TRIALS
    for trial in trials:
        rows = [{rule.metric: loss} for loss in trial.windows[rule.metric]]
        completed = Status.COMPLETED if trial.end.status == Status.COMPLETED else None
        for window in range(1, len(rows) + 1):
            status = completed if window == len(rows) else None
            showing = showing_after(rule, rows[:window], status)
            stop = scoreboard.show(showing) if showing else None
            assert stop == (trial.end.stop if window == len(rows) else None)
        stopped += trial.end.status == Status.STOPPED
    assert stopped > TRIALS // 4


def test_an_export_that_is_killed_leaves_no_run_behind(project, start):
    run = start()
    assert run.wait_for(lambda: run.processes("export.py"))
    time.sleep(2.5)
    run.kill_all()
    assert start().wait() == 0
    assert_complete(project)
    assert len(table(project, "trials")) == TRIALS


def test_a_run_that_is_terminated_finishes_its_search_and_begins_nothing_else(project, start):
    run = start()
    assert run.wait_for(lambda: finished_trials(project) >= 2)
    run.process.send_signal(signal.SIGTERM)
    run.wait(seconds=120)
    run.wait_until_gone()
    assert finished_trials(project) == TRIALS
    assert not (project.folder / TARGET).exists()
