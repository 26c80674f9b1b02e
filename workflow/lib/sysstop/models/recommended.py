"""The recommended configuration of a data set and algorithm as a model in a folder, or why there is none."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sysstop.data.checks import TARGET
from sysstop.data.split import Split
from sysstop.models.pipeline import make_predictor, usual_row
from sysstop.results.model_description import read_description, write_description
from sysstop.results.model_folder import predictions, save_model
from sysstop.run.errors import UserError
from sysstop.study.algorithms import Algorithm
from sysstop.study.keys import PAIR
from sysstop.study.metrics import metric_names
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM, Budget, Study, Trial
from sysstop.study.wording import number
from sysstop.trial.refit import refitted, scores_on_test_part, trial_to_refit
from sysstop.trial.training import Diverged

# What rounding may change of a score, as a share of it or of the target's standard deviation.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Recommendation:
    """What the tables say of a data set and algorithm."""

    trial_id: str
    """the recommended configuration; empty where there is none"""
    summary: Mapping[str, Any]
    """the medians of its system metrics and its mean `score`, over the repetitions"""
    trials: pd.DataFrame
    """all trials of the baseline"""
    constraints: Mapping[str, float]
    """the application's largest value of each system metric"""

    @property
    def of_configuration(self) -> pd.DataFrame:
        """The trials of the recommended configuration, by repetition."""
        return self.trials[self.trials["trial_id"] == self.trial_id].sort_values("repetition")

    @property
    def completed(self) -> pd.DataFrame:
        """The completed trials."""
        return self.trials[self.trials["status"] == Status.COMPLETED]


def recommendation_of(
    recommendations: pd.DataFrame,
    trials: pd.DataFrame,
    dataset: str,
    algorithm: str,
    constraints: Mapping[str, float],
) -> Recommendation:
    """Return what the tables, of any data sets and algorithms, say of one of each."""
    rows, trials = (
        table[(table[PAIR] == [dataset, algorithm]).all(axis=1)]
        for table in (recommendations, trials)
    )
    # There is no row where every trial failed.
    row = rows.iloc[0].to_dict() if len(rows) else {"trial_id": ""}
    baseline = trials[trials["arm"] == BASELINE_ARM]
    return Recommendation(row["trial_id"], row, baseline, constraints)


def write_model(
    folder: Path,
    recommendation: Recommendation,
    split: Split,
    table: pd.DataFrame,
    *,
    algorithm: Algorithm,
    grid: Mapping[str, Any],
    budget: Budget,
    seed: int,
) -> dict[str, Any]:
    """Write the recommended model into a folder, whole or not at all, and return its description.

    The configuration is refitted on the whole training part with the seed of its first repetition, for as
    many steps as its trial took, just as the best trials of the study are for the test part. `table` is
    the data set's raw table. The folder is an MLflow model with its description, model.json; or it holds
    the description alone, whose `reason` says why there is no model. Raises `UserError` where the model
    in the folder does not reach the test score of the refit.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    description: dict[str, Any] = {
        "dataset": split.name,
        "algorithm": algorithm.name,
        "task": algorithm.task,
        "estimator": algorithm.estimator,
        "model": False,
        "reason": _why_none(recommendation),
        "constraints": _kept(recommendation),
    }
    if not description["reason"]:
        finished = recommendation.of_configuration.iloc[0].to_dict()
        trial = trial_to_refit(
            Study(split.name, algorithm.name, BASELINE_ARM, int(finished["repetition"])),
            finished["trial_id"],
            int(finished["steps_used"]),
            algorithm=algorithm,
            grid=grid,
            budget=budget,
            seed=seed,
            fold_rows=split.fold_train_rows,
        )
        description |= _refit_into(part, trial, finished, recommendation.summary, split, table)
    part.mkdir(exist_ok=True, parents=True)
    write_description(part, description)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return read_description(folder)


def _why_none(recommendation: Recommendation) -> str:
    if recommendation.trial_id:
        return ""
    if recommendation.completed.empty or not recommendation.constraints:
        return "No configuration completed in every repetition of the baseline."
    return (
        f"None of the {recommendation.trials['trial_id'].nunique()} configurations keeps the constraints in "
        "every repetition of the baseline."
    )


def _kept(recommendation: Recommendation) -> dict[str, dict[str, float]]:
    """Return by how much the configuration keeps each constraint in its worst repetition.

    Where there is none, how near the nearest completed trial comes to each.
    """
    kept = {}
    for metric, limit in recommendation.constraints.items():
        if recommendation.trial_id:
            value = float(recommendation.of_configuration[metric].max())
        else:
            value = float(recommendation.completed[metric].min())
        kept[metric] = {"limit": limit, "value": value, "margin": limit - value}
    return kept


def _refit_into(
    folder: Path,
    trial: Trial,
    finished: Mapping[str, Any],
    summary: Mapping[str, Any],
    split: Split,
    table: pd.DataFrame,
) -> dict[str, Any]:
    """Refit and save the model of a trial that has `finished`; return what there is to say of it."""
    try:
        model = refitted(trial, split)
    except Diverged as error:
        return {
            "reason": f"The recommended configuration diverged on the whole training part: {error}."
        }
    scores = scores_on_test_part(model)
    predictor = make_predictor(model, trial.algorithm)
    serialization = save_model(
        folder,
        predictor.pipeline,
        predictor.code,
        predictor.packages,
        cells=table.drop(columns=TARGET),
        example=usual_row(split.columns),
    )
    _check_score(folder, split, table, scores["score"])
    return {
        "model": True,
        "hyperparameters": trial.configuration.values,
        "trial": {
            "trial_id": finished["trial_id"],
            "repetition": finished["repetition"],
            "seed": trial.seed,
            "steps": trial.steps_planned,
            "mlflow_run_id": finished["mlflow_run_id"],
        },
        "scores": {
            "validation": {name: finished[name] for name in metric_names("quality")},
            "validation_over_repetitions": summary["score"],
            "test": {
                "loss": scores["val_loss"],
                **{name: scores[name] for name in ("accuracy", "rmse", "score")},
            },
        },
        "system_metrics": {name: summary[name] for name in metric_names("system")},
        "serialization": asdict(serialization),
    }


def _check_score(folder: Path, split: Split, table: pd.DataFrame, expected: float) -> None:
    """Raise `UserError` unless the stored model reaches a score on the raw rows of the test part."""
    rows = table.iloc[split.test_rows]
    target = rows[TARGET].to_numpy()
    predicted = predictions(folder, rows.drop(columns=TARGET))
    if split.task == "classification":
        score = float(np.mean(predicted.astype(object) == target.astype(object)))
    else:
        score = -math.sqrt(np.mean((predicted - target.astype(float)) ** 2))
    if not abs(score - expected) <= ROUNDING * max(split.target_scale[-1], abs(expected)):
        raise UserError(
            f"Data set '{split.name}': the stored model has a test score of {number(score, 6)} instead of "
            f"{number(expected, 6)}. Its estimator seems to predict something else each time, or after "
            "it was stored; check its class, and what it keeps in its attributes."
        )
