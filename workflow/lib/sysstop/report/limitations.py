"""Limitations of the results that come from the grid and from incomplete trials."""

import pandas as pd

from sysstop.report.subject import Subject
from sysstop.report.wording import in_words, number, out_of, pair_label, spoken
from sysstop.study.hyperparameters import Levels
from sysstop.study.keys import PAIR, TRIAL
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM


def grid_limitations(trials: pd.DataFrame, budget: pd.DataFrame, levels: Levels) -> list[str]:
    """Say where a best trial lies on the border of the grid, as far as its values are numbers."""
    limitations = []
    borders = borders_of_grid(trials, budget, levels)
    if borders:
        places = "; ".join(f"{pair}: {in_words(names)}" for pair, names in borders)
        limitations.append(
            "A best trial on the border of the grid may not be the optimum, which can lie beyond it. "
            f"This is so for {places}."
        )
    counts = trials[_numbers(levels)].nunique()
    two_valued = [spoken(name) for name in counts.index[counts == 2]]
    if two_valued:
        limitations.append(
            f"Of {in_words(two_valued)} the grid has two values, so every best trial lies on its border."
        )
    return limitations


def _numbers(levels: Levels) -> list[str]:
    """Return the hyperparameters whose values are numbers, so that a grid of them has a border."""
    return [name for name, texts in levels.items() if texts is None]


def borders_of_grid(
    trials: pd.DataFrame, budget: pd.DataFrame, levels: Levels
) -> list[tuple[str, list[str]]]:
    """Return the pairs whose best baseline trial lies on the border of the grid, and where.

    A hyperparameter with one or two values has nothing but border, so it is not named. Repetitions
    count together: a border is named if any repetition's best trial lies on it.
    """
    baseline = trials[trials["arm"] == BASELINE_ARM]
    best_keys = TRIAL
    best = budget.rename(columns={"best_trial_id": "trial_id"})[best_keys].merge(baseline)
    found = []
    for (dataset, algorithm), of_pair in baseline.groupby(PAIR, sort=False):
        winners = best[(best["dataset"] == dataset) & (best["algorithm"] == algorithm)]
        places = []
        for name in _numbers(levels):
            values = of_pair[name]
            if values.nunique() < 3:
                continue
            for place, level in (("smallest", values.min()), ("largest", values.max())):
                if (winners[name] == level).any():
                    places.append(f"{place} {spoken(name)} ({number(level)})")
        if places:
            found.append((pair_label(dataset, algorithm), places))
    return found


def incomplete_trials(trials: pd.DataFrame) -> list[str]:
    """Say how many trials diverged or failed, and what they are missing from."""
    baseline = trials[trials["arm"] == BASELINE_ARM]
    notes = []
    diverged = int((baseline["status"] == Status.DIVERGED).sum())
    if diverged:
        algorithms = baseline.loc[baseline["status"] == Status.DIVERGED, "algorithm"].unique()
        names = in_words([spoken(name) for name in algorithms])
        notes.append(
            f"{out_of(diverged, len(baseline), 'trial').capitalize()} of the baseline diverged "
            f"({names}) and {'is' if diverged == 1 else 'are'} missing from the effects, which "
            "therefore describe the configurations that can be trained."
        )
    failed = int((trials["status"] == Status.FAILED).sum())
    if failed:
        notes.append(
            f"{out_of(failed, len(trials), 'trial').capitalize()} failed for technical reasons. Their "
            "configurations are left out of the comparison of arms."
        )
    return notes


GRID_AND_TRIALS = Subject(
    name="grid_and_trials",
    limitations=lambda data: [
        *grid_limitations(
            data.tables["trials"], data.tables["budget"], data.config["hyperparameters"]
        ),
        *incomplete_trials(data.tables["trials"]),
    ],
)
