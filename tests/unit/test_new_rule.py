"""A new stopping rule is one class: this file alone defines one, and the whole pipeline knows it."""

import copy
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import yaml
from generated_tables import PAIRS, budget, replay_results, trials_and_windows
from generated_tables import config as study_config

from sysstop.plan.config_check import check_config
from sysstop.run.errors import UserError
from sysstop.study.metrics import metric_names
from sysstop.study.rules import RULES, RuleStyle, TrialRule
from sysstop.study.status import Status, Stop, TrialEnd
from tests.shipped import ENTRIES, LEVELS

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Growth(TrialRule):
    """Stop when a metric of the latest window exceeds a multiple of the first window's."""

    name: ClassVar[str] = "growth"
    stopped_is_candidate: ClassVar[bool] = False
    limits_system_metric: ClassVar[bool] = True
    metric: str
    limit: float
    grace_windows: int = 0

    unit = "times"
    style = RuleStyle("Growth of step time", "#ff00aa")

    def signals(self, curves, steps_planned):
        return curves[self.metric] / curves[self.metric][..., :1]

    @classmethod
    def watched_metrics(cls):
        return metric_names("system", "accounting")

    @classmethod
    def variants(cls, arms):
        return [cls("step_time_ms", limit=np.inf)]

    @classmethod
    def value_mistakes(cls, key, parameters, bounds):
        yield from super().value_mistakes(key, parameters, bounds)
        if parameters["limit"] < 1:
            yield f"{key}.limit: found {parameters['limit']}; a multiple from 1 is needed"

    @property
    def quantity(self):
        return f"growth of {super().quantity}"


ARM = {"rule": "growth", "metric": "step_time_ms", "limit": 1.05}
# Samples grow by the same number in every window, whatever the clock says.
DOUBLED = Growth("samples_used", limit=1.5)


@pytest.fixture(scope="module", autouse=True)
def registry():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, Growth.name, Growth)
        yield


@pytest.fixture
def config():
    files = ("config/datasets.yaml", "config/algorithms.yaml", "config/config.yaml")
    parts = [yaml.safe_load((ROOT / file).read_text()) for file in files]
    config = copy.deepcopy(parts[0] | parts[1] | parts[2])
    config["study"]["arms"] = ["none", "mine"]
    return config


def test_its_arm_is_accepted(config):
    config["arms"]["mine"] = ARM
    check_config(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit": 0.5}, "arms.mine.limit: found 0.5; a multiple from 1 is needed"),
        ({"limit": "twice"}, "arms.mine.limit: found 'twice', a number is needed"),
        ({"limit": None}, "arms.mine.limit: missing; the rule 'growth' needs it"),
        ({"metric": "val_loss"}, "the rule 'growth' cannot watch 'val_loss'"),
        ({"quantile": 0.5}, "unknown key arms.mine.quantile"),
        ({"rule": "grwth"}, "did you mean 'growth'?"),
    ],
)
def test_a_mistake_in_its_arm_is_named(config, change, message):
    config["arms"]["mine"] = ARM | change
    with pytest.raises(UserError) as error:
        check_config(config)
    assert message in str(error.value)


def test_it_stops_a_trial_in_training(classification_split, make_trial):
    from sysstop.trial.training import train

    first, last = train(make_trial(), classification_split, DOUBLED)
    seen = Stop("growth", "samples_used", 1.5, 2.0)
    assert (first.end, last.end) == (None, TrialEnd(Status.STOPPED, "growth", seen))


def test_it_stops_a_trial_in_its_own_process(tmp_path, monkeypatch, split_folder, make_trial):
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
    process = TrialProcess()
    try:
        deadline = time.monotonic() + 60
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.start(Request(make_trial(), DOUBLED, split_folder))
        ends = [process.next_window().end for _ in range(2)]
    finally:
        process.close()
        server.kill()
        server.wait()
    assert ends[0] is None
    assert (ends[1].status, ends[1].reason) == (Status.STOPPED, "growth")


ARMS = {
    "none": {"rule": "none"},
    "growth": ARM,
    "samples": {"rule": "growth", "metric": "samples_used", "limit": 5.5},
}


@pytest.fixture(scope="module")
def simulated(registry):
    return trials_and_windows(PAIRS[:1], ARMS)


@pytest.fixture(scope="module")
def tables(simulated):
    return replay_results(*simulated, ARMS)


def test_it_is_replayed_on_recorded_windows(simulated, tables):
    windows = simulated[1]
    recorded = windows[(windows["arm"] == "none") & (windows["repetition"] == 1)]
    step_time = recorded.pivot(index="trial_id", columns="window", values="step_time_ms")
    growth = step_time.div(step_time[1], axis=0).drop(columns=10)  # the last window ends it anyway
    replay = tables["replay"].query("rule == 'growth' and repetition == 1")
    assert len(replay) > 20
    assert replay["trials_stopped"].max() > 30
    for point in replay.itertuples():
        assert point.trials_stopped == (growth.max(axis=1) > point.limit).sum()
    assert "growth" in set(tables["replay_summary"]["rule"])


def test_its_live_arm_is_compared_with_its_replay(tables):
    check = tables["replay_check"].set_index(["arm", "repetition"])
    samples = check.loc["samples"]
    assert (samples["trials_agreeing"] == samples["trials"]).all()
    assert (samples["live_trials_stopped"] == samples["trials"]).all()
    growth = check.loc["growth"]
    assert (growth["limit"] == 1.05).all()
    assert growth["replayed_trials_stopped"].between(1, 39).all()


def test_the_report_names_it(simulated, tables):
    from sysstop.report.arms import arm_limits, arm_table
    from sysstop.report.budget import answer_rq2
    from sysstop.report.replay import replay_digest

    trials, config = simulated[0], study_config(PAIRS[:1], ARMS)
    arms = arm_table(config).set_index("Arm")
    words = "as soon as its growth of step time exceeds 1.05\u00a0times"
    assert arms.loc["growth", "Stops a trial"] == words.capitalize()
    assert arms.loc["growth", "A stopped trial may be chosen"] == "no"
    answer = answer_rq2(budget(trials), config, arm_limits(trials))
    assert dict(answer.points)["growth"].startswith(f"Stops a trial {words}.")
    assert "Limit on growth of step time" in set(replay_digest(tables["replay_summary"])["Rule"])


def test_the_explorer_offers_it(tables):
    from sysstop.report.explorer import explorer_studies

    (of_pair,) = explorer_studies(tables["replay"], tables["signals"], ENTRIES, LEVELS).values()
    limits = of_pair["1"]["quantities"]["Growth of step time (times)"]["limits"]
    assert limits["limit_text"][0].endswith("\u00a0times")


def test_the_replay_figure_draws_it(tables):
    from sysstop.report.figures.replay import draw as replay_figure

    figure = replay_figure(tables["replay"], tables["replay_summary"], ENTRIES)
    ranking, *panels = figure.axes
    assert "Growth of step time" in [label.get_text() for label in ranking.get_yticklabels()]
    drawn = {
        axes.get_title() for axes in panels for line in axes.lines if line.get_color() == "#ff00aa"
    }
    assert drawn == {"Other rules"}
