"""What each arm saved and lost over all its searches, and the answer to RQ2 in short."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sysstop.report.arms import arm_rule_label
from sysstop.report.regret import comparable_regret, is_worse
from sysstop.report.subject import Headline, KeyNumber
from sysstop.report.text_tables import ReportTable, counts_of, row_id, whole_percents
from sysstop.report.wording import (
    NO_BREAK,
    arm_label,
    arm_order,
    out_of,
    percent,
    span,
    whole_percent,
)
from sysstop.study.arms import arm_rules
from sysstop.study.studies import BASELINE_ARM


def stopping_studies(budget: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    """Return the studies of arms that may stop a trial and have a baseline to be compared with.

    Arms that never stop a trial are only there to measure the noise.
    """
    stopping = budget[~budget["arm"].isin({BASELINE_ARM, *_never_stop(config)})]
    return stopping.dropna(subset=["baseline_best_score", "steady_saved_fraction"])


def _never_stop(config: Mapping[str, Any]) -> set[str]:
    return {arm for arm, entry in config["arms"].items() if not arm_rules(entry)}


def arm_outcomes(budget: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    """Return what each stopping arm saved and lost, over all its studies.

    One row per arm, in the order of `arm_order`: the number of `studies`; the `saved` share of the
    steady training time (median), its `least` and `most`, and that of the wall time (`saved_wall`); in
    how many studies the saving is `beyond_noise`, and its `beyond_least` and `beyond_most` there; in
    how many the best model is `worse` (`regret.is_worse`), and `none_left` to choose from; and the
    largest `regret.comparable_regret` in a column for each task.
    """
    compared = stopping_studies(budget, config)
    compared = compared.assign(
        worse=is_worse(budget).loc[compared.index],
        none_left=compared["best_score"].isna(),
        beyond_noise=compared["above_steady_noise_floor"] & (compared["steady_saved_fraction"] > 0),
        comparable=comparable_regret(compared),
    )
    rows = []
    for arm in arm_order(compared["arm"]):
        of_arm = compared[compared["arm"] == arm]
        saved = of_arm["steady_saved_fraction"]
        beyond = saved[of_arm["beyond_noise"]]
        rows.append(
            {
                "arm": arm,
                "studies": len(of_arm),
                "saved": saved.median(),
                "least": saved.min(),
                "most": saved.max(),
                "saved_wall": of_arm["saved_fraction"].median(),
                "beyond_least": beyond.min(),
                "beyond_most": beyond.max(),
                **of_arm[["beyond_noise", "worse", "none_left"]].sum().to_dict(),
                **of_arm.groupby("task")["comparable"].max().to_dict(),
            }
        )
    columns = ["arm", "studies", "saved", "least", "most", "saved_wall"]
    columns += ["beyond_least", "beyond_most", "beyond_noise", "worse", "none_left"]
    columns += sorted(budget["task"].unique())
    return pd.DataFrame(rows, columns=columns)


REGRET_HEADS = {
    "classification": "Largest regret (points of accuracy)",
    "regression": "Largest regret (% of RMSE)",
}


def outcome_digest(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the `arm_outcomes` as readers see them."""
    table = {
        "Arm": outcomes["arm"].map(arm_label),
        "Steady time saved, median (%)": whole_percents(outcomes["saved"]),
        "Least to most (%)": [
            f"{whole_percent(low)} to {whole_percent(high)}"
            for low, high in zip(outcomes["least"], outcomes["most"], strict=True)
        ],
        "Wall time saved, median (%)": whole_percents(outcomes["saved_wall"]),
        "Saving beyond noise": counts_of(outcomes, "beyond_noise", "studies"),
        "Worse model": counts_of(outcomes, "worse", "studies"),
        "No model left": counts_of(outcomes, "none_left", "studies"),
    }
    for task, head in REGRET_HEADS.items():
        if task in outcomes:
            table[head] = (100 * outcomes[task].astype(float)).round(2)
    return pd.DataFrame(table)


OUTCOMES_TABLE = ReportTable(
    name="outcomes",
    title="What each arm saved and lost",
    sources=("budget",),
    in_papers=False,
    digest=lambda data: outcome_digest(arm_outcomes(data.tables["budget"], data.config)),
    note=(
        "All searches of an arm together, one for each data set, algorithm and repetition. Worse model: "
        "the best trial left is worse than the full search's by more than the noise of regrets, or "
        "none is left. Noise of regrets: 95 % of them differ by less between the validation folds and "
        "the test part."
    ),
)


def headline_rq2(
    budget: pd.DataFrame, replay_check: pd.DataFrame, config: Mapping[str, Any]
) -> Headline:
    """Return the answer to RQ2 in short: what saves most, what that costs, and how sure it is."""
    outcomes = arm_outcomes(budget, config)
    if outcomes.empty:
        return Headline(nothing_compared(budget, config))
    most, safest = _extremes(outcomes)
    numbers = [
        _saved_number(row) for row in ([most] if safest["arm"] == most["arm"] else [most, safest])
    ]
    numbers.append(
        KeyNumber(
            f"{most['worse']} of {most['studies']}",
            f"searches with {arm_label(most['arm'])} ended with a worse model"
            + (f", {most['none_left']} of them with none" if most["none_left"] else ""),
            row_id(OUTCOMES_TABLE.name, arm_label(most["arm"])),
        )
    )
    return Headline(
        in_short(outcomes, config),
        [*numbers, *_noise_number(budget), *_replayed_number(replay_check, most)],
    )


def _saved_number(outcome: pd.Series) -> KeyNumber:
    by = f"of the steady training time saved by {arm_label(outcome['arm'])}"
    evidence = row_id(OUTCOMES_TABLE.name, arm_label(outcome["arm"]))
    if _saves_in_few(outcome):
        where = count_of(outcome, "beyond_noise")
        return KeyNumber(_saved_there(outcome), f"{by} in {where}; in the others, noise", evidence)
    wall = percent(outcome["saved_wall"])
    return KeyNumber(
        percent(outcome["saved"]),
        f"{by} ({wall} of the wall time); beyond the noise in {count_of(outcome, 'beyond_noise')}",
        evidence,
    )


def _extremes(outcomes: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the outcome of the arm that saves most, and of that which loses least."""
    most = outcomes.loc[outcomes["saved"].idxmax()]
    return most, outcomes.sort_values(["worse", "saved"], ascending=[True, False]).iloc[0]


def in_short(outcomes: pd.DataFrame, config: Mapping[str, Any]) -> str:
    """Say which arm saves most and which loses least, if that is another."""
    most, safest = _extremes(outcomes)
    if not outcomes["beyond_noise"].any():
        return "No arm saves a measurable share of the training time."
    text = f"{_described(most['arm'], config)} saves most: {_saving(most)}{_at_a_price(most)}."
    if safest["arm"] == most["arm"]:
        return text
    return (
        f"{text} {_described(safest['arm'], config)} loses least: it saves "
        f"{_saving(safest)}{_at_a_price(safest)}."
    )


def _saving(outcome: pd.Series) -> str:
    """Say what an arm saves: in the median, unless that is noise since most searches save nothing."""
    if not outcome["beyond_noise"]:
        return "nothing measurable"
    if not _saves_in_few(outcome):
        return f"{percent(outcome['saved'])} of the training time{median_of(outcome)}"
    return (
        f"{_saved_there(outcome)} of the training time in {count_of(outcome, 'beyond_noise')}, nothing "
        "measurable in the others"
    )


def _saves_in_few(outcome: pd.Series) -> bool:
    """Return whether an arm saves in some searches, but not in most."""
    return 0 < 2 * outcome["beyond_noise"] <= outcome["studies"]


def _saved_there(outcome: pd.Series) -> str:
    """Return from where to where the savings beyond the noise go: "42 to 44 %"."""
    return f"{span(outcome[['beyond_least', 'beyond_most']], whole_percent)}{NO_BREAK}%"


def _described(arm: str, config: Mapping[str, Any]) -> str:
    """Return an arm's name, with what its rule is: "The arm step time (limit on step time)"."""
    rule = f" ({arm_rule_label(config['arms'][arm])})" if arm in config["arms"] else ""
    return f"The arm {arm_label(arm)}{rule}"


def median_of(outcome: pd.Series) -> str:
    """Return over how many searches a saving is the median, in brackets; nothing for one."""
    return f" (median of {outcome['studies']} searches)" if outcome["studies"] > 1 else ""


def count_of(outcome: pd.Series, column: str) -> str:
    """Return in how many of an arm's searches something is so: "3 of 8 searches"."""
    return out_of(int(outcome[column]), int(outcome["studies"]), "search", "searches")


def _at_a_price(outcome: pd.Series) -> str:
    """Say in how many searches an arm ended with a worse model, as the end of a sentence."""
    if not outcome["worse"]:
        return ", and no search ended with a measurably worse model"
    return f", but {count_of(outcome, 'worse')} ended with a worse model"


def _noise_number(budget: pd.DataFrame) -> list[KeyNumber]:
    floor = budget["steady_noise_floor"].max()
    if pd.isna(floor):
        return []
    return [
        KeyNumber(
            f"±{percent(floor)}",
            "noise: where nothing was stopped, the time of a search drifted by no more than this",
            "figure-steady",
        )
    ]


def _replayed_number(replay_check: pd.DataFrame, outcome: pd.Series) -> list[KeyNumber]:
    check = replay_check[replay_check["arm"] == outcome["arm"]]
    if check.empty or _saves_in_few(outcome):
        return []
    replayed = check["replayed_saved_time_fraction"].median()
    return [
        KeyNumber(
            percent(replayed),
            f"saved by {arm_label(outcome['arm'])} in replay, with the limits that saved "
            f"{percent(check['live_saved_time_fraction'].median())} live",
            row_id("replay_check", arm_label(outcome["arm"])),
        )
    ]


def nothing_compared(budget: pd.DataFrame, config: Mapping[str, Any]) -> str:
    """Say why there is no arm to compare with the baseline."""
    if set(budget["arm"]) - _never_stop(config):
        return "Savings cannot be computed, because no trial of any baseline completed."
    return (
        "No stopping arm was run, only the full-budget baseline, so this run says nothing "
        "about savings measured live. Name arms under study.arms to compare."
    )
