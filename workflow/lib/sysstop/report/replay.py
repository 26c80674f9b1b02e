"""The replay's tables for LaTeX documents and for the report, with heads for readers."""

from collections.abc import Sequence

import pandas as pd

from sysstop.report.wording import (
    MISSING,
    algorithm_label,
    arm_order,
    capitalised,
    limit_label,
    rule_label,
    tenths,
)
from sysstop.study.keys import PAIR, RULE
from sysstop.study.metrics import METRIC_BY_NAME


def saving_by_rule(summary: pd.DataFrame) -> pd.DataFrame:
    """Return what each rule saves over all data sets and algorithms, the best rule first.

    One row per rule and metric. `free`, `knee` and `transfer` are medians over the pairs of the
    savings of time: 0 in a pair without a free limit; of those with a knee; NaN with one
    repetition. Of the `pairs`, `pairs_free` have a free limit, `pairs_bent` a knee,
    `pairs_beating_random` less regret there than random stopping, and in
    `pairs_with_transfer_regret` a limit from one repetition costs regret in others. `summary` is a
    `replay.replay_summary`.
    """
    pairs = summary[PAIR].drop_duplicates()
    rules = summary[RULE].drop_duplicates()
    everywhere = pairs.merge(rules, how="cross").merge(summary, how="left")
    everywhere["free"] = everywhere["free_saved_time_fraction"].fillna(0.0)
    everywhere["is_free"] = everywhere["free"] > 0
    everywhere["bends"] = everywhere["knee_regret"].notna()
    everywhere["beats_random"] = everywhere["knee_regret"] < everywhere["knee_random_regret"]
    loses = ~(everywhere["transfer_regret"] <= 0)
    everywhere["loses"] = loses & everywhere["transfer_saved_time_fraction"].notna()
    by_rule = everywhere.groupby(RULE, sort=False).agg(
        free=("free", "median"),
        knee=("knee_saved_time_fraction", "median"),
        transfer=("transfer_saved_time_fraction", "median"),
        pairs=("free", "size"),
        pairs_free=("is_free", "sum"),
        pairs_bent=("bends", "sum"),
        pairs_beating_random=("beats_random", "sum"),
        pairs_with_transfer_regret=("loses", "sum"),
    )
    return by_rule.sort_values("free", ascending=False, kind="stable").reset_index()


def replay_digest(summary: pd.DataFrame) -> pd.DataFrame:
    """Return a row per rule, the one that saves most without regret first (`saving_by_rule`)."""
    by_rule = saving_by_rule(summary)
    digest = pd.DataFrame(
        {
            "Rule": [
                capitalised(rule_label(*names)) for names in by_rule[RULE].itertuples(index=False)
            ],
            "Saved without regret (%)": 100 * by_rule["free"],
            "Pairs with such a limit": _counts(by_rule, "pairs_free", "pairs"),
            "Saved at the knee (%)": 100 * by_rule["knee"],
            "Pairs where the knee beats random stopping": _counts(
                by_rule, "pairs_beating_random", "pairs_bent"
            ),
        }
    )
    if by_rule["transfer"].notna().any():
        digest["Saved in other repetitions (%)"] = 100 * by_rule["transfer"]
        digest["Pairs with regret there"] = _counts(by_rule, "pairs_with_transfer_regret", "pairs")
    return digest


def replay_check_digest(check: pd.DataFrame) -> pd.DataFrame:
    """Return a row per arm: its live searches beside their replay (`replay_check`)."""
    rows = []
    for arm in arm_order(check["arm"]):
        of_arm = check[check["arm"] == arm]
        trials = of_arm["trials"].sum()
        rows.append(
            {
                "Arm": arm,
                "Trials": int(trials),
                "Stopped alike (%)": 100 * of_arm["trials_agreeing"].sum() / trials,
                "Not alike, near the limit (%)": 100 * of_arm["trials_near_limit"].sum() / trials,
                "Not alike, beyond noise (%)": 100 * of_arm["trials_beyond_noise"].sum() / trials,
                "Steps saved live (%)": 100 * of_arm["live_saved_steps_fraction"].median(),
                "Steps saved in replay (%)": 100 * of_arm["replayed_saved_steps_fraction"].median(),
                "Time saved live (%)": 100 * of_arm["live_saved_time_fraction"].median(),
                "Time saved in replay (%)": 100 * of_arm["replayed_saved_time_fraction"].median(),
                "Studies within the noise floor": f"{of_arm['within_noise_floor'].sum()} of "
                f"{len(of_arm)}",
            }
        )
    return pd.DataFrame(rows)


def prediction_digest(prediction: pd.DataFrame) -> pd.DataFrame:
    """Return a row per metric: the error of its prediction after so many windows.

    A cell has the median and, in brackets, the 90 % quantile of the trials' errors in percent, both
    as medians over data sets and algorithms.
    """
    errors = prediction.groupby(["metric", "windows_seen"], sort=False)[
        ["median_error", "error_90"]
    ]
    texts = {
        point: f"{tenths(100 * error['median_error'])} ({tenths(100 * error['error_90'])})"
        for point, error in errors.median().iterrows()
    }
    seen = sorted(prediction["windows_seen"].unique())
    rows = []
    for metric in prediction["metric"].unique():
        windows = {
            f"After {count} window{'s' if count > 1 else ''} (%)": texts.get(
                (metric, count), MISSING
            )
            for count in seen
        }
        rows.append({"Metric": METRIC_BY_NAME[metric].label, **windows})
    return pd.DataFrame(rows)


def prediction_saving_digest(saving: pd.DataFrame) -> pd.DataFrame:
    """Return a row per limit: what stopping on the predicted training time saves (medians)."""
    by_limit = saving.groupby("limit_quantile")
    medians = by_limit[["saved_on_value", "saved_on_prediction"]].median()
    sums = by_limit[["wrongly_stopped", "within_limit"]].sum()
    return pd.DataFrame(
        {
            "Trials within the limit (%)": 100 * medians.index,
            "Saved by stopping on the time itself (%)": 100 * medians["saved_on_value"],
            "Saved by stopping on its prediction (%)": 100 * medians["saved_on_prediction"],
            "Of the trials within, stopped wrongly (%)": 100
            * sums["wrongly_stopped"]
            / sums["within_limit"],
        }
    ).reset_index(drop=True)


def recommendation_digest(recommendations: pd.DataFrame) -> pd.DataFrame:
    """Return a row per data set and algorithm: what to use, and how to find it for least."""
    table = recommendations
    return pd.DataFrame(
        {
            "Data set": table["dataset"],
            "Algorithm": table["algorithm"].map(algorithm_label),
            "Keep the limits": _counts(table, "configurations_within", "configurations"),
            "Batch size": table["batch_size"],
            "Learning rate": table["learning_rate"],
            "Alpha": table["alpha"],
            "Score": table["score"],
            "Best score without limits": table["unconstrained_score"],
            **{
                METRIC_BY_NAME[metric].axis_label: table[metric]
                for metric in ("step_time_ms", "train_time_s", "memory_peak_mb")
            },
            "Found for least by": [
                capitalised(f"{rule_label(*names)} at {limit_label(*names, limit)}")
                if names[0]
                else MISSING
                for names, limit in zip(
                    table[RULE].itertuples(index=False, name=None), table["limit"], strict=True
                )
            ],
            "Which saves (%)": 100 * table["saved_time_fraction"],
            "Your limits save (%)": 100 * table["constraints_saved_time_fraction"],
        }
    )


def _counts(table: pd.DataFrame, part: str, whole: str) -> Sequence[str]:
    return [f"{a:,} of {b:,}" for a, b in zip(table[part], table[whole], strict=True)]
