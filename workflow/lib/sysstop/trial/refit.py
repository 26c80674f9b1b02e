"""Train a trial's configuration once more, on the whole training part, and score it on the test part."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sysstop.data.split import Split
from sysstop.study.algorithms import Algorithm
from sysstop.study.studies import Budget, Study, Trial, plan_trials
from sysstop.trial.training import FoldModel


def trial_to_refit(
    study: Study,
    trial_id: str,
    steps_used: int,
    *,
    algorithm: Algorithm,
    grid: Mapping[str, Any],
    budget: Budget,
    seed: int,
    fold_rows: int,
) -> Trial:
    """Return a finished trial with its own seed, and with the steps that it had taken as its budget.

    So a trial that its rule stopped early stays stopped. `seed` is the study's, `fold_rows` the rows
    that a fold model trains on.
    """
    planned = plan_trials(study, algorithm, grid, budget, seed, fold_rows)
    return replace(planned[trial_id], steps_planned=steps_used)


def refitted(trial: Trial, split: Split) -> FoldModel:
    """Return a model trained on the whole training part; raise `Diverged` if it diverges."""
    model = FoldModel(trial, split, fold=split.folds)
    for _ in range(trial.steps_planned):
        model.batch_loss(*model.fit_batch())
    return model


def scores_on_test_part(model: FoldModel) -> dict[str, float]:
    """Return the metrics of `FoldModel.evaluate` on the test part."""
    split = model.split
    rows = np.arange(len(split.test_target))
    return model.evaluate(split.test_features, split.test_target, rows)
