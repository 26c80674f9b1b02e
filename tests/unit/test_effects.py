"""Effects of hyperparameters and the cost of a step, on trials whose truth is known."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sysstop.analysis.effects import (
    additive_model,
    cost_model,
    effect_model,
    effect_p_value,
    effect_table,
    effects_schema,
    omega_squared,
    omega_squared_interval,
)
from sysstop.study.metrics import metric_names
from tests.shipped import LEVELS

BATCH_SIZES = [2**power for power in range(1, 9)]
RATES = [0.1, 0.01, 0.001, 0.0001]
ALPHAS = [0.01, 0.001, 0.0001]
FIXED_MS, PER_SAMPLE_MS = 0.5, 0.01
LEVEL, DRAWS = 0.05, 200
# The range of false positives at the level that covers 99 % of this many draws.
FEWEST_FALSE, MOST_FALSE = stats.binom.interval(0.99, DRAWS, LEVEL)


def grid(batch_sizes=BATCH_SIZES, rates=RATES, alphas=ALPHAS, repetitions=1):
    points = product(range(1, repetitions + 1), batch_sizes, rates, alphas)
    return pd.DataFrame(points, columns=["repetition", *LEVELS])


def trials_of(grid, seed=0, noise=0.03):
    """Completed baseline trials: batch size costs time and memory, nothing else costs anything."""
    rng = np.random.default_rng(seed)
    size = grid["batch_size"]
    step_time_ms = (FIXED_MS + PER_SAMPLE_MS * size) * rng.lognormal(0, noise, len(grid))
    memory_mb = (40 + 0.1 * size) * rng.lognormal(0, noise, len(grid))
    times = {
        "step_time_ms": step_time_ms,
        "sample_time_us": 1e3 * step_time_ms / size,
        "train_time_s": step_time_ms,
    }
    cpu_percent = rng.normal(99, 0.3, len(grid))
    times |= {
        name: rng.lognormal(4, noise, len(grid))
        for name in ("predict_time_us", "predict_sample_us")
    }
    return grid.assign(
        dataset="digits",
        algorithm="logistic_regression",
        arm="none",
        status="completed",
        **times,
        **{f"steady_{name}": time for name, time in times.items()},
        cpu_percent=cpu_percent,
        memory_mb=memory_mb,
        memory_peak_mb=memory_mb + 1,
        model_mb=rng.lognormal(-2, noise, len(grid)),
    )


def without_diverged(trials):
    """The higher the learning rate, the smaller the batches that it still completes with."""
    diverged = (trials["learning_rate"] == 0.1) & (trials["batch_size"] > 8)
    diverged |= (trials["learning_rate"] == 0.01) & (trials["batch_size"] > 64)
    return trials.assign(status=np.where(diverged, "diverged", "completed"))


def with_gaps(points):
    """Leave out what diverges in every repetition, and a tenth of all trials in one of them."""
    points = without_diverged(points).query("status == 'completed'").drop(columns="status")
    return points.sample(frac=0.9, random_state=1).sort_index()


def interaction(points, size=0.3):
    """An effect of the learning rate that depends on the batch size."""
    signs = np.sign(np.log10(points["learning_rate"]) + 2.5)
    return (size * signs * (np.log2(points["batch_size"]) % 3 - 1)).to_numpy()


def effects_of(trials):
    return effect_table(trials, LEVELS).set_index(["metric", "hyperparameter"])


def test_the_table_has_a_row_for_each_pair_system_metric_and_hyperparameter():
    trials = trials_of(grid())
    table = effect_table(pd.concat([trials, trials.assign(dataset="mine")]), LEVELS)
    assert list(table.columns) == list(effects_schema().columns)
    expected = product(["digits", "mine"], metric_names("system"), LEVELS)
    keys = table[["dataset", "metric", "hyperparameter"]].itertuples(index=False, name=None)
    assert sorted(keys) == sorted(expected)


def test_batch_size_is_found_to_drive_step_time_and_the_others_are_not():
    effects = effects_of(trials_of(grid()))
    batch_size = effects.loc[("step_time_ms", "batch_size")]
    assert batch_size["effect_size"] > 0.95
    assert batch_size["p_adjusted"] < 1e-6
    assert batch_size["rank_correlation"] > 0.95
    assert (batch_size["n"], batch_size["levels"]) == (96, 8)
    for name in ("learning_rate", "alpha"):
        null = effects.loc[("step_time_ms", name)]
        assert null["effect_high"] < 0.01
        assert null["p_adjusted"] > 0.05


def test_the_direction_of_an_effect_is_the_sign_of_its_rank_correlation():
    effects = effects_of(trials_of(grid()))
    assert effects.loc[("sample_time_us", "batch_size"), "rank_correlation"] < -0.95


def test_the_interval_encloses_the_effect():
    effects = effects_of(trials_of(grid(), noise=1.0))
    assert effects["effect_size"].between(effects["effect_low"], effects["effect_high"]).all()
    assert (effects["effect_low"] < effects["effect_high"]).any()


def test_trials_that_diverged_do_not_lend_the_batch_sizes_effect_to_the_learning_rate():
    trials = without_diverged(trials_of(grid()))
    completed = trials[trials["status"] == "completed"]
    by_rate = [group["step_time_ms"] for _, group in completed.groupby("learning_rate")]
    assert stats.kruskal(*by_rate).pvalue < 0.01, "plain values would deceive"
    effect = effects_of(trials).loc[("step_time_ms", "learning_rate")]
    assert effect["n"] == len(completed)
    assert effect["effect_size"] < 0.01
    assert effect["p_adjusted"] > 0.05
    assert effect["median_at_lowest"] == pytest.approx(effect["median_at_highest"], rel=0.1)


def test_medians_are_taken_over_configurations_that_completed_at_both_ends():
    trials = without_diverged(trials_of(grid(), noise=0))
    rate = effects_of(trials).loc[("step_time_ms", "learning_rate")]
    assert (rate["lowest_level"], rate["highest_level"]) == (0.0001, 0.1)
    assert rate["median_at_lowest"] == pytest.approx(FIXED_MS + PER_SAMPLE_MS * 4)
    size = effects_of(trials).loc[("step_time_ms", "batch_size")]
    assert size["median_at_highest"] == pytest.approx(FIXED_MS + PER_SAMPLE_MS * 256)


def test_a_drift_between_repetitions_neither_hides_nor_feigns_an_effect():
    trials = trials_of(grid(repetitions=2))
    trials.loc[trials["repetition"] == 2, "step_time_ms"] *= 3
    trials.loc[trials["alpha"] == 0.01, "step_time_ms"] *= 1.03
    effects = effects_of(trials)
    assert effects.loc[("step_time_ms", "alpha"), "p_adjusted"] < 0.01
    assert effects.loc[("step_time_ms", "learning_rate"), "p_adjusted"] > 0.05


@pytest.mark.parametrize("repetitions", [1, 3])
@pytest.mark.parametrize("gaps", [False, True], ids=["whole grid", "with gaps"])
def test_pure_noise_is_called_an_effect_as_often_as_the_level_says(repetitions, gaps):
    points = grid(repetitions=repetitions)
    points = with_gaps(points) if gaps else points
    models = [effect_model(points, name, LEVELS) for name in LEVELS]
    noise = np.random.default_rng(7).standard_t(4, (DRAWS, 2, len(points)))
    p_values = np.array(
        [[effect_p_value(model, values) for values in two for model in models] for two in noise]
    )
    false = (p_values < LEVEL).sum(axis=0)
    assert ((false >= FEWEST_FALSE) & (false <= MOST_FALSE)).all()
    # Without any effect, a table has a false one as often as the adjusted level says.
    adjusted = stats.false_discovery_control(p_values, axis=1)
    assert (adjusted < LEVEL).any(axis=1).sum() <= MOST_FALSE


@pytest.mark.parametrize("repetitions", [1, 3])
@pytest.mark.parametrize("gaps", [False, True], ids=["whole grid", "with gaps"])
def test_pure_noise_has_no_share_of_the_variance(repetitions, gaps):
    points = grid(repetitions=repetitions)
    points = with_gaps(points) if gaps else points
    model = effect_model(points, "learning_rate", LEVELS)
    levels = points["learning_rate"].to_numpy()
    noise = np.random.default_rng(7).standard_t(4, (DRAWS, len(points)))
    shares = [omega_squared(*model.variances(values), model.own.shape[1]) for values in noise]
    assert np.mean(shares) < 0.02
    lows = [omega_squared_interval(model, values, levels, 100)[0] for values in noise]
    assert np.mean(np.array(lows) > 0.005) < 0.05


def test_an_interaction_of_others_is_not_taken_for_an_effect_where_trials_are_missing():
    points = with_gaps(grid(repetitions=3))
    model = effect_model(points, "alpha", LEVELS)
    truth = interaction(points)
    rng = np.random.default_rng(13)
    draws = truth + rng.normal(0, 0.03, (DRAWS, len(points)))
    false = sum(effect_p_value(model, values) < LEVEL for values in draws)
    assert false <= MOST_FALSE


def test_repetitions_find_an_effect_that_an_interaction_of_others_hides():
    points = grid(repetitions=3)
    effect = 0.01 * np.log10(points["alpha"].to_numpy())
    noise = np.random.default_rng(17).normal(0, 0.03, (DRAWS, len(points)))
    draws = interaction(points) + effect + noise
    found = {}
    for model in (effect_model(points, "alpha", LEVELS), additive_model(points, "alpha", LEVELS)):
        found[model.error_term] = np.mean([effect_p_value(model, v) < LEVEL for v in draws])
    assert found["repetitions"] > 0.95
    assert found["interactions"] < 0.2


def test_a_known_effect_is_found_with_its_size_and_direction():
    trials = trials_of(grid(repetitions=3))
    changed = np.exp(interaction(trials) - 0.03 * np.log10(trials["alpha"]))
    trials["step_time_ms"] *= changed
    effect = effects_of(trials).loc[("step_time_ms", "alpha")]
    truth = np.log(FIXED_MS + PER_SAMPLE_MS * trials["batch_size"]) + np.log(changed)
    share = np.log10(ALPHAS).var() * 0.03**2 / (truth.var() + 0.03**2)
    assert effect["error_term"] == "repetitions"
    assert effect["effect_low"] < share < effect["effect_high"]
    assert effect["p_adjusted"] < 1e-6
    assert effect["rank_correlation"] < -0.5


@pytest.mark.parametrize(
    ("repetitions", "gaps", "hyperparameter", "slope"),
    [
        (1, False, "batch_size", 0.0),
        (1, False, "batch_size", 0.01),
        (1, False, "learning_rate", 0.03),
        (1, True, "learning_rate", 0.03),
        (3, False, "batch_size", 0.01),
        (3, False, "learning_rate", 0.03),
        (3, True, "alpha", 0.0),
        (3, True, "alpha", 0.03),
        (3, True, "learning_rate", 0.03),
    ],
)
def test_the_interval_holds_the_true_share_of_variance_about_as_often_as_it_says(
    repetitions, gaps, hyperparameter, slope
):
    points = grid(repetitions=repetitions)
    points = with_gaps(points) if gaps else points
    model = effect_model(points, hyperparameter, LEVELS)
    levels = points[hyperparameter].to_numpy()
    truth = slope * np.log10(levels)
    if repetitions > 1:
        truth = truth + interaction(points, 0.05)
    noise = 0.05
    own_squares, _, squares = model.variances(truth)
    share = own_squares / (squares + len(points) * noise**2)
    rng = np.random.default_rng(11)
    held = []
    for _ in range(300):
        values = truth + rng.normal(0, noise, len(points))
        low, high = omega_squared_interval(model, values, levels, 200)
        held.append(low <= share + 1e-12 and share <= high)
    # The nominal 95 % less what 300 draws leave to chance, and a few percent where trials are
    # missing; intervals of effects near 0 cover more often.
    assert np.mean(held) >= 0.89


def test_the_error_term_is_the_scatter_of_repetitions_where_there_are_enough():
    def error_terms(points):
        return set(effect_table(trials_of(points), LEVELS)["error_term"])

    once, twice = grid(), grid(repetitions=2)
    assert error_terms(once) == {"interactions"}
    assert error_terms(twice) == {"repetitions"}
    assert error_terms(twice.iloc[: len(once) + 3]) == {"interactions"}, "three ran twice"
    places = np.log2(twice["batch_size"]) + np.log10(twice["learning_rate"])
    one_alpha_each = twice[np.array(ALPHAS)[(places % 3).astype(int)] == twice["alpha"]]
    assert error_terms(one_alpha_each) >= {"interactions"}, "no alphas to compare, all else equal"
    assert error_terms(grid(batch_sizes=[2], rates=[0.1])) == {""}


def test_the_effect_is_the_share_of_variance_in_the_long_run():
    points = trials_of(grid(repetitions=20))
    model = effect_model(points, "alpha", LEVELS)
    levels = points["alpha"].to_numpy()
    by_alpha = np.log10(levels) - np.log10(levels).mean()
    noise = np.random.default_rng(3).normal(0, by_alpha.std() * np.sqrt(3), len(points))
    values = by_alpha + noise
    assert omega_squared(*model.variances(values), 2) == pytest.approx(0.25, abs=0.03)
    low, high = omega_squared_interval(model, values, levels, 200)
    assert low < 0.25 < high
    assert high - low < 0.1


def test_a_metric_without_any_noise_is_explained_in_full():
    trials = trials_of(grid()).assign(memory_mb=lambda t: 40.3 + 0.1 * t["batch_size"])
    effects = effects_of(trials)
    of_memory = effects.xs("memory_mb", level="metric")
    assert of_memory.loc["batch_size", "effect_size"] == pytest.approx(1)
    assert of_memory["effect_high"].le(1).all()
    assert of_memory.loc["batch_size", "p_value"] < 1e-6
    assert of_memory.loc[["learning_rate", "alpha"], "p_value"].tolist() == [1, 1]
    assert of_memory.loc[["learning_rate", "alpha"], "rank_correlation"].tolist() == [0, 0]


def test_the_same_trials_give_the_same_table():
    trials = trials_of(grid())
    pd.testing.assert_frame_equal(effect_table(trials, LEVELS), effect_table(trials.copy(), LEVELS))


def test_other_arms_and_trials_that_did_not_complete_do_not_count():
    trials = trials_of(grid())
    others = [
        trials.assign(arm="memory", step_time_ms=1e6),
        trials.assign(status="diverged", step_time_ms=1e6, repetition=2),
    ]
    pd.testing.assert_frame_equal(
        effect_table(pd.concat([trials, *others]), LEVELS), effect_table(trials, LEVELS)
    )


def test_a_hyperparameter_with_one_level_has_no_effect_and_no_test():
    effect = effects_of(trials_of(grid(alphas=[0.01]))).loc[("step_time_ms", "alpha")]
    assert effect["levels"] == 1
    assert effect[["effect_size", "effect_low", "p_value", "p_adjusted"]].isna().all()


def test_levels_that_cannot_be_distinguished_from_another_hyperparameters_have_no_effect():
    trials = trials_of(grid())
    trials["alpha"] = trials["learning_rate"] / 10
    effects = effects_of(trials.drop_duplicates(list(LEVELS)))
    assert np.isnan(effects.loc[("step_time_ms", "alpha"), "effect_size"])
    assert effects.loc[("step_time_ms", "batch_size"), "effect_size"] > 0.9


def test_too_few_trials_or_none_have_no_effects_but_their_rows():
    few = effect_table(trials_of(grid(batch_sizes=[2, 4], rates=[0.1], alphas=[0.01, 0.1])), LEVELS)
    none = effect_table(trials_of(grid()).assign(status="diverged"), LEVELS)
    for table in (few, none):
        assert len(table) == 3 * len(metric_names("system"))
        assert table[["effect_size", "p_value", "p_adjusted"]].isna().all(axis=None)
    assert (none["n"] == 0).all()


def test_a_metric_that_never_changes_has_no_effect():
    trials = trials_of(grid()).assign(memory_mb=40.0)
    assert effects_of(trials).loc["memory_mb", "effect_size"].isna().all()


def test_missing_values_are_left_out_and_a_cpu_reading_of_zero_is_a_value():
    trials = trials_of(grid())
    trials.loc[:9, ["step_time_ms", "cpu_percent"]] = [np.nan, 0.0]
    effects = effects_of(trials)
    assert (effects.loc["step_time_ms", "n"] == 86).all()
    assert (effects.loc["cpu_percent", "n"] == 96).all()


def test_p_values_are_adjusted_over_the_whole_table():
    table = effect_table(trials_of(grid()), LEVELS)
    np.testing.assert_allclose(table["p_adjusted"], stats.false_discovery_control(table["p_value"]))


@pytest.mark.parametrize(("noise", "tolerance"), [(0.0, 1e-9), (0.1, 0.1)])
def test_the_cost_model_finds_fixed_and_per_sample_cost(noise, tolerance):
    cost = cost_model(trials_of(grid(batch_sizes=[2**i for i in range(1, 15)]), noise=noise)).iloc[
        0
    ]
    assert cost["fixed_ms"] == pytest.approx(FIXED_MS, rel=tolerance)
    assert cost["per_sample_us"] == pytest.approx(1e3 * PER_SAMPLE_MS, rel=tolerance)
    assert cost["half_batch_size"] == pytest.approx(FIXED_MS / PER_SAMPLE_MS, rel=2 * tolerance)
    assert cost["r_squared"] == pytest.approx(1, abs=0.02)
    assert cost["n"] == 14 * 12


def test_the_cost_model_resists_stalled_trials():
    trials = trials_of(grid(), noise=0)
    stalled = np.random.default_rng(5).choice(len(trials), 10, replace=False)
    trials.loc[stalled, "steady_step_time_ms"] *= 20
    assert cost_model(trials).iloc[0]["fixed_ms"] == pytest.approx(FIXED_MS, rel=1e-6)


def test_the_cost_model_never_has_negative_costs():
    trials = trials_of(grid())
    trials["steady_step_time_ms"] = 10 / trials["batch_size"]
    cost = cost_model(trials).iloc[0]
    assert cost["fixed_ms"] > 0
    assert cost["per_sample_us"] == 0
    assert cost["half_batch_size"] == np.inf


def test_two_batch_sizes_are_no_cost_model():
    cost = cost_model(trials_of(grid(batch_sizes=[2, 4]))).iloc[0]
    assert cost["n"] == 24
    assert cost[["fixed_ms", "per_sample_us", "r_squared", "half_batch_size"]].isna().all()


WIDTHS = ["[16]", "[64]", "[256]"]


def networks(repetitions=2):
    """Trials whose step time doubles from each width to the next; the solver costs nothing."""
    points = product(range(1, repetitions + 1), [4, 64], [0.1, 0.01], WIDTHS, ["adam", "sgd"])
    names = ["repetition", "batch_size", "learning_rate", "hidden_layer_sizes", "solver"]
    trials = trials_of(pd.DataFrame(points, columns=names).assign(alpha=np.nan))
    wider = 2.0 ** trials["hidden_layer_sizes"].map(WIDTHS.index)
    return trials.assign(algorithm="network", step_time_ms=trials["step_time_ms"] * wider)


NETWORK_LEVELS = {
    "batch_size": None,
    "learning_rate": None,
    "alpha": None,
    "hidden_layer_sizes": WIDTHS,
    "solver": ["sgd", "adam"],
}


def test_values_that_are_no_numbers_are_taken_in_the_order_of_the_grid():
    table = effect_table(networks(), NETWORK_LEVELS).set_index(["metric", "hyperparameter"])
    width = table.loc["step_time_ms", "hidden_layer_sizes"]
    assert width["effect_size"] > 0.3
    assert width["rank_correlation"] > 0.9
    assert (width["levels"], width["n"]) == (3, 48)
    assert width["median_at_highest"] / width["median_at_lowest"] == pytest.approx(4, rel=0.1)
    assert np.isnan(width["lowest_level"]) and np.isnan(width["highest_level"])
    assert table.loc["step_time_ms", "solver"]["p_adjusted"] > 0.05
    assert "alpha" not in table.index.get_level_values("hyperparameter")


def test_an_algorithm_with_one_hyperparameter_has_its_effect_too():
    points = product([1, 2, 3, 4], [2, 16, 128], [np.nan])
    trials = trials_of(pd.DataFrame(points, columns=["repetition", "batch_size", "alpha"]))
    table = effect_table(trials, {"batch_size": None, "alpha": None})
    effect = table.set_index("metric").loc["step_time_ms"]
    assert effect["hyperparameter"] == "batch_size"
    assert effect["effect_size"] > 0.9
