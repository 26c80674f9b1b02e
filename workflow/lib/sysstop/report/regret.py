"""Regret that can be compared across data sets, and how much of it is noise."""

import pandas as pd

from sysstop.study.studies import BASELINE_ARM

# The noise is what this share of the differences stays within.
NOISE_QUANTILE = 0.95


def comparable_regret(budget: pd.DataFrame, column: str = "regret") -> pd.Series:
    """Return the regret in accuracy or, of a regression, as a share of the baseline's RMSE.

    Target units of different data sets cannot share an axis. `column` may be `test_regret` too.
    """
    score = "baseline_test_score" if column == "test_regret" else "baseline_best_score"
    relative = budget["task"] == "regression"
    return budget[column] / budget[score].abs().where(relative, 1.0)


def regret_noise(budget: pd.DataFrame) -> pd.Series:
    """Return by task how far a regret moves when the same models are scored on other data.

    It is the 95 % quantile of the difference between the `comparable_regret` on the validation folds
    and that on the test part, over the studies that chose another trial than their baseline. A task
    without such a study has no row.
    """
    chose_another = (budget["arm"] != BASELINE_ARM) & (
        budget["best_trial_id"] != budget["baseline_best_trial_id"]
    )
    studies = budget[chose_another]
    difference = comparable_regret(studies) - comparable_regret(studies, "test_regret")
    known = difference.abs().dropna()
    return known.groupby(studies["task"]).quantile(NOISE_QUANTILE)


def is_worse(budget: pd.DataFrame) -> pd.Series:
    """Return for each study whether its best model is worse than the baseline's beyond the noise.

    A study without any model left counts as worse.
    """
    noise = budget["task"].map(regret_noise(budget)).fillna(0.0)
    return budget["best_score"].isna() | (comparable_regret(budget) > noise)
