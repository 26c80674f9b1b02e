"""RQ2: what each arm used of the budget, what that saved, and what it cost in model quality."""

import numpy as np
import pandas as pd
import pandera.pandas as pa
from scipy import stats

from sysstop.analysis.noise import saving_floor
from sysstop.results.tables import checked, described_by
from sysstop.run.errors import UserError
from sysstop.study.keys import PAIR, REPLICATE, STUDY
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM

SUMMARY_KEYS = ["dataset", "task", "algorithm", "arm"]
# What `arm_summary` gives an interval for.
BOUNDED_COLUMNS = ["steady_saved_fraction", "saved_fraction", "cpu_saved_fraction", "regret"]
# The column of what was saved of each time.
SAVED_TIMES = {
    "steady_train_time_s": "steady_time_saved_s",
    "train_time_s": "train_time_saved_s",
    "cpu_time_s": "cpu_time_saved_s",
}
# A study that stopped nothing may be the floor itself, but for rounding errors.
ROUNDING = 1e-9
BOOTSTRAP_SAMPLES = 1000
BOOTSTRAP_SEED = 0


def _counts(*names: str) -> dict[str, pa.Column]:
    return {name: pa.Column(int, pa.Check.ge(0), coerce=True) for name in names}


def _numbers(*names: str) -> dict[str, pa.Column]:
    return {name: pa.Column(float, nullable=True, coerce=True) for name in names}


BUDGET_SCHEMA = pa.DataFrameSchema(
    {
        **described_by(["dataset", "task", "algorithm", "arm", "repetition"]),
        **_counts("trials", "trials_stopped", "trials_diverged", "trials_failed"),
        **_counts("steps_planned", "steps_used", "steps_saved"),
        **_numbers("steady_train_time_s", "steady_time_saved_s"),
        **_numbers("train_time_s", "train_time_saved_s", "cpu_time_s", "cpu_time_saved_s"),
        **_numbers("steady_saved_fraction", "saved_fraction", "saved_steps_fraction"),
        **_numbers("steady_noise_floor", "noise_floor"),
        "above_steady_noise_floor": pa.Column(bool, coerce=True),
        "above_noise_floor": pa.Column(bool, coerce=True),
        "best_trial_id": pa.Column(str, coerce=True),
        **_numbers("best_score"),
        "baseline_best_trial_id": pa.Column(str, coerce=True),
        **_numbers("baseline_best_score", "regret"),
        "winner_stopped": pa.Column(bool, coerce=True),
        **_numbers("test_score", "baseline_test_score", "test_regret"),
    },
    strict=True,
    unique=STUDY,
    ordered=True,
)


def compared_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Leave out configurations that failed in any arm of their data set, algorithm and repetition.

    A failed trial ends early without having saved anything, so its configuration counts nowhere:
    neither in the arm where it failed, nor in the arms that this one is compared with.
    """
    failed = trials["status"] == Status.FAILED
    by_configuration = [trials[name] for name in [*REPLICATE, "trial_id"]]
    return trials[~failed.groupby(by_configuration).transform("any")]


def best_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the best trial of each study: its keys, trial_id, score and steps.

    The best is the candidate with the highest finite score; of equal scores, the first by trial_id.
    A study without any candidate has no row. Pass the trials of all arms together, so that
    configurations which failed in one of them are left out of all.
    """
    compared = compared_trials(trials)
    candidates = compared[compared["candidate"] & compared["score"].abs().lt(float("inf"))]
    ranked = candidates.sort_values(["score", "trial_id"], ascending=[False, True])
    best = ranked.drop_duplicates(STUDY).sort_values(STUDY)
    columns = [*STUDY, "trial_id", "score", "steps_used"]
    return best[columns].reset_index(drop=True)


def budget_table(trials: pd.DataFrame, test_scores: pd.DataFrame) -> pd.DataFrame:
    """Return what each study used, saved and lost, in one row per study (`BUDGET_SCHEMA`).

    `trials` fits `trials_schema` and holds the baseline arm of every study. `test_scores` (the
    study's keys, trial_id, test_score) holds the best trial of every study.

    `steps_saved` is what the study left of its own plan, so in the baseline it is what diverged
    trials left. All other savings compare with the baseline arm of the same data set, algorithm and
    repetition: `steady_time_saved_s` and `train_time_saved_s` of the training time, in steady and in
    wall time, `cpu_time_saved_s` (training and evaluation), `steady_saved_fraction` and
    `saved_fraction` (of the baseline's training time, steady and wall) and `saved_steps_fraction`
    (of the baseline's used steps). `steady_noise_floor` and `noise_floor` are the largest shares by
    which these training times differed where nothing was stopped (see `noise.saving_floor`; NaN if
    that is not known), and `above_steady_noise_floor` and `above_noise_floor` say whether the
    fraction saved is further from 0 than that. `regret` is the baseline's best score minus the
    arm's, `test_regret` the same on the test part; both are negative where the arm found the better
    model. `winner_stopped` says whether the arm stopped the configuration that is the baseline's
    best.

    `trials` and the counts by status cover the whole grid; everything else is computed from
    `compared_trials`, which leaves out those that failed. In an arm without any candidate
    `best_trial_id` is empty, and `best_score`, `regret` and `test_score` are NaN. Raises
    `UserError` where a baseline arm or a test score is missing.
    """
    studies = _used(trials).join(_best_with_test_score(trials, test_scores))
    studies["best_trial_id"] = studies["best_trial_id"].fillna("")
    studies = studies.reset_index()
    baseline = studies.loc[studies["arm"] == BASELINE_ARM].drop(columns=["task", "arm"])
    table = studies.merge(
        baseline, on=REPLICATE, how="left", suffixes=("", "_of_baseline"), indicator="paired"
    )
    _check_baseline(table)
    table["steps_saved"] = table["steps_planned"] - table["steps_used"]
    for time, saved in SAVED_TIMES.items():
        table[saved] = table[f"{time}_of_baseline"] - table[time]
    for steady in ("steady_", ""):
        time, fraction, floor = (
            f"{steady}train_time_s",
            f"{steady}saved_fraction",
            f"{steady}noise_floor",
        )
        table[fraction] = table[SAVED_TIMES[time]] / table[f"{time}_of_baseline"]
        table = table.join(saving_floor(trials, time).rename(floor), on=PAIR)
        table[f"above_{floor}"] = table[fraction].abs() - table[floor] > ROUNDING
    table["saved_steps_fraction"] = (table["steps_used_of_baseline"] - table["steps_used"]) / table[
        "steps_used_of_baseline"
    ]
    for name in ("best_trial_id", "best_score", "test_score"):
        table[f"baseline_{name}"] = table[f"{name}_of_baseline"]
    table["regret"] = table["baseline_best_score"] - table["best_score"]
    table["test_regret"] = table["baseline_test_score"] - table["test_score"]
    stopped = trials.loc[trials["status"] == Status.STOPPED, [*STUDY, "trial_id"]]
    winners = table[[*STUDY, "baseline_best_trial_id"]]
    table["winner_stopped"] = pd.MultiIndex.from_frame(winners).isin(
        pd.MultiIndex.from_frame(stopped)
    )
    return checked(table[list(BUDGET_SCHEMA.columns)], BUDGET_SCHEMA)


def arm_summary(budget: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the repetitions of each data set, algorithm and arm, for display.

    One row per dataset, task, algorithm and arm, in the order of `budget`. The columns are
    `repetitions` (their number), all numeric columns of `budget` under their own names (means;
    `winner_stopped` is the share of repetitions), and `cpu_saved_fraction`, the share saved of the
    baseline's CPU time. A mean is NaN where one repetition has no value: an arm that once found no
    model has no regret.

    The savings and the regret have a `_low` and a `_high`: `interval_of_mean` over repetitions.
    """
    of_baseline = budget["cpu_time_s"] + budget["cpu_time_saved_s"]
    budget = budget.assign(cpu_saved_fraction=budget["cpu_time_saved_s"] / of_baseline)
    by_arm = budget.groupby(SUMMARY_KEYS, sort=False)
    averaged = budget.select_dtypes(["number", "bool"]).columns.drop("repetition")
    summary = by_arm[list(averaged)].mean(skipna=False)
    summary.insert(0, "repetitions", by_arm.size())
    for name in BOUNDED_COLUMNS:
        intervals = by_arm[name].apply(interval_of_mean)
        summary[f"{name}_low"], summary[f"{name}_high"] = intervals.str[0], intervals.str[1]
    return summary.reset_index()


def interval_of_mean(values: pd.Series) -> tuple[float, float]:
    """Return the 95 % bootstrap percentile interval of the mean of independent repetitions.

    It is coarse if they are few: it never leaves their range, and resamples of three have only ten
    different means, so that it covers the true mean in only about three of four cases. NaN with one
    value, or where one is missing.
    """
    if len(values) < 2 or values.isna().any():
        return np.nan, np.nan
    bootstrap = stats.bootstrap(
        [values.to_numpy(float)],
        np.mean,
        n_resamples=BOOTSTRAP_SAMPLES,
        method="percentile",
        rng=np.random.default_rng(BOOTSTRAP_SEED),
    )
    return tuple(map(float, bootstrap.confidence_interval))


def _used(trials: pd.DataFrame) -> pd.DataFrame:
    """Return per study the counts of its trials and the sums of what they used."""
    keys = [*SUMMARY_KEYS, "repetition"]
    by_study = trials.groupby(keys)
    used = by_study.size().to_frame("trials")
    for status in (Status.STOPPED, Status.DIVERGED, Status.FAILED):
        is_status = trials["status"] == status
        used[f"trials_{status}"] = is_status.groupby([trials[key] for key in keys]).sum()
    resources = ["steps_planned", "steps_used", *SAVED_TIMES]
    sums = compared_trials(trials).groupby(keys)[resources].sum()
    # A study in which no configuration is left used nothing that counts.
    return used.join(sums.reindex(used.index, fill_value=0))


def _best_with_test_score(trials: pd.DataFrame, test_scores: pd.DataFrame) -> pd.DataFrame:
    """Return best_trial_id, best_score and test_score by study."""
    best = best_trials(trials).merge(
        test_scores, on=[*STUDY, "trial_id"], how="left", indicator="scored", validate="1:1"
    )
    unscored = best[best["scored"] == "left_only"]
    if len(unscored):
        raise UserError(
            f"test_scores: no score for {len(unscored)} of the {len(best)} best trials:\n"
            f"{unscored[[*STUDY, 'trial_id']].head(10).to_string(index=False)}\n"
            "Every study's best trial needs one. The scores were probably made from other trials; "
            "delete the files of test scores and run the workflow again."
        )
    best = best.rename(columns={"trial_id": "best_trial_id", "score": "best_score"})
    return best.set_index(STUDY)[["best_trial_id", "best_score", "test_score"]]


def _check_baseline(table: pd.DataFrame) -> None:
    alone = table[table["paired"] == "left_only"]
    if len(alone):
        raise UserError(
            f"trials: there is no baseline arm '{BASELINE_ARM}' to compare these studies with:\n"
            f"{alone[STUDY].head(10).to_string(index=False)}\n"
            f"Savings and regret need it. Add '{BASELINE_ARM}' to `study.arms` and run the "
            "workflow again."
        )
