"""What the report says about the hyperparameters' effects and what a step costs."""

import pytest
from generated_tables import PAIRS, trials_and_windows

from sysstop.analysis.effects import cost_model, effect_table
from sysstop.report.cost import cost_table
from sysstop.report.effects import answer_rq1, effect_digest
from sysstop.report.text_tables import display
from sysstop.report.wording import MISSING


@pytest.fixture(scope="module")
def trials():
    # Of many absent effects, the adjusted level lets one pass now and then; not with this seed.
    return trials_and_windows(repetitions=2, seed=6)[0]


def plain(text):
    return text.replace("\u00a0", " ")


def test_rq1_names_the_share_and_direction_of_an_effect_and_says_null_effects(trials):
    effects = effect_table(trials)
    answer = answer_rq1(effects, cost_model(trials))
    paragraph, points = plain(answer.paragraph), dict(answer.points)
    assert (
        "Batch size moves steady step time, steady time per sample, steady training time"
        in paragraph
    )
    assert "No effect of learning rate or alpha on any system metric was found" in paragraph
    assert "from batch size 2 to batch size 512" in paragraph
    assert "steady step time rises" in points["Batch size"]
    assert "steady time per sample falls" in points["Batch size"]
    assert points["Alpha"].startswith("No effect was found on any system metric")


def test_rq1_takes_its_numbers_from_the_tables(trials):
    effects, model = effect_table(trials), cost_model(trials)
    of_step = (effects["metric"] == "steady_step_time_ms") & (
        effects["hyperparameter"] == "batch_size"
    )
    effects.loc[of_step, "effect_size"] = 0.73
    effects.loc[of_step, ["median_at_lowest", "median_at_highest"]] = [2.0, 26.0]
    model["fixed_ms"] = 7.7
    answer = answer_rq1(effects, model)
    assert "73 % of steady step time" in plain(dict(answer.points)["Batch size"])
    assert "steady step time rises 13-fold" in dict(answer.points)["Batch size"]
    assert "a fixed 7.7 ms" in answer.paragraph


def test_rq1_bounds_the_effects_that_it_did_not_find(trials):
    effects, model = effect_table(trials), cost_model(trials)
    absent = effects["hyperparameter"] != "batch_size"
    effects.loc[absent, "p_adjusted"] = 0.5
    effects.loc[absent, "effect_high"] = 0.004
    paragraph = plain(answer_rq1(effects, model).paragraph)
    no_effect = "No effect of learning rate or alpha on any system metric was found; "
    bound = "at most 0.4 % of a metric's variance is compatible with the readings"
    assert f"{no_effect}{bound}." in paragraph
    effects.loc[absent & (effects["metric"] == "memory_mb"), "effect_high"] = 0.42
    paragraph = plain(answer_rq1(effects, model).paragraph)
    assert f"{no_effect}{bound}, except for memory, where up to 42 % is." in paragraph
    effects.loc[absent, "effect_high"] = 0.42
    answer = answer_rq1(effects, model)
    assert "so they do not rule one out" in answer.paragraph
    assert "so they do not rule one out" in dict(answer.points)["Alpha"]


def test_rq1_says_how_to_choose_a_batch_size_where_the_line_fits(trials):
    effects, model = effect_table(trials), cost_model(trials)
    model["half_batch_size"] = 300.0
    paragraph = plain(answer_rq1(effects, model).paragraph)
    assert "half of a step is fixed cost at a batch size of about 300. Well below it" in paragraph
    assert "Elsewhere" not in paragraph
    model.loc[0, ["half_batch_size", "r_squared"]] = [2000, 0.2]
    model.loc[1, ["half_batch_size", "r_squared"]] = [1000, 0.71]
    model.loc[2:, "r_squared"] = 0.94
    paragraph = plain(answer_rq1(effects, model).paragraph)
    assert "In 3 of 4 pairs a straight line of the batch size explains 71 % to 94 %" in paragraph
    assert "about 300 to 1,000 (the largest run was 512)" in paragraph
    assert "Elsewhere the line fits too poorly" in paragraph
    model["r_squared"] = 0.2
    assert "Well below" not in answer_rq1(effects, model).paragraph


def test_rq1_says_so_where_too_few_trials_completed():
    trials, _ = trials_and_windows(PAIRS[:2], repetitions=1, all_diverge=PAIRS[:1])
    answer = answer_rq1(effect_table(trials), cost_model(trials))
    assert "Too few trials completed to say anything about digits with logistic" in answer.paragraph
    assert "one pair only" in answer.paragraph
    trials, _ = trials_and_windows(PAIRS[:1], repetitions=1, all_diverge=PAIRS[:1])
    answer = answer_rq1(effect_table(trials), cost_model(trials))
    assert answer.paragraph.startswith("This run cannot answer the question")


def test_an_effect_shows_its_interval_and_a_direction_only_if_it_was_found(trials):
    effects = effect_table(trials)
    numbers = ["effect_size", "effect_low", "effect_high", "rank_correlation", "p_adjusted"]
    effects.loc[effects["hyperparameter"] == "batch_size", numbers] = [0.9, 0.85, 0.95, -0.7, 0.01]
    effects.loc[effects["hyperparameter"] == "alpha", numbers] = [0.02, 0.0, 0.06, 0.7, 0.4]
    digest = effect_digest(effects)
    assert set(digest["Batch size (%)"]) == {"90 (85 to 95), falls"}
    assert set(digest["Alpha (%)"]) == {"2 (0 to 6)"}


def test_no_share_of_zero_has_a_minus(trials):
    effects = effect_table(trials)
    effects.loc[:, ["effect_size", "effect_low", "effect_high"]] = -0.0001
    assert effect_digest(effects)["Alpha (%)"].str.startswith("0 (0 to 0)").all()


def test_a_step_without_cost_per_sample_is_nowhere_half_fixed(trials):
    model = cost_model(trials).assign(half_batch_size=float("inf"))
    shown = display(cost_table(model))
    assert (shown["Half of a step is fixed at batch size"] == MISSING).all()


def test_a_hyperparameter_with_one_value_is_said_to_have_one():
    trials, _ = trials_and_windows(
        repetitions=1, grid={"batch_size": [2, 8, 32], "learning_rate": [0.01], "alpha": [0, 1e-3]}
    )
    digest = effect_digest(effect_table(trials))
    assert set(digest["Learning rate (%)"]) == {"one value only"}
