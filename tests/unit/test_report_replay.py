"""What the report says about the replay, and about how far live searches agree with it."""

import pandas as pd
import pytest
from generated_tables import ARMS, PAIRS, replay_results, trials_and_windows

from sysstop.report.prediction import predictions
from sysstop.report.replay import (
    random_stopping,
    replay_answer,
    replay_digest,
    saving_by_rule,
)
from sysstop.report.replay_check import live_check, replay_check_digest


@pytest.fixture(scope="module")
def results():
    constraints = {"steady_step_time_ms": 9}
    return replay_results(*trials_and_windows(repetitions=2), constraints=constraints)


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


def test_the_rule_that_saves_most_without_regret_is_named_with_the_usual_one():
    answer = replay_answer(summary())
    text = plain(answer.paragraph)
    assert "the best limit on memory saves most without regret: 40 %" in text
    assert "(median of 2 pairs)" in text
    assert "the best plateau of validation loss saves 20 %" in text
    assert "a limit on memory could have saved 40 % without any loss" in plain(answer.claim)


def test_a_limit_is_judged_by_the_repetitions_in_which_it_was_not_found():
    lossy = summary()
    lossy.loc[0, "transfer_regret"] = 0.1
    text = plain(replay_answer(lossy).paragraph)
    assert "to the others, it saves 35 % and loses quality in 1 of 2 pairs" in text
    once = summary(transfer_saved_time_fraction=float("nan"), transfer_regret=float("nan"))
    text = plain(replay_answer(once).paragraph)
    assert "known only after the full search" in text
    assert "applied to the others" not in text


def test_rules_no_better_than_random_stopping_are_named():
    assert "Of 2 such limits, 2 lose less" in random_stopping(summary())
    worse = random_stopping(summary(knee_random_regret=0.0))
    assert "Of 2 such limits, 0 lose less" in worse
    assert "Mostly no better than chance: limit on memory (0 of 2)" in worse
    assert random_stopping(summary(knee_regret=float("nan"))) == ""


def test_the_trials_stopped_alike_are_those_of_the_table(results):
    check = results["replay_check"]
    check = check.assign(trials_agreeing=check["trials"], trials_near_limit=0)
    assert "treat 100 % of the trials alike" in plain(live_check(check).claim)
    assert "noise decides" not in live_check(check).paragraph
    apart = check.copy()
    apart.loc[apart["arm"] == "memory", ["trials_agreeing", "trials_near_limit"]] -= [10, -10]
    trials = check["trials"].sum()
    text = plain(live_check(apart).paragraph)
    assert f"Of {trials:,} trials, live search and replay treat {trials - 80:,} alike" in text
    assert "In all 80 other trials the reading is so close to the limit that noise decides" in text


def test_a_rule_that_compares_trials_differs_from_its_replay_for_reasons_of_its_own(results):
    check = results["replay_check"]
    check = check.assign(trials_agreeing=check["trials"], trials_near_limit=0)
    compared = check[check["arm"] == "memory"].assign(arm="median", rule="median")
    compared = compared.assign(rule_wait_fraction=0.004)
    compared[["trials_agreeing", "trials_in_other_order"]] -= [10, -8]
    text = plain(live_check(pd.concat([check, compared])).paragraph)
    assert "A rule that compares trials judges one by those" in text
    assert "64 of 80 other trials may end as in the live search" in text
    assert "Noise does not explain 16 of 80 other trials" in text
    assert "0.4 % of the time in which trials trained" in text
    assert "noise decides" not in text


def test_rules_are_ordered_by_what_they_save_without_regret(results):
    summary = results["replay_summary"]
    digest = replay_digest(summary)
    free = digest["Saved without regret (%)"]
    assert free.is_monotonic_decreasing
    assert len(digest) == len(summary.drop_duplicates(["rule", "metric"]))
    of_plateau = summary[summary["rule"] == "plateau"]
    row = digest.set_index("Rule").loc["Plateau of validation loss"]
    expected = 100 * of_plateau["free_saved_time_fraction"].fillna(0).median()
    assert row["Saved without regret (%)"] == round(expected)
    assert row["Pairs with such a limit"] == f"{of_plateau['free_limit'].notna().sum()} of 4"
    assert "Pairs with regret there" in digest


def test_a_pair_in_which_a_rule_has_no_curve_counts_as_no_saving(results):
    summary = results["replay_summary"]
    missing = summary[(summary["rule"] != "plateau") | (summary["dataset"] == "digits")]
    by_rule = saving_by_rule(missing).set_index("rule")
    assert by_rule.loc["plateau", "pairs"] == 4
    assert by_rule.loc["plateau", "pairs_free"] <= 2


def test_one_repetition_has_no_savings_elsewhere():
    results = replay_results(*trials_and_windows(PAIRS[:1], repetitions=1))
    assert "Pairs with regret there" not in replay_digest(results["replay_summary"])


def test_the_check_sums_the_trials_of_an_arm(results):
    check = results["replay_check"]
    digest = replay_check_digest(check).set_index("Arm")
    assert list(digest.index) == ["memory", "plateau", "predicted time", "step time"]
    of_memory = check[check["arm"] == "memory"]
    alike = 100 * of_memory["trials_agreeing"].sum() / of_memory["trials"].sum()
    assert digest.loc["memory", "Stopped alike (%)"] == pytest.approx(alike, abs=0.05)
    apart = digest.filter(like="like").sum(axis=1)
    assert apart.tolist() == pytest.approx([100] * 4, abs=0.2)


def test_a_run_in_which_no_trial_completed_says_nothing_of_the_replay():
    smallest = trials_and_windows(PAIRS[:1], repetitions=1, all_diverge=PAIRS[:1])
    results = replay_results(*smallest, arms={"none": ARMS["none"]})
    answers = [
        replay_answer(results["replay_summary"]),
        live_check(results["replay_check"]),
        predictions(results["prediction"], results["prediction_saving"]),
    ]
    assert [answer.paragraph for answer in answers] == [""] * 3
    assert random_stopping(results["replay_summary"]) == ""
