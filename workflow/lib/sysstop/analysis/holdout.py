"""Score the winners of a search on the held-out test part."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sysstop.data.split import Split
from sysstop.study.algorithms import Algorithm
from sysstop.study.keys import REPLICATE, TRIAL
from sysstop.study.studies import Budget, Study, Trial
from sysstop.trial.refit import refitted, scores_on_test_part, trial_to_refit
from sysstop.trial.training import Diverged


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
        # Arms often share their winner.
        same = (*(getattr(winner, key) for key in REPLICATE), winner.trial_id, winner.steps_used)
        if same not in scores:
            trial = trial_to_refit(
                Study(winner.dataset, winner.algorithm, winner.arm, winner.repetition),
                winner.trial_id,
                winner.steps_used,
                algorithm=algorithm,
                grid=grid,
                budget=budget,
                seed=seed,
                fold_rows=split.fold_train_rows,
            )
            scores[same] = _test_score(trial, split)
        rows.append([*(getattr(winner, key) for key in TRIAL), scores[same]])
    return pd.DataFrame(rows, columns=[*TRIAL, "test_score"])


def _test_score(trial: Trial, split: Split) -> float:
    try:
        return scores_on_test_part(refitted(trial, split))["score"]
    except Diverged:
        return math.nan
