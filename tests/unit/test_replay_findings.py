"""What the report says of the replay follows from the tables, and says so where there is nothing."""

import pandas as pd
import pytest
from generated_tables import ARMS, PAIRS, replay_results, trials_and_windows

from sysstop.report.prediction import (
    live_check,
    predictions,
    random_stopping,
    recommended,
    replay_points,
    replay_sentences,
)

LIMITS = {"step_time_ms": 9, "memory_peak_mb": 60}


@pytest.fixture(scope="module")
def results():
    return replay_results(*trials_and_windows(PAIRS[:2], repetitions=2), constraints=LIMITS)


def plain(text):
    return text.replace("\u00a0", " ")


def summary(**changes):
    """Two pairs in which a limit on memory and the plateau each have a free limit and a knee."""
    pairs = pd.DataFrame(PAIRS[:2], columns=["dataset", "algorithm"])
    rules = pd.DataFrame(
        {
            "rule": ["metric_limit", "plateau"],
            "metric": ["memory_mb", "val_loss"],
            "free_saved_time_fraction": [0.4, 0.2],
            "knee_saved_time_fraction": [0.5, 0.3],
            "knee_regret": [0.01, 0.02],
            "knee_random_regret": [0.03, 0.01],
            "transfer_saved_time_fraction": [0.35, 0.1],
            "transfer_regret": [0.0, 0.0],
        }
    )
    return pairs.merge(rules, how="cross").assign(**changes)


def test_the_rule_that_saves_most_without_regret_is_named_beside_the_usual_one():
    text = plain(" ".join(replay_sentences(summary())))
    assert "a limit on memory: 40 % of the training time in the median of 2 pairs" in text
    assert "against 20 % with the best rule on the model's quality" in text
    assert "(plateau of validation loss)" in text


def test_a_limit_is_judged_by_the_repetitions_in_which_it_was_not_found():
    lossy = summary()
    lossy.loc[0, "transfer_regret"] = 0.1
    text = plain(" ".join(replay_sentences(lossy)))
    assert "the same rule saved 35 %, and lost quality in 1 of 2 pairs" in text
    once = summary(transfer_saved_time_fraction=float("nan"), transfer_regret=float("nan"))
    assert "known only after the full search" in replay_sentences(once)[-1]
    assert "saved 35" not in plain(" ".join(replay_sentences(once)))


def test_rules_no_better_than_random_stopping_are_named():
    assert "in both curves" in random_stopping(summary())
    worse = random_stopping(summary(knee_random_regret=0.0))
    assert "in none of 2 curves" in worse
    assert "Not better than chance in most: limit on memory (0 of 2)" in worse
    assert random_stopping(summary(knee_regret=float("nan"))) == ""


def test_the_shares_of_trials_stopped_alike_are_those_of_the_table(results):
    check = results["replay_check"]
    check = check.assign(trials_agreeing=check["trials"], trials_near_limit=0)
    assert "stopped 100 % of" in plain(live_check(check))
    apart = check.copy()
    apart.loc[apart["arm"] == "memory", ["trials_agreeing", "trials_near_limit"]] -= [10, -10]
    text = plain(live_check(apart))
    assert "The share that was not is memory 25 %; in all 40 such trials the reading" in text


def test_a_prediction_is_told_with_its_error_and_what_it_stops_wrongly(results):
    saving = results["prediction_saving"].assign(
        saved_on_value=0.1, saved_on_prediction=0.3, within_limit=20, wrongly_stopped=1
    )
    text = plain(predictions(results["prediction"], saving))
    assert text.startswith("After 1, 2, 4 and 8 windows, the final value of a trial is missed")
    assert "saves a median of 30 % of the training time, stopping on the time itself 10 %" in text
    assert "stops 5 % of the trials that would have kept their limit" in text


def test_recommendations_say_which_pairs_keep_the_limits(results):
    text = plain(recommended(results["recommendations"], LIMITS))
    assert "With step time at most 9 ms and peak memory at most 60 MB, both pairs have" in text
    table = results["recommendations"].copy()
    table.loc[0, "configurations_within"] = 0
    text = plain(recommended(table, LIMITS))
    assert "1 of 2 pairs has a configuration" in text
    assert "None keeps them for digits with logistic regression" in text
    assert "names no limits" in recommended(table, {})


def test_a_run_without_results_has_no_points():
    smallest = trials_and_windows(PAIRS[:1], repetitions=1, all_diverge=PAIRS[:1])
    results = replay_results(*smallest, arms={"none": ARMS["none"]})
    assert replay_sentences(results["replay_summary"]) == []
    assert [name for name, _ in replay_points(results, {})] == ["For an application"]
