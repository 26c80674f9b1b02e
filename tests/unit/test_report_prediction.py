"""What the report says about early predictions and the recommended configurations."""

import pytest
from generated_tables import PAIRS, replay_results, trials_and_windows

from sysstop.report.prediction import prediction_digest, prediction_saving_digest, predictions
from sysstop.report.recommendation import advice_digest, recommendation_digest, recommended
from sysstop.report.text_tables import display
from tests.shipped import LEVELS

LIMITS = {"steady_step_time_ms": 9, "memory_peak_mb": 60}


@pytest.fixture(scope="module")
def results():
    return replay_results(*trials_and_windows(PAIRS[:2], repetitions=2), constraints=LIMITS)


def plain(text):
    return text.replace("\u00a0", " ")


def test_a_prediction_is_given_with_its_error_and_what_it_stops_wrongly(results):
    saving = results["prediction_saving"].assign(
        saved_on_value=0.1, saved_on_prediction=0.3, within_limit=20, wrongly_stopped=1
    )
    answer = predictions(results["prediction"].assign(median_error=0.012), saving)
    text = plain(answer.paragraph)
    assert text.startswith("After 1 window, half of the trials' final values are predicted thus:")
    assert "steady training time within 1.2 %" in text
    assert f"than stopping on the time itself in all {len(saving)} comparisons" in text
    assert "stops 5 % of the trials that would have kept their limit" in text
    assert "known within 1.2 %" in plain(answer.claim)


def test_recommendations_say_which_pairs_keep_the_limits(results):
    answer = recommended(results["recommendations"], LIMITS)
    assert plain(answer.paragraph).startswith(
        "Both pairs of data set and algorithm have a configuration with steady step time at most 9 ms "
        "and peak memory at most 60 MB in every repetition."
    )
    assert answer.claim == "Your limits can be kept in both pairs."
    table = results["recommendations"].copy()
    table.loc[0, "configurations_within"] = 0
    text = plain(recommended(table, LIMITS).paragraph)
    assert "1 of 2 pairs of data set and algorithm has a configuration" in text
    assert "None keeps them for digits with logistic regression." in text
    assert "names no limits" in recommended(table, {}).paragraph


def test_the_advice_names_the_configuration_with_its_cost(results):
    recommendations = results["recommendations"]
    advice = advice_digest(recommendations, LEVELS, LIMITS).iloc[0]
    best = recommendations.iloc[0]
    assert advice["Batch size"] == best["batch_size"]
    assert advice["Score"] == best["score"]
    assert advice["Steady step time (ms)"] == pytest.approx(best["steady_step_time_ms"], rel=0.05)
    limited = advice_digest(recommendations, LEVELS, {"memory_mb": 100.0})
    assert "Memory (MB)" in limited and "Memory (MB)" not in advice


def test_the_advice_keeps_the_digits_of_a_small_model(results):
    recommendations = results["recommendations"].assign(model_mb=0.041)
    assert (
        advice_digest(recommendations, LEVELS, {"model_mb": 0.15})["Model size (MB)"] == 0.041
    ).all()


def test_errors_of_predictions_stand_side_by_side(results):
    table = results["prediction"].assign(median_error=0.123, error_90=0.045)
    digest = prediction_digest(table).set_index("Metric")
    assert set(digest.columns) == {f"After {n} windows (%)" for n in (2, 4, 8)} | {
        "After 1 window (%)"
    }
    assert set(digest.to_numpy().ravel()) == {"12 (4.5)"}


def test_what_a_prediction_stops_wrongly_is_a_share_of_the_trials_that_keep_the_limit(results):
    table = results["prediction_saving"].assign(wrongly_stopped=3, within_limit=12)
    digest = prediction_saving_digest(table)
    assert digest["Trials within the limit (%)"].tolist() == [25, 50, 75, 90]
    assert set(digest["Of the trials within, stopped wrongly (%)"]) == {25}


def test_a_recommendation_names_the_rule_with_its_limit_and_unit(results):
    table = results["recommendations"].assign(rule="plateau", metric="val_loss", limit=2.0)
    digest = recommendation_digest(table)
    assert set(digest["Found for least by"]) == {"Plateau of validation loss at 2 windows"}
    table = table.assign(rule="metric_limit", metric="memory_mb", limit=200.0)
    digest = display(recommendation_digest(table))
    assert set(digest["Found for least by"].str.replace("\u00a0", " ")) == {
        "Limit on memory at 200 MB"
    }
    none = recommendation_digest(table.assign(rule="", metric=""))
    assert set(none["Found for least by"]) == {"–"}  # noqa: RUF001 - the dash that readers see
