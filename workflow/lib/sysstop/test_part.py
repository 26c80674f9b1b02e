"""Score the winners of a search on the held-out test part."""

import math

import numpy as np
import pandas as pd

from sysstop.splits import Split
from sysstop.studies import Budget, Configuration, Study, Trial, plan_trial
from sysstop.training import Diverged, FoldModel

WINNER_KEYS = ["dataset", "algorithm", "repetition", "trial_id"]


def test_scores(best_trials: pd.DataFrame, split: Split, budget: Budget, seed: int) -> pd.DataFrame:
    """Refit each distinct winner on the whole training part and score it on the test part.

    `best_trials` has one row per study with a winner. Arms that share a winner share its score.
    Returns one row per data set, algorithm, repetition and trial.
    """
    winners = best_trials.drop_duplicates(WINNER_KEYS)
    rows = []
    for winner in winners.itertuples():
        study = Study(winner.dataset, winner.algorithm, winner.arm, winner.repetition)
        configuration = Configuration(winner.batch_size, winner.learning_rate, winner.alpha)
        trial = plan_trial(study, configuration, budget, seed, split.fold_train_rows)
        rows.append([getattr(winner, key) for key in WINNER_KEYS] + [_test_score(trial, split)])
    return pd.DataFrame(rows, columns=[*WINNER_KEYS, "test_score"])


def _test_score(trial: Trial, split: Split) -> float:
    """Return the test score of one model that takes the trial's steps; NaN when it diverges."""
    model = FoldModel(trial, split, fold=split.folds)
    try:
        for _ in range(trial.steps_planned):
            model.fit_batch()
    except Diverged:
        return math.nan
    rows = np.arange(len(split.test_target))
    return model.evaluate(split.test_features, split.test_target, rows)["score"]
