"""The arm that stops a trial as soon as it breaks one of the application's constraints."""

import copy
import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml
from generated_tables import ARMS, PAIRS, budget, replay_results, trials_and_windows
from generated_tables import config as study_config

from sysstop.plan.config_check import check_config
from sysstop.run.errors import UserError
from sysstop.study.arms import arm_entry, make_rule, rule_with_limit, with_constraints_arm
from sysstop.study.metrics import METRIC_BY_NAME
from sysstop.study.rules import Constraints, MetricLimit, decide, effective_signals, rule_at
from sysstop.study.status import Status, Stop, TrialEnd
from sysstop.trial.training import train
from tests.shipped import ENTRIES, LEVELS

ROOT = Path(__file__).parents[2]
LARGEST = {"memory_peak_mb": 50.0, "steady_step_time_ms": 2.0}
OVER_WINDOWS = {name: METRIC_BY_NAME[name].over_windows for name in LARGEST}
RULE = Constraints(LARGEST)


def window(step=100, memory_peak_mb=40.0, steady_step_time_ms=1.0):
    return {
        "step": step,
        "memory_peak_mb": memory_peak_mb,
        "steady_step_time_ms": steady_step_time_ms,
    }


def test_a_trial_within_all_constraints_goes_on():
    assert decide(RULE, [window(memory_peak_mb=50.0, steady_step_time_ms=2.0)], 500) is None


@pytest.mark.parametrize(
    ("latest", "metric", "value"),
    [
        ({"memory_peak_mb": 50.5}, "memory_peak_mb", 50.5),
        # The mean of both windows, the first of which has 1 ms.
        ({"steady_step_time_ms": 5.0}, "steady_step_time_ms", 3.0),
        # Of several the first is named.
        ({"memory_peak_mb": 51.0, "steady_step_time_ms": 9.0}, "memory_peak_mb", 51.0),
        ({"memory_peak_mb": math.nan, "steady_step_time_ms": 9.0}, "steady_step_time_ms", 5.0),
    ],
)
def test_the_reason_names_the_metric_its_limit_and_its_value(latest, metric, value):
    seen = [window(), window(step=200, **latest)]
    assert decide(RULE, seen, 500) == Stop("constraints", metric, LARGEST[metric], value)


def test_what_was_not_read_breaks_no_constraint():
    nothing = window(memory_peak_mb=math.nan, steady_step_time_ms=math.nan)
    assert decide(RULE, [nothing], 500) is None


def test_it_fires_where_one_of_the_single_limits_does():
    rng = np.random.default_rng(5)
    curves = {
        "step": np.tile(100.0 * np.arange(1, 7), (200, 1)),
        # Many values are those of the limits.
        "memory_peak_mb": rng.choice([49.9, 50.0, np.nextafter(50, 60), np.nan], (200, 6)),
        "steady_step_time_ms": rng.choice([1.0, 2.0, np.nextafter(2, 3), 3.0], (200, 6)),
    }
    fires = effective_signals(RULE, curves, 600) > RULE.limit
    single = [
        effective_signals(MetricLimit(*limit), curves, 600) > limit[1] for limit in LARGEST.items()
    ]
    np.testing.assert_array_equal(fires, np.logical_or(*single))


def test_a_multiple_of_the_constraints_can_be_tolerated():
    rule = Constraints(LARGEST, limit=1.1)
    assert decide(rule, [window(memory_peak_mb=54.0)], 500) is None
    stop = decide(rule, [window(memory_peak_mb=56.0)], 500)
    assert (stop.metric, stop.limit) == ("memory_peak_mb", pytest.approx(55))


@pytest.fixture
def config():
    files = ("config/datasets.yaml", "config/algorithms.yaml", "config/config.yaml")
    parts = [yaml.safe_load((ROOT / file).read_text()) for file in files]
    return copy.deepcopy(parts[0] | parts[1] | parts[2])


def test_the_default_study_has_the_arm_where_constraints_are_given_and_only_there(config):
    assert with_constraints_arm(config, {}) == config
    assert "constraints" not in config["study"]["arms"]
    given = {"constraints": {"memory_peak_mb": 512}}
    complete = with_constraints_arm(config | given, given)
    assert complete["study"]["arms"] == [*config["study"]["arms"], "constraints"]
    checked = check_config(complete)
    assert make_rule(arm_entry(checked, "constraints")) == Constraints({"memory_peak_mb": 512})


def test_arms_that_the_user_has_chosen_remain(config):
    given = {"constraints": {"memory_peak_mb": 512}, "study": {"arms": ["none", "memory"]}}
    merged = config | given | {"study": config["study"] | given["study"]}
    assert with_constraints_arm(merged, given)["study"]["arms"] == ["none", "memory"]


@pytest.mark.parametrize("study", [None, 5, "x", [], {"arms": None}, {"arms": 5}])
def test_a_malformed_study_is_left_to_the_check(config, study):
    given = {"constraints": {"memory_peak_mb": 512}, "study": study}
    assert with_constraints_arm(config | given, given) == config | given


MISTAKES = {
    "no constraints": (
        {},
        {},
        "arms.constraints: the rule 'constraints' stops a trial that breaks one of `constraints`, and "
        "the config names none; add some, as in `constraints: {memory_peak_mb: 512}`, or leave the arm "
        "out of study.arms",
    ),
    "constraints of its own": (
        LARGEST,
        {"constraints": {"model_mb": 1}},
        "unknown key arms.constraints.constraints",
    ),
    "a limit of 0": (LARGEST, {"limit": 0}, "arms.constraints.limit: found 0; a positive number"),
    "a quantile": (LARGEST, {"quantile": 0.5}, "unknown key arms.constraints.quantile"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_message(config, mistake):
    constraints, changes, message = MISTAKES[mistake]
    config["constraints"] = constraints
    config["study"]["arms"] = ["none", "constraints"]
    config["arms"]["constraints"] |= changes
    with pytest.raises(UserError) as error:
        check_config(config)
    _, *lines = str(error.value).splitlines()
    assert len(lines) == 1
    assert message in lines[0]


def test_a_constraint_that_no_trial_can_break_is_no_mistake(config):
    config["constraints"] = {"memory_peak_mb": 1e9}
    config["study"]["arms"] = ["none", "constraints"]
    check_config(config)


def test_it_stops_a_trial_in_training(classification_split, make_trial):
    rule = Constraints({"steady_step_time_ms": 1e9, "model_mb": 1e-6})
    (window,) = train(make_trial(), classification_split, rule)
    size = window.metrics["model_mb"]
    assert window.end == TrialEnd(
        Status.STOPPED, "constraints", Stop("constraints", "model_mb", 1e-6, size)
    )


def test_a_journal_and_mlflow_keep_the_rule_as_text():
    rule = rule_with_limit({"rule": "constraints", "constraints": LARGEST}, 1.0)
    assert rule == RULE
    assert json.loads(json.dumps({"name": rule.name, **asdict(rule)})) == {
        "name": "constraints",
        "constraints": LARGEST,
        "limit": 1.0,
        "grace_windows": 0,
    }


STUDY_ARMS = {
    "none": ARMS["none"],
    "constraints": {"rule": "constraints", "constraints": LARGEST},
}


@pytest.fixture(scope="module")
def simulated():
    return trials_and_windows(PAIRS[:1], STUDY_ARMS)


@pytest.fixture(scope="module")
def tables(simulated):
    return replay_results(*simulated, STUDY_ARMS, LARGEST)


def test_a_trial_that_it_stopped_is_no_candidate(simulated):
    trials, _ = simulated
    stopped = trials[(trials["arm"] == "constraints") & (trials["status"] == Status.STOPPED)]
    assert len(stopped)
    assert not stopped["candidate"].any()
    assert set(stopped["stop_reason"]) == {"constraints"}
    assert set(stopped["stop_metric"]) == set(LARGEST)
    assert (stopped["stop_limit"] == stopped["stop_metric"].map(LARGEST)).all()
    assert (stopped["stop_value"] > stopped["stop_limit"]).all()


def test_its_live_arm_agrees_with_its_replay(tables):
    check = tables["replay_check"]
    assert list(check["arm"].unique()) == ["constraints"]
    assert (check["limit"] == 1).all()
    assert (check["live_trials_stopped"] > 0).all()
    assert (check["trials_agreeing"] + check["trials_near_limit"] == check["trials"]).all()


def test_it_is_replayed_at_multiples_of_the_constraints(simulated, tables):
    windows = simulated[1].query("arm == 'none' and repetition == 1 and window < 10")
    so_far = windows.groupby("trial_id").expanding().agg(OVER_WINDOWS).droplevel(0)
    multiple = np.maximum(*(so_far[name] / largest for name, largest in LARGEST.items()))
    largest = multiple.groupby(windows["trial_id"]).max()
    replay = tables["replay"].query("rule == 'constraints' and repetition == 1")
    assert len(replay) > 20
    for point in replay.itertuples():
        assert point.trials_stopped == (largest > point.limit).sum()


def test_without_its_arm_it_is_not_replayed(simulated):
    assert "constraints" not in set(replay_results(*simulated, {"none": ARMS["none"]})["replay"]["rule"])  # fmt: skip


def test_the_report_says_what_it_stops_on(simulated, tables):
    from sysstop.report.arms import arm_limits, arm_table
    from sysstop.report.budget import answer_rq2
    from sysstop.report.replay import replay_digest

    trials, config = simulated[0], study_config(PAIRS[:1], STUDY_ARMS)
    words = (
        "as soon as its peak memory exceeds 50\u00a0MB or its steady step time exceeds 2\u00a0ms"
    )
    arms = arm_table(config).set_index("Arm")
    assert arms.loc["constraints", "Stops a trial"].lower() == words.lower()
    assert arms.loc["constraints", "A stopped trial may be chosen"] == "no"
    answer = answer_rq2(budget(trials), config, arm_limits(trials))
    assert dict(answer.points)["constraints"].startswith(f"Stops a trial {words}.")
    assert "Limit on all constraints" in set(replay_digest(tables["replay_summary"])["Rule"])


def test_the_explorer_and_the_replay_figure_show_it(tables):
    from sysstop.report.explorer import explorer_studies
    from sysstop.report.figures.replay import draw as replay_figure

    (of_pair,) = explorer_studies(tables["replay"], tables["signals"], ENTRIES, LEVELS).values()
    limits = of_pair["1"]["quantities"]["Largest multiple of a constraint"]["limits"]
    assert limits["limit_text"][0].endswith("\u00a0times the constraints")
    ranking = replay_figure(tables["replay"], tables["replay_summary"], ENTRIES).axes[0]
    style = rule_at("constraints", "constraints").style
    assert style.label in [label.get_text() for label in ranking.get_yticklabels()]
