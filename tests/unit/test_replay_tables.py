"""The replay's tables for readers: what each row is the median or the sum of."""

import pandas as pd
import pytest
from generated_tables import PAIRS, replay_results, trials_and_windows

from sysstop.report import replay as replay_tables
from sysstop.report.study import display


@pytest.fixture(scope="module")
def results():
    constraints = {"step_time_ms": 9}
    return replay_results(*trials_and_windows(repetitions=2), constraints=constraints)


def test_rules_are_ordered_by_what_they_save_without_regret(results):
    summary = results["replay_summary"]
    digest = replay_tables.replay_digest(summary)
    free = digest["Saved without regret (%)"]
    assert free.is_monotonic_decreasing and len(digest) == 11
    of_plateau = summary[summary["rule"] == "plateau"]
    row = digest.set_index("Rule").loc["Plateau of validation loss"]
    expected = 100 * of_plateau["free_saved_time_fraction"].fillna(0).median()
    assert row["Saved without regret (%)"] == pytest.approx(expected)
    assert row["Pairs with such a limit"] == f"{of_plateau['free_limit'].notna().sum()} of 4"
    assert "Pairs with regret there" in digest


def test_a_pair_in_which_a_rule_has_no_curve_counts_as_no_saving(results):
    summary = results["replay_summary"]
    missing = summary[(summary["rule"] != "plateau") | (summary["dataset"] == "digits")]
    by_rule = replay_tables.saving_by_rule(missing).set_index("rule")
    assert by_rule.loc["plateau", "pairs"] == 4
    assert by_rule.loc["plateau", "pairs_free"] <= 2


def test_one_repetition_has_no_savings_elsewhere():
    results = replay_results(*trials_and_windows(PAIRS[:1], repetitions=1))
    assert "Pairs with regret there" not in replay_tables.replay_digest(results["replay_summary"])


def test_the_check_sums_the_trials_of_an_arm(results):
    check = results["replay_check"]
    digest = replay_tables.replay_check_digest(check).set_index("Arm")
    assert list(digest.index) == ["memory", "plateau", "predicted_time", "step_time"]
    of_memory = check[check["arm"] == "memory"]
    alike = 100 * of_memory["trials_agreeing"].sum() / of_memory["trials"].sum()
    assert digest.loc["memory", "Stopped alike (%)"] == pytest.approx(alike)
    apart = digest.filter(like="like").sum(axis=1)
    assert apart.tolist() == pytest.approx([100] * 4)


def test_errors_of_predictions_stand_beside_each_other(results):
    table = results["prediction"].assign(median_error=0.123, error_90=0.045)
    digest = replay_tables.prediction_digest(table).set_index("Metric")
    assert set(digest.columns) == {f"After {n} windows (%)" for n in (2, 4, 8)} | {
        "After 1 window (%)"
    }
    assert set(digest.to_numpy().ravel()) == {"12 (4.5)"}


def test_what_a_prediction_stops_wrongly_is_a_share_of_the_trials_that_keep_the_limit(results):
    table = results["prediction_saving"].assign(wrongly_stopped=3, within_limit=12)
    digest = replay_tables.prediction_saving_digest(table)
    assert digest["Trials within the limit (%)"].tolist() == [25, 50, 75, 90]
    assert set(digest["Of the trials within, stopped wrongly (%)"]) == {25}


def test_a_recommendation_names_the_rule_with_its_limit_and_unit(results):
    table = results["recommendations"].assign(rule="plateau", metric="val_loss", limit=2.0)
    digest = replay_tables.recommendation_digest(table)
    assert set(digest["Found for least by"]) == {"Plateau of validation loss at 2 windows"}
    table = table.assign(rule="metric_limit", metric="memory_mb", limit=200.0)
    digest = display(replay_tables.recommendation_digest(table))
    assert set(digest["Found for least by"].str.replace("\u00a0", " ")) == {
        "Limit on memory at 200 MB"
    }
    none = replay_tables.recommendation_digest(table.assign(rule="", metric=""))
    assert set(none["Found for least by"]) == {"–"}  # noqa: RUF001 - the dash that readers see


def test_every_table_has_a_form_for_readers(results):
    for digest, source in (
        (replay_tables.replay_digest, "replay_summary"),
        (replay_tables.replay_check_digest, "replay_check"),
        (replay_tables.prediction_digest, "prediction"),
        (replay_tables.prediction_saving_digest, "prediction_saving"),
        (replay_tables.recommendation_digest, "recommendations"),
    ):
        table = digest(results[source])
        assert len(table) and isinstance(table, pd.DataFrame)
        assert len(digest(results[source].iloc[:0])) == 0
