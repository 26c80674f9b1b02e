"""Score the winners of a search on the held-out test part."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sysstop.data.split import Split
from sysstop.study.algorithms import Algorithm
from sysstop.study.keys import REPLICATE, TRIAL
from sysstop.study.studies import Budget, Study, Trial, plan_trials
from sysstop.trial.training import Diverged, FoldModel


def score_winners(
    best_trials: pd.DataFrame,
    split: Split,
    *,
    algorithm: Algorithm,
    grid: Mapping[str, Any],
    budget: Budget,
    seed: int,
) -> pd.DataFrame:
    """Refit the best trial of each study on the whole training part and score it on the test part.

    `best_trials` has one row per study of the algorithm that has a winner. The refit takes as many steps as the
    winner had taken, so a winner that its rule stopped early stays stopped. Returns the study's
    keys, trial_id and test_score (NaN where the refit diverged).
    """
    scores: dict[tuple, float] = {}
    rows = []
    for winner in best_trials.itertuples():
        study = Study(winner.dataset, winner.algorithm, winner.arm, winner.repetition)
        # Arms often share their winner.
        same = (*(getattr(winner, key) for key in REPLICATE), winner.trial_id, winner.steps_used)
        if same not in scores:
            planned = plan_trials(study, algorithm, grid, budget, seed, split.fold_train_rows)
            trial = replace(planned[winner.trial_id], steps_planned=winner.steps_used)
            scores[same] = _test_score(trial, split)
        rows.append([*(getattr(winner, key) for key in TRIAL), scores[same]])
    return pd.DataFrame(rows, columns=[*TRIAL, "test_score"])


def _test_score(trial: Trial, split: Split) -> float:
    """Return the test score of one model trained for the trial's steps."""
    model = FoldModel(trial, split, fold=split.folds)
    try:
        for _ in range(trial.steps_planned):
            model.batch_loss(*model.fit_batch())
    except Diverged:
        return math.nan
    rows = np.arange(len(split.test_target))
    return model.evaluate(split.test_features, split.test_target, rows)["score"]
