"""The best configuration within limits, the Pareto front and the cheapest rule on known truth."""

import numpy as np
import pandas as pd
import pytest
from generated_tables import ARMS, PAIRS, trials_and_windows

from sysstop.analysis.recommendations import configuration_table, pareto_table, recommendation_table
from sysstop.analysis.replay import replayed_rules
from sysstop.study.metrics import metric_names
from sysstop.study.rules import MetricLimit, PredictedTrainTime, value_so_far
from tests.shipped import LEVELS

RULES = replayed_rules(ARMS)


@pytest.fixture(scope="module")
def simulated():
    return trials_and_windows(PAIRS[:1], repetitions=2)


def baseline_of(trials):
    return trials[trials["arm"] == "none"]


def configurations(**columns):
    """Configurations of one pair with these scores and metrics, everything else equal."""
    count = len(next(iter(columns.values())))
    table = pd.DataFrame(
        {
            "dataset": "digits",
            "algorithm": "logistic_regression",
            "batch_size": 2 ** np.arange(count),
            "learning_rate": 0.1,
            "alpha": 0.01,
            "trial_id": [f"trial{at}" for at in range(count)],
            **dict.fromkeys(metric_names("system"), 1.0),
            "within_constraints": True,
        }
    )
    return table.assign(**columns)


def test_a_configuration_keeps_the_limits_only_if_it_does_in_every_repetition(simulated):
    trials, _ = simulated
    one = baseline_of(trials)["trial_id"].iloc[0]
    limit = baseline_of(trials)["memory_mb"].max()
    all_keep = configuration_table(trials, {"memory_mb": limit}, LEVELS)
    assert all_keep["within_constraints"].all()
    once = (trials["trial_id"] == one) & (trials["repetition"] == 2) & (trials["arm"] == "none")
    raised = trials.assign(memory_mb=trials["memory_mb"].mask(once, limit + 1))
    table = configuration_table(raised, {"memory_mb": limit}, LEVELS).set_index("trial_id")
    assert not table.loc[one, "within_constraints"]
    assert table.drop(one)["within_constraints"].all()


def test_a_configuration_that_diverged_once_is_none_to_recommend(simulated):
    trials, _ = simulated
    one = baseline_of(trials)["trial_id"].iloc[0]
    once = (trials["trial_id"] == one) & (trials["repetition"] == 2) & (trials["arm"] == "none")
    changed = trials.assign(status=trials["status"].mask(once, "diverged"))
    assert one in set(configuration_table(trials, {}, LEVELS)["trial_id"])
    assert one not in set(configuration_table(changed, {}, LEVELS)["trial_id"])


def test_on_the_front_are_those_that_none_beats():
    table = pareto_table(
        configurations(score=[0.5, 0.7, 0.6, 0.9, 0.9], memory_mb=[1.0, 2.0, 3.0, 4.0, 5.0]), LEVELS
    )
    of_memory = table[table["metric"] == "memory_mb"]
    assert of_memory.loc[of_memory["on_front"], "value"].tolist() == [1, 2, 4]
    # All cost the same in every other metric, so only a best score stays.
    of_step_time = table[table["metric"] == "steady_step_time_ms"]
    assert of_step_time["on_front"].sum() == 1


def test_a_known_best_within_the_limits_is_recommended(simulated):
    trials, windows = simulated
    baseline = baseline_of(trials)
    limit = baseline["steady_step_time_ms"].quantile(0.4)
    row = recommendation_table(trials, windows, RULES, {"steady_step_time_ms": limit}, LEVELS).iloc[
        0
    ]
    keeps = baseline.groupby("trial_id")["steady_step_time_ms"].max() <= limit
    scores = baseline.groupby("trial_id")["score"].mean()
    assert row["configurations_within"] == keeps.sum()
    assert row["score"] == pytest.approx(scores[keeps].max())
    assert row["unconstrained_score"] == pytest.approx(scores.max())
    assert row["score"] < row["unconstrained_score"]


def test_limits_that_nothing_keeps_recommend_nothing_and_say_so(simulated):
    row = recommendation_table(*simulated, RULES, {"memory_peak_mb": 0.1}, LEVELS).iloc[0]
    assert row["configurations_within"] == 0
    assert row[["batch_size", "score", "limit", "saved_time_fraction"]].isna().all()
    assert row["rule"] == ""
    assert row["constraints_saved_time_fraction"] > 0.8  # every trial ends after its first window


def test_the_cheapest_rule_trains_the_best_to_its_end_and_none_saves_more(simulated):
    trials, windows = simulated
    row = recommendation_table(trials, windows, RULES, {}, LEVELS).iloc[0]
    each = {
        (rule.name, rule.metric): recommendation_table(trials, windows, [rule], {}, LEVELS).iloc[0]
        for rule in RULES
    }
    savings = [alone["saved_time_fraction"] for alone in each.values()]
    assert row["saved_time_fraction"] == pytest.approx(max(savings))
    named = each[row["rule"], row["metric"]]
    assert row["limit"] == named["limit"]
    best = baseline_of(trials)[baseline_of(trials)["batch_size"] == row["batch_size"]]
    best = best[(best["learning_rate"] == row["learning_rate"]) & (best["alpha"] == row["alpha"])]
    if row["rule"] == "metric_limit":
        own = windows.merge(best[["arm", "repetition", "trial_id"]])
        before_the_end = own[own["step"] < own["step"].max()].sort_values("window")
        for _, of_trial in before_the_end.groupby("repetition"):
            curves = {row["metric"]: of_trial[row["metric"]].to_numpy()}
            assert (value_so_far(row["metric"], curves) <= row["limit"]).all()


def test_a_known_rule_at_a_known_limit_saves_what_it_must():
    trials, windows = trials_and_windows(PAIRS[:1], repetitions=1)
    configuration = trials.drop_duplicates("trial_id").set_index("trial_id")
    batch = windows["trial_id"].map(configuration["batch_size"])
    windows = windows.assign(
        steady_step_time_ms=batch * 1.0, steady_train_time_s=0.01 * windows["step"] * batch
    )
    best_at_8 = (trials["batch_size"] == 8) & (trials["learning_rate"] == 0.1)
    trials = trials.assign(
        score=np.where(best_at_8 & (trials["alpha"] == 0.01), 0.99, 0.5),
        steady_step_time_ms=trials["batch_size"] * 1.0,
    )
    rules = [MetricLimit("steady_step_time_ms", np.inf), PredictedTrainTime(np.inf)]
    row = recommendation_table(trials, windows, rules, {}, LEVELS).iloc[0]
    assert (row["batch_size"], row["learning_rate"], row["alpha"]) == (8, 0.1, 0.01)
    # A limit of 8 ms stops the larger batches after 1 of 10 windows; a prediction needs two.
    assert (row["rule"], row["limit"]) == ("metric_limit", 8)
    sizes = np.array([2, 8, 32, 128, 512])
    assert row["saved_time_fraction"] == pytest.approx(0.9 * sizes[2:].sum() / sizes.sum())


def test_limits_that_stop_the_best_by_one_window_are_reported(simulated):
    trials, windows = simulated
    free = recommendation_table(trials, windows, RULES, {}, LEVELS).iloc[0]
    keys = ["batch_size", "learning_rate", "alpha"]
    best = baseline_of(trials)[
        (baseline_of(trials)[keys] == free[keys].to_numpy(float)).all(axis=1)
    ]
    is_best = windows["trial_id"].isin(best["trial_id"])
    spike = is_best & (windows["window"] == 3) & (windows["arm"] == "none")
    limit = 2 * baseline_of(trials)["memory_mb"].max()
    calm = recommendation_table(trials, windows, RULES, {"memory_mb": limit}, LEVELS).iloc[0]
    assert not calm["constraints_stop_best"]
    spiked = windows.assign(memory_mb=windows["memory_mb"].mask(spike, 5 * limit))
    assert recommendation_table(trials, spiked, RULES, {"memory_mb": limit}, LEVELS).iloc[0][
        "constraints_stop_best"
    ]


def test_without_limits_there_is_nothing_that_they_could_save(simulated):
    row = recommendation_table(*simulated, RULES, {}, LEVELS).iloc[0]
    assert np.isnan(row["constraints_saved_time_fraction"])
    assert row["score"] == row["unconstrained_score"]
