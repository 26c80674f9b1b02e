"""A new rule that compares trials is one class: this file defines one, and the pipeline knows it."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from generated_tables import PAIRS, budget, live_search, replay_results, trials_and_windows
from generated_tables import config as study_config

from sysstop.study.rules import RULES, ComparingRule, RuleStyle, Scoreboard, Showing
from sysstop.study.status import Status, Stop, TrialEnd
from tests.shipped import ENTRIES

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Hungrier(ComparingRule):
    """Stop a trial that needs more than a multiple of the least memory that others needed."""

    name: ClassVar[str] = "hungrier"
    stopped_is_candidate: ClassVar[bool] = False
    metric: ClassVar[str] = "memory_peak_mb"
    compares_windows: ClassVar[bool] = True
    limits: ClassVar[Sequence[float]] = (1.1, 1.3, 2.0)
    allowed_limits: ClassVar[str] = "a multiple above 1"
    limit: float = 1.3

    unit = "times"
    style = RuleStyle("Multiple of least memory", "#ff00aa")

    @classmethod
    def allows_limit(cls, limit):
        return limit > 1

    def asks_after(self, window):
        return window == 1

    def own_values(self, curves):
        return curves[self.metric]

    def signal(self, own, window, others, finished):
        return own / others[0] if others else -np.inf


ARMS = {"none": {"rule": "none"}, "hungrier": {"rule": "hungrier"}}


@pytest.fixture(scope="module", autouse=True)
def registry():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, Hungrier.name, Hungrier)
        yield


@pytest.fixture(scope="module")
def simulated(registry):
    return live_search(
        *trials_and_windows(PAIRS[:1], {"none": ARMS["none"]}), "hungrier", Hungrier()
    )


@pytest.fixture(scope="module")
def tables(simulated):
    return replay_results(*simulated, ARMS)


def test_its_arm_is_accepted_and_a_mistake_in_it_is_named():
    from sysstop.study.arms import arm_mistakes, make_rule

    budget = {"steps": 1000, "window_steps": 100, "seconds": None}
    assert make_rule(ARMS["hungrier"]) == Hungrier(1.3)
    assert not list(arm_mistakes("mine", {"rule": "hungrier", "limit": 2}, {}, budget, here=True))
    assert list(arm_mistakes("mine", {"rule": "hungrier", "limit": 1}, {}, budget, here=True)) == [
        "arms.mine.limit: found 1; a multiple above 1 is needed"
    ]


def test_it_stops_a_trial_in_training(classification_split, make_trial):
    from sysstop.trial.training import train

    rule = Hungrier()
    scoreboard = Scoreboard(rule)
    scoreboard.show(Showing(1, own=0.001, shown=0.001))  # what no real trial can do with
    first, last = train(make_trial(), classification_split, rule, show=scoreboard.show)
    needed = last.metrics["memory_peak_mb"]
    seen = Stop("hungrier", "memory_peak_mb", 1.3, needed / 0.001)
    assert (first.end, last.end) == (None, TrialEnd(Status.STOPPED, "hungrier", seen))


def test_its_trials_are_searched_in_their_own_processes(
    tmp_path, monkeypatch, split_folder, make_trial
):
    from sysstop.run.environment import LIBRARY_FOLDER
    from sysstop.trial.process import (
        SERVER_VARIABLE,
        Request,
        TrialProcess,
        printed_by,
        template_command,
    )

    socket = tmp_path / "trials"
    monkeypatch.setenv(SERVER_VARIABLE, str(socket))
    server = subprocess.Popen(
        template_command(socket),
        stderr=printed_by(socket).open("wb"),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (LIBRARY_FOLDER, HERE, ROOT)))},
    )
    rule = Hungrier(1 + 1e-9)
    process = TrialProcess(show=Scoreboard(rule).show)
    try:
        deadline = time.monotonic() + 60
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        searched = []
        for batch_size in (1, 128, 1):
            process.start(Request(make_trial(batch_size=batch_size), rule, split_folder))
            windows = [process.next_window()]
            while windows[-1].end is None:
                windows.append(process.next_window())
            searched.append(windows)
    finally:
        process.close()
        server.kill()
        server.wait()
    least = np.inf
    for windows in searched:
        needed = windows[1].metrics["memory_peak_mb"]
        end = windows[-1].end
        assert (end.status, len(windows)) == (
            ("stopped", 2) if needed > least * rule.limit else ("completed", 3)
        )
        least = min(least, needed)


def test_it_is_replayed_at_its_limits(tables):
    replay = tables["replay"].query("rule == 'hungrier'")
    assert set(replay["limit"]) == {1.1, 1.3, 2.0}
    by_limit = replay.groupby("limit")["trials_stopped"].sum()
    assert by_limit[1.1] >= by_limit[1.3] >= by_limit[2.0]
    assert by_limit[1.1] > 0
    assert "hungrier" in set(tables["replay_summary"]["rule"])


def test_its_live_arm_is_compared_with_its_replay(tables):
    check = tables["replay_check"].query("rule == 'hungrier'")
    assert (check["trials_agreeing"] == check["trials"]).all()
    assert (check["live_trials_stopped"] > 0).all()
    assert (check["rule_wait_fraction"] > 0).all()


def test_the_report_names_it(simulated, tables):
    from sysstop.report.arms import arm_limits, arm_table
    from sysstop.report.budget import answer_rq2
    from sysstop.report.replay import replay_digest
    from sysstop.report.replay_check import live_check

    trials, config = simulated[0], study_config(PAIRS[:1], ARMS)
    arms = arm_table(config).set_index("Arm")
    words = f"as soon as its peak memory exceeds 1.3{NO_BREAK}times"
    assert arms.loc["hungrier", "Stops a trial"] == words.capitalize()
    assert arms.loc["hungrier", "A stopped trial may be chosen"] == "no"
    answer = answer_rq2(budget(trials), config, arm_limits(trials))
    assert dict(answer.points)["hungrier"].startswith(f"Stops a trial {words}.")
    assert "Limit on peak memory" in set(replay_digest(tables["replay_summary"])["Rule"])
    assert (
        "waits for the verdict of a rule that compares"
        in live_check(tables["replay_check"]).paragraph
    )


def test_the_replay_figure_draws_it(tables):
    from sysstop.report.figures.replay import draw as replay_figure

    figure = replay_figure(tables["replay"], tables["replay_summary"], ENTRIES)
    ranking, *panels = figure.axes
    assert "Multiple of least memory" in [label.get_text() for label in ranking.get_yticklabels()]
    drawn = {
        axes.get_title() for axes in panels for line in axes.lines if line.get_color() == "#ff00aa"
    }
    assert drawn == {"Other rules"}
