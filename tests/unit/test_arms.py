import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from sysstop.run.errors import UserError
from sysstop.study.arms import (
    arm_entry,
    arm_kind,
    arm_mistakes,
    candidate_after,
    make_rule,
    needs_baseline,
    rule_with_limit,
)
from sysstop.study.rules import (
    RULES,
    ComparingRule,
    FirstOf,
    MedianRule,
    MetricLimit,
    Plateau,
    PredictedTrainTime,
    rule_from,
)

BASELINE = pd.DataFrame(
    {
        "status": ["completed"] * 4 + ["diverged"],
        "memory_mb": [10.0, 20.0, 30.0, 40.0, 900.0],
        "cpu_percent": [10.0, 20.0, 30.0, 40.0, 900.0],
        "steady_train_time_s": [1.0, 2.0, 3.0, 4.0, 0.1],
    }
)
BUDGET = {"steps": 1000, "window_steps": 100, "seconds": None}


def mistakes(**arm):
    return list(arm_mistakes("mine", arm, {}, BUDGET, here=True))


def test_the_baseline_has_no_rule():
    assert make_rule({"rule": "none"}, None) is None
    assert candidate_after({"rule": "none"}) == {}


def test_an_absolute_limit_is_taken_as_it_is():
    arm = {"rule": "metric_limit", "metric": "memory_mb", "limit": 5, "grace_windows": 1}
    assert make_rule(arm, None) == MetricLimit("memory_mb", 5, grace_windows=1)
    assert not needs_baseline(arm)


def test_a_quantile_is_taken_over_the_baselines_completed_trials():
    arm = {"rule": "metric_limit", "metric": "cpu_percent", "quantile": 0.5}
    assert needs_baseline(arm)
    assert make_rule(arm, BASELINE) == MetricLimit("cpu_percent", 25.0)


def test_a_quantile_of_memory_leaves_room_for_the_pages_by_which_readings_differ():
    """Where all trials need the same memory, a page more in an arm would stop them all."""
    arm = {"rule": "metric_limit", "metric": "memory_mb", "quantile": 0.5}
    page_mb = 4 / 1024
    assert make_rule(arm, BASELINE) == MetricLimit("memory_mb", 25.0 + 4 * page_mb)


def test_the_predicted_training_time_is_limited_by_the_baselines_training_times():
    arm = {"rule": "predicted_train_time", "quantile": 0.5}
    assert make_rule(arm, BASELINE) == PredictedTrainTime(2.5)


def test_a_prediction_of_wall_time_has_to_be_asked_for_by_name():
    arm = {"rule": "predicted_train_time", "limit": 5}
    assert make_rule(arm).metric == "steady_train_time_s"
    assert make_rule(arm | {"metric": "train_time_s"}) == PredictedTrainTime(5, "train_time_s")
    (message,) = mistakes(**arm, metric="memory_mb")
    assert "it can watch steady_train_time_s, train_time_s" in message


def test_a_plateau_keeps_its_models_as_candidates():
    arm = {"rule": "plateau", "patience": 2, "min_improvement": 0.1}
    assert make_rule(arm, None) == Plateau(patience=2, min_improvement=0.1)
    assert candidate_after(arm) == {"plateau": True}


def test_a_baseline_without_completed_trials_gives_no_quantile():
    arm = {"rule": "metric_limit", "metric": "memory_mb", "quantile": 0.5}
    with pytest.raises(UserError, match="no trial of the baseline arm completed"):
        make_rule(arm, BASELINE[BASELINE["status"] == "diverged"])


def test_a_key_that_an_overlay_set_to_null_is_left_out():
    config = {"arms": {"memory": {"rule": "metric_limit", "limit": 5, "quantile": None}}}
    assert arm_entry(config, "memory") == {"rule": "metric_limit", "limit": 5}


def test_the_limit_that_a_quantile_became_makes_the_rule_again():
    arm = {"rule": "metric_limit", "metric": "memory_mb", "quantile": 0.5}
    assert rule_with_limit(arm, 25.015625) == make_rule(arm, BASELINE)
    assert rule_with_limit({"rule": "plateau", "patience": 2}) == Plateau(patience=2)


COMPARING = [name for name, rule in RULES.items() if issubclass(rule, ComparingRule)]


@pytest.mark.parametrize("rule", COMPARING)
def test_a_rule_that_compares_trials_is_an_arm_with_a_limit_or_without(rule):
    assert not mistakes(rule=rule)
    assert not mistakes(rule=rule, limit=RULES[rule]().limit)
    assert make_rule({"rule": rule}) == RULES[rule]()
    assert make_rule({"rule": rule, "limit": 1}).limit == 1.0


@pytest.mark.parametrize(
    ("rule", "limit", "needed"),
    [
        *((rule, limit, "a share between 0 and 1") for rule in ("median", "successive_halving")
          for limit in (-0.5, 0, 1, 50)),
        *(("best_cost", limit, "a multiple of at least 1") for limit in (-2, 0, 0.99)),
    ],
)  # fmt: skip
def test_a_limit_that_the_rule_cannot_mean_is_named_in_one_message(rule, limit, needed):
    assert mistakes(rule=rule, limit=limit) == [
        f"arms.mine.limit: found {limit}; {needed} is needed"
    ]


@pytest.mark.parametrize("rule", COMPARING)
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limit": "half"}, "arms.mine.limit: found 'half', a number is needed"),
        ({"grace_windows": 1}, "unknown key arms.mine.grace_windows"),
        ({"quantile": 0.5}, "unknown key arms.mine.quantile"),
        ({"metric": "val_loss"}, "unknown key arms.mine.metric"),
    ],
)
def test_a_parameter_that_such_a_rule_cannot_have_is_named_in_one_message(
    rule, parameters, message
):
    (found,) = mistakes(rule=rule, **parameters)
    assert message in found


def test_an_unknown_rule_is_told_which_there_are():
    (message,) = mistakes(rule="halving")
    assert "unknown rule 'halving' in arms.mine.rule" in message
    assert all(name in message for name in ("none", *RULES))


def test_a_parameter_is_a_number_of_the_kind_that_the_rule_needs():
    limit = {"rule": "metric_limit", "metric": "memory_mb", "limit": 5}
    assert mistakes(**limit, grace_windows=1.5) == [
        "arms.mine.grace_windows: found 1.5, a whole number is needed"
    ]
    assert "found True, a number is needed" in mistakes(**limit | {"limit": True})[0]
    assert not mistakes(**limit, grace_windows=2.0)
    assert make_rule(limit | {"grace_windows": 2.0}).grace_windows == 2


def test_only_a_limit_in_the_metrics_unit_can_be_a_quantile():
    (message,) = mistakes(rule="plateau", patience=1, quantile=0.5)
    assert "unknown key arms.mine.quantile" in message


@pytest.mark.parametrize("limit", [0, -1, float("inf"), float("nan")])
def test_a_limit_is_a_positive_number(limit):
    (message,) = mistakes(rule="predicted_train_time", limit=limit)
    assert "a positive number is needed" in message


def test_every_rule_has_its_words_and_a_look_of_its_own():
    rules = [variant for rule in RULES.values() for variant in rule.variants([])]
    looks = [(rule.style.colour, rule.style.dashed) for rule in rules]
    assert len(set(looks)) == len({rule.style.label for rule in rules}) == len(rules)
    assert len({rule.label for rule in rules}) == len(rules)
    for rule in rules:
        again = RULES[rule.name].at(rule.metric, 2.0)
        assert again.limit_text() in again.description()


@pytest.mark.parametrize(
    ("name", "metric", "limit", "description"),
    [
        (
            "metric_limit",
            "steady_step_time_ms",
            1.9,
            "as soon as its steady step time exceeds 1.9 ms",
        ),
        (
            "plateau",
            "val_loss",
            1,
            "once its validation loss has not fallen for more than 1 window",
        ),
        (
            "median",
            "val_loss",
            0.5,
            "once more than 50 % of the others had a lower mean validation loss than its best",
        ),
        (
            "best_cost",
            "steady_train_time_s",
            2,
            "as soon as its steady training time exceeds 2 times the least of a finished trial",
        ),
        (
            "successive_halving",
            "val_loss",
            0.25,
            "once its validation loss is not among the lowest 25 % at a rung",
        ),
    ],
)
def test_a_rule_says_when_it_stops_a_trial(name, metric, limit, description):
    said = RULES[name].at(metric, limit).description()
    assert said.replace("\u00a0", " ") == description


def test_rules_are_read_without_the_libraries_that_take_seconds_to_import():
    program = (
        "import sys, sysstop.study.arms\n"
        "print([name for name in ('pandas', 'scipy', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"


MEMORY = {"rule": "metric_limit", "metric": "memory_mb", "quantile": 0.5}
PLATEAU = {"rule": "plateau", "patience": 2}


def test_an_arm_may_have_several_rules():
    arm = {"rules": [PLATEAU, MEMORY, {"rule": "median"}]}
    assert not mistakes(**arm)
    assert needs_baseline(arm)
    rule = make_rule(arm, BASELINE)
    assert rule == FirstOf([Plateau(patience=2), MetricLimit("memory_mb", 25.015625), MedianRule()])
    assert candidate_after(arm) == {"plateau": True, "metric_limit": False, "median": True}


def test_one_rule_in_a_list_is_that_rule():
    arms = {"mine": {"rules": [PLATEAU | {"metric": None}], "rule": None}}
    assert arm_entry({"arms": arms}, "mine") == PLATEAU


def test_a_rule_is_made_again_from_its_data():
    for arm in (MEMORY, PLATEAU, {"rules": [PLATEAU, MEMORY, {"rule": "median"}]}):
        rule = make_rule(arm, BASELINE)
        assert rule_from(json.loads(json.dumps(rule.as_data))) == rule


def test_a_list_of_rules_gets_the_constraints_where_it_takes_them():
    rules = [PLATEAU, {"rule": "constraints"}]
    config = {"arms": {"both": {"rules": rules}}, "constraints": {"memory_mb": 30}}
    assert arm_entry(config, "both")["rules"] == [
        PLATEAU,
        {"rule": "constraints", "constraints": {"memory_mb": 30}},
    ]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"rule": "none"}, PLATEAU], "unknown rule 'none' in arms.mine.rules.0.rule"),
        ([PLATEAU, {"rule": "platau"}], "did you mean 'plateau'?"),
        ([PLATEAU, MEMORY | {"quantile": 2}], "arms.mine.rules.1.quantile: found 2"),
        (
            [MEMORY, MEMORY | {"quantile": 0.9}],
            "has the rule 'metric_limit' on memory_mb more than",
        ),
        (
            [PLATEAU, PLATEAU | {"metric": "val_loss"}],
            "arms.mine.rules: has the rule 'plateau' on val_loss more than once",
        ),
        ([{"rule": "median"}, {"rule": "successive_halving"}], "both compare trials"),
    ],
)
def test_what_is_wrong_with_several_rules_is_said_in_one_message(rules, message):
    (found,) = mistakes(rules=rules)
    assert message in found


def test_the_baseline_cannot_have_rules():
    (found,) = arm_mistakes("none", {"rules": [PLATEAU]}, {}, BUDGET, here=True)
    assert "arms.none.rules: found rules; this arm is the full-budget baseline" in found


@pytest.mark.parametrize(
    ("arm", "kind"),
    [
        ({"rule": "none"}, "none"),
        ({"rule": "metric_limit", "metric": "memory_mb", "limit": 5}, "system"),
        ({"rule": "constraints"}, "system"),
        ({"rule": "best_cost", "limit": 3}, "system"),
        ({"rule": "plateau", "patience": 2}, "quality"),
        ({"rule": "successive_halving", "limit": 0.5}, "quality"),
        ({"rules": [{"rule": "median"}, {"rule": "predicted_train_time"}]}, "both"),
        ({"rules": [{"rule": "median"}, {"rule": "plateau"}]}, "quality"),
    ],
)
def test_an_arm_is_of_the_kind_of_what_its_rules_watch(arm, kind):
    assert arm_kind(arm) == kind
