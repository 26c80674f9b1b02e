import math

import pandas as pd

from sysstop.analysis.holdout import score_winners
from sysstop.study.studies import Budget
from tests.shipped import ALGORITHMS, point

BUDGET = Budget(steps=200, epochs=None, seconds=None, window_steps=100, warmup_steps=0)
SEARCHED = {
    "algorithm": ALGORITHMS["linear_regression"],
    "grid": {"batch_size": [8], "learning_rate": [0.01, 1e3], "alpha": [0.0001]},
    "budget": BUDGET,
    "seed": 1,
}


def winner(arm, steps_used=200, learning_rate=0.01):
    return {
        "dataset": "random",
        "algorithm": "linear_regression",
        "arm": arm,
        "repetition": 1,
        "trial_id": point(8, learning_rate).trial_id,
        "score": -1.0,
        "steps_used": steps_used,
    }


def scores_of(split, *winners):
    table = score_winners(pd.DataFrame(winners), split, **SEARCHED)
    return table.set_index("arm")["test_score"]


def test_a_refitted_winner_is_scored_on_the_test_part_in_the_targets_unit(regression_split):
    score = scores_of(regression_split, winner("none")).item()
    guess = -regression_split.test_target.std()
    assert guess < score < 0


def test_arms_with_the_same_winner_have_the_same_test_score(regression_split):
    scores = scores_of(regression_split, winner("none"), winner("memory"))
    assert scores["none"] == scores["memory"]


def test_a_winner_that_its_rule_stopped_early_stays_stopped(regression_split):
    scores = scores_of(regression_split, winner("none"), winner("plateau", steps_used=5))
    assert scores["plateau"] < scores["none"]


def test_a_refit_that_diverges_has_no_score(regression_split):
    assert math.isnan(scores_of(regression_split, winner("none", learning_rate=1e3)).item())


def test_no_winners_give_an_empty_table(classification_split):
    empty = pd.DataFrame(columns=list(winner("none")))
    assert score_winners(empty, classification_split, **SEARCHED).empty
