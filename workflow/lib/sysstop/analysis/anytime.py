"""RQ2: how good a model each arm has found by the time that it has used a share of the budget.

At the same budget, what finds the better model: limits on system metrics, rules on quality, or
random search over the same grid? A study's trials are taken in random orders, and the best model so
far is looked up after each share of the baseline's training time. Baseline trials in random order
are random search. This is the expected validation performance at a budget (Dodge et al. 2019,
arXiv:1909.03004), with the budget in time.

A rule that compares trials stopped them in the order of its live search. Here they are shuffled
afterwards: what each trial used and reached stays as it was.
"""

import numpy as np
import pandas as pd
import pandera.pandas as pa

from sysstop.analysis.budgets import ROUNDING, compared_trials, interval_of_mean
from sysstop.results.tables import checked, described_by
from sysstop.study.keys import PAIR, REPLICATE, STUDY
from sysstop.study.studies import BASELINE_ARM

TIME = "steady_train_time_s"
BUDGET_FRACTIONS = np.arange(1, 21) / 20
# Means over so many random orders are within a few hundredths of the mean over all.
ORDERS = 500
ORDERS_SEED = 0
# Of the baseline's median model and all that are worse, and where there is no model yet.
WORST = 1.0

ANYTIME_SCHEMA = pa.DataFrameSchema(
    {
        **described_by(["dataset", "task", "algorithm", "arm", "repetition"]),
        "budget_fraction": pa.Column(float, pa.Check.in_range(0, 1), coerce=True),
        "normalised_regret": pa.Column(float, pa.Check.le(WORST), nullable=True, coerce=True),
        "without_model": pa.Column(float, pa.Check.in_range(0, 1), coerce=True),
    },
    strict=True,
    unique=[*STUDY, "budget_fraction"],
    ordered=True,
)


def anytime_table(trials: pd.DataFrame) -> pd.DataFrame:
    """Return how good a model each study has after each share of the budget (`ANYTIME_SCHEMA`).

    `trials` fits `trials_schema` and holds the baseline arm of every study. There is a row for each
    study and each of `BUDGET_FRACTIONS`, which are shares of the baseline's steady training time in
    the same data set, algorithm and repetition. Numbers are means over `ORDERS` random orders, which
    are the same in all arms.

    Every trial uses its time, also if it was stopped or diverged; if it is a candidate, it leaves its
    score once it has ended within the budget. An arm whose trials have all ended keeps its best one.
    Configurations that failed in any arm are left out (`compared_trials`).

    `normalised_regret` is 0 at the baseline's best score and 1 at the median of its completed trials.
    Worse models count as 1, and so does having none: stopping too much never looks better than any
    model. It is below 0 where an arm found a better model than the baseline. Regrets so normalised can
    be averaged over data sets, as in HPO-B (Pineda Arango et al. 2021, arXiv:2106.06257); the scale
    from best to median with its bound is that of TabRepo (Salinas and Erickson 2024,
    arXiv:2311.02971). It is NaN where the baseline's best trial is no better than its median, or
    none completed. `without_model` is the share of the orders that have no candidate yet.
    """
    compared = compared_trials(trials)
    compared = compared.assign(time_s=_comparable_time(compared)).sort_values("trial_id")
    parts = []
    for (dataset, algorithm, repetition), replicate in compared.groupby(REPLICATE):
        baseline = replicate[replicate["arm"] == BASELINE_ARM]
        budgets_s = BUDGET_FRACTIONS * baseline["time_s"].sum()
        for arm, of_study in replicate.groupby("arm"):
            best = _best_within(of_study, budgets_s)
            parts.append(
                pd.DataFrame(
                    {
                        "dataset": dataset,
                        "task": of_study["task"].iloc[0],
                        "algorithm": algorithm,
                        "arm": arm,
                        "repetition": repetition,
                        "budget_fraction": BUDGET_FRACTIONS,
                        "normalised_regret": _normalised_regret(best, baseline),
                        "without_model": np.isneginf(best).mean(axis=0),
                    }
                )
            )
    table = pd.concat(parts) if parts else pd.DataFrame(columns=list(ANYTIME_SCHEMA.columns))
    return checked(table, ANYTIME_SCHEMA)


def _comparable_time(trials: pd.DataFrame) -> pd.Series:
    """Return the steady training time of each trial in seconds.

    A trial that ran as far as in the baseline has the baseline's reading: two readings of the same
    steps differ by noise alone, which would leave an arm's last trials just beyond the budget.
    """
    keys = [*REPLICATE, "trial_id", "steps_used"]
    baseline = trials.loc[trials["arm"] == BASELINE_ARM, [*keys, TIME]]
    paired = trials[keys].merge(baseline, on=keys, how="left")[TIME].set_axis(trials.index)
    return paired.fillna(trials[TIME]).fillna(0.0)


def _best_within(of_study: pd.DataFrame, budgets_s: np.ndarray) -> np.ndarray:
    """Return the best score within each budget in each order (orders x budgets)."""
    trials = np.tile(np.arange(len(of_study)), (ORDERS, 1))
    orders = np.random.default_rng(ORDERS_SEED).permuted(trials, axis=1)
    used_s = of_study["time_s"].to_numpy()[orders].cumsum(axis=1)
    best = np.maximum.accumulate(_candidate_scores(of_study)[orders], axis=1)
    best = np.pad(best, ((0, 0), (1, 0)), constant_values=-np.inf)
    ended = [(used_s <= budget_s * (1 + ROUNDING)).sum(axis=1) for budget_s in budgets_s]
    return np.take_along_axis(best, np.stack(ended, axis=1), axis=1)


def _candidate_scores(trials: pd.DataFrame) -> np.ndarray:
    """Return the score that each trial leaves to choose from, minus infinity for none."""
    scores = trials["score"].to_numpy(float)
    return np.where(trials["candidate"] & np.isfinite(scores), scores, -np.inf)


def _normalised_regret(best: np.ndarray, baseline: pd.DataFrame) -> np.ndarray | float:
    """Return the mean regret over the orders of these best scores, NaN without a scale (budgets)."""
    reached = _candidate_scores(baseline)
    reached = reached[np.isfinite(reached)]
    if not len(reached) or reached.max() == np.median(reached):
        return np.nan
    scale = reached.max() - np.median(reached)
    return np.minimum((reached.max() - best) / scale, WORST).mean(axis=0)


def anytime_summary(anytime: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over data sets and algorithms for each arm and share of the budget.

    Its columns are `arm`, `budget_fraction`, `normalised_regret`, `without_model`, and `difference`,
    the regret minus that of the baseline in the same data set, algorithm and repetition. The regret and
    the difference have a `_low` and a `_high`, the `interval_of_mean` over `samples` values: the
    pairs of data set and algorithm, each the mean of its repetitions, since these share their data
    and their grid; or the repetitions, if there is one pair alone.

    Arms are compared where all of them are, and where the regret is known; the rest is left out. `pairs`
    and `replicates` count the pairs, and the repetitions of all pairs, that remain.
    """
    known = anytime.dropna(subset="normalised_regret")
    arms = known.groupby(REPLICATE)["arm"].transform("nunique")
    known = known[arms == anytime["arm"].nunique()]
    at = [*REPLICATE, "budget_fraction"]
    baseline = known.loc[known["arm"] == BASELINE_ARM].set_index(at)["normalised_regret"]
    regret_of_baseline = baseline.reindex(pd.MultiIndex.from_frame(known[at])).to_numpy()
    known = known.assign(difference=known["normalised_regret"] - regret_of_baseline)
    curve = ["arm", "budget_fraction"]
    pairs = len(known[PAIR].drop_duplicates())
    sample = PAIR if pairs > 1 else REPLICATE
    means = ["normalised_regret", "without_model", "difference"]
    samples = known.groupby([*curve, *sample])[means].mean().groupby(curve)
    summary = samples.mean()
    replicates = len(known[REPLICATE].drop_duplicates())
    summary = summary.assign(samples=samples.size(), pairs=pairs, replicates=replicates)
    for name in ("normalised_regret", "difference"):
        intervals = [interval_of_mean(values) for _, values in samples[name]]
        summary[[f"{name}_low", f"{name}_high"]] = np.reshape(intervals, (-1, 2))
    return summary.reset_index()
