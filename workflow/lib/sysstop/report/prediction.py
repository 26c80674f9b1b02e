"""What the replay, the predictions and the recommendations say, in words; numbers from the tables."""

from collections.abc import Mapping

import pandas as pd

from sysstop.report.replay import saving_by_rule
from sysstop.report.wording import (
    arm_order,
    counted,
    in_words,
    limit_label,
    metric_label,
    out_of,
    pair_label,
    percent,
    rule_label,
    span,
)
from sysstop.study.keys import PAIR

SYSTEM_RULES = ("metric_limit", "predicted_train_time")


def replay_sentences(summary: pd.DataFrame) -> list[str]:
    """Say which rules save most without regret, and what a limit found once is worth later.

    `summary` is a `replay.replay_summary`.
    """
    if summary.empty:
        return []
    by_rule = saving_by_rule(summary)
    is_system = by_rule["rule"].isin(SYSTEM_RULES)
    system, others = by_rule[is_system].iloc[0], by_rule[~is_system].iloc[0]
    pairs = counted(int(system["pairs"]), "pair of data set and algorithm", "pairs")
    sentences = [
        "Replayed on the full search at every limit, the rule on system metrics that could have "
        f"saved most without regret is a {_label(system)}: {percent(system['free'])} of the training "
        f"time in the median of {pairs}, against {percent(others['free'])} with the best rule on the "
        f"model's quality or on other trials' cost ({_label(others)})."
    ]
    if pd.isna(system["transfer"]):
        return [*sentences, "Such limits are known only after the full search."]
    by_transfer = by_rule[is_system].sort_values("transfer", ascending=False).iloc[0]
    lost = out_of(int(system["pairs_with_transfer_regret"]), int(system["pairs"]), "pair")
    sentences.append(
        "Such a limit is known only after the full search: found in one repetition and applied to "
        f"the others, the same rule saved {percent(system['transfer'])}, and lost quality in {lost}."
    )
    if by_transfer["metric"] != system["metric"] or by_transfer["rule"] != system["rule"]:
        lost = out_of(int(by_transfer["pairs_with_transfer_regret"]), int(system["pairs"]), "pair")
        sentences.append(
            f"By that measure a {_label(by_transfer)} saves most "
            f"({percent(by_transfer['transfer'])}), with regret in {lost}."
        )
    return sentences


def _label(rule: pd.Series) -> str:
    return rule_label(rule["rule"], rule["metric"])


def random_stopping(summary: pd.DataFrame) -> str:
    """Say whether the limits at the knees of their curves lose less than random stopping."""
    bent = summary[summary["rule"].isin(SYSTEM_RULES)].dropna(subset=["knee_regret"])
    if bent.empty:
        return ""
    better = int((bent["knee_regret"] < bent["knee_random_regret"]).sum())
    sentences = [
        f"At the knees of {counted(len(bent), 'curve')} of limits on system metrics the regret is "
        f"smaller than that of stopping as many trials at random in {out_of(better, len(bent), 'curve')}."
    ]
    losing = []
    for (rule, metric), curves in bent.groupby(["rule", "metric"], sort=False):
        wins = int((curves["knee_regret"] < curves["knee_random_regret"]).sum())
        if 2 * wins < len(curves):
            losing.append(f"{rule_label(rule, metric)} ({wins} of {len(curves)})")
    if losing:
        sentences.append(f"Not better than chance in most: {in_words(losing)}.")
    return " ".join(sentences)


def live_check(check: pd.DataFrame) -> str:
    """Say how far live searches and their replay agree, and why they part (`replay_check`)."""
    check = check[check["trials"] > 0]
    if check.empty:
        return ""
    trials = int(check["trials"].sum())
    alike = check["trials_agreeing"].sum() / trials
    within = int(check["within_noise_floor"].sum())
    sentences = [
        f"Live search and replay stopped {percent(alike)} of {counted(trials, 'trial')} after the "
        "same window, or neither did."
    ]
    parting = [
        f"{arm} {percent(1 - of_arm['trials_agreeing'].sum() / of_arm['trials'].sum())}"
        for arm in arm_order(check["arm"])
        if (of_arm := check[check["arm"] == arm])["trials_agreeing"].sum() < of_arm["trials"].sum()
    ]
    if parting:
        apart = trials - int(check["trials_agreeing"].sum())
        near = int(check["trials_near_limit"].sum())
        sentences.append(
            f"The share that was not is {in_words(parting)}; in {out_of(near, apart, 'such trial')} the "
            "reading is as close to the limit as two readings of one trial differ, so that chance "
            "decides."
        )
    steps = (check["live_saved_steps_fraction"] - check["replayed_saved_steps_fraction"]).abs()
    sentences.append(
        f"The shares of steps saved differ by {percent(steps.median())} in the median study and "
        f"{percent(steps.max())} at most; the savings of time differ by less than the noise floor in "
        f"{out_of(within, len(check), 'study', 'studies')}."
    )
    return " ".join(sentences)


def predictions(prediction: pd.DataFrame, saving: pd.DataFrame) -> str:
    """Say how early the final values can be told, and what stopping on that saves."""
    if prediction.empty:
        return ""
    errors = prediction.groupby(["metric", "windows_seen"], sort=False)["median_error"].median()
    seen = sorted(prediction["windows_seen"].unique())
    of_metrics = [
        f"{metric_label(metric)} by {in_words([percent(error) for error in errors[metric]])}"
        for metric in prediction["metric"].unique()
    ]
    text = (
        f"After {in_words([str(count) for count in seen])} "
        f"{'window' if seen == [1] else 'windows'}, the final value of a trial is missed in the "
        f"median: {'; '.join(of_metrics)}."
    )
    if saving.empty:
        return text
    of_limits = saving.groupby("limit_quantile")[["saved_on_value", "saved_on_prediction"]].median()
    wrong = saving["wrongly_stopped"].sum() / saving["within_limit"].sum()
    return (
        f"{text} With limits on training time that {span(of_limits.index, percent)} of the trials "
        f"keep, stopping on the prediction saves a median of "
        f"{span(of_limits['saved_on_prediction'], percent)} of the training time, stopping on the time "
        f"itself {span(of_limits['saved_on_value'], percent)}; but the prediction stops "
        f"{percent(wrong)} of the trials that would have kept their limit."
    )


def recommended(recommendations: pd.DataFrame, constraints: Mapping[str, float]) -> str:
    """Say which pairs keep the application's limits, at what loss, and how to find the best."""
    table = recommendations
    if table.empty:
        return ""
    sentences = []
    found = table[table["configurations_within"] > 0]
    if constraints:
        limits = [
            f"{metric_label(metric)} at most {limit_label('metric_limit', metric, limit)}"
            for metric, limit in constraints.items()
        ]
        sentences.append(
            f"With {in_words(limits)}, {out_of(len(found), len(table), 'pair')} "
            f"{'has' if len(found) == 1 else 'have'} a configuration that keeps the limits in every "
            "repetition."
        )
        same = int((found["score"] == found["unconstrained_score"]).sum())
        if len(found):
            sentences.append(
                f"The best that keeps them is the best of all in {out_of(same, len(found), 'pair')}."
            )
        missing = table[table["configurations_within"] == 0]
        if len(missing):
            names = [pair_label(*pair) for pair in missing[PAIR].itertuples(index=False)]
            sentences.append(f"None keeps them for {in_words(names)}.")
        saved = table["constraints_saved_time_fraction"]
        killed = int(found["constraints_stop_best"].sum())
        sentences.append(
            f"Stopping on these limits themselves saves {span(saved, percent)} of the training time"
            + (
                f", but in {out_of(killed, len(found), 'pair')} a single window beyond a limit stops "
                "the recommended one; grace_windows or a limit somewhat higher keeps it."
                if killed
                else " and never stops the recommended one."
            )
        )
    else:
        sentences.append(
            "The config names no limits (constraints), so the best configuration is that of the full "
            "search."
        )
    if found["rule"].ne("").any():
        saved = found.loc[found["rule"] != "", "saved_time_fraction"]
        names = (
            found.loc[found["rule"] != "", ["rule", "metric"]]
            .value_counts()
            .index.map(lambda names: rule_label(*names))
        )
        sentences.append(
            "The rule that trains the recommended configuration to its end and stops most of the others "
            f"saves {span(saved, percent)}; mostly it is a {names[0]}. Its limit is known only in "
            "hindsight, so this bounds what can be saved."
        )
    return " ".join(sentences)


def replay_points(
    tables: Mapping[str, pd.DataFrame], constraints: Mapping[str, float]
) -> list[tuple[str, str]]:
    """Return the points that support the answer to RQ2 beside its arms, each a name and a text."""
    points = [
        ("Against random stopping", random_stopping(tables["replay_summary"])),
        ("Live search against replay", live_check(tables["replay_check"])),
        ("Prediction", predictions(tables["prediction"], tables["prediction_saving"])),
        ("For an application", recommended(tables["recommendations"], constraints)),
    ]
    return [(name, text) for name, text in points if text]
