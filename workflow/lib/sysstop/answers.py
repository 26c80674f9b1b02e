"""The answers to both research questions in words; every number comes from the tables.

Each function returns an `Answer`: one paragraph, and the points that support it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sysstop.effects import HYPERPARAMETERS
from sysstop.figures.effect_map import SIGNIFICANCE_LEVEL
from sysstop.metrics import METRIC_BY_NAME
from sysstop.paper_tables import arm_description
from sysstop.studies import BASELINE_ARM
from sysstop.wording import (
    arm_order,
    capitalised,
    counted,
    in_words,
    number,
    pair_label,
    percent,
    span,
    spoken,
    with_unit,
)

# A hyperparameter that explains less of a metric's variance does not decide it.
SUBSTANTIAL_SHARE = 0.1


@dataclass(frozen=True)
class Answer:
    """An answer: its paragraph and its points, each a name and a sentence or more."""

    paragraph: str
    points: list[tuple[str, str]]


def answer_rq1(effects: pd.DataFrame, cost_model: pd.DataFrame) -> Answer:
    """Say which hyperparameter explains which share of which system metric, and what does not."""
    tested = effects.dropna(subset=["effect_size", "p_adjusted"])
    if tested.empty:
        return Answer(
            "This run cannot answer the question: too few trials of the baseline completed to tell "
            "an effect of any hyperparameter from noise.",
            [],
        )
    pairs = tested.groupby(["dataset", "algorithm"]).ngroups
    deciding, minor, without = [], [], []
    for name in HYPERPARAMETERS:
        of_name = tested[tested["hyperparameter"] == name]
        if of_name.empty:
            continue
        shown = of_name[of_name["p_adjusted"] < SIGNIFICANCE_LEVEL]
        if shown.empty:
            without.append(name)
        elif (shown["effect_size"] >= SUBSTANTIAL_SHARE).any():
            deciding.append(name)
        else:
            minor.append(name)
    sentences = []
    if deciding:
        verb = "moves" if len(deciding) == 1 else "move"
        sentences.append(
            f"{capitalised(_named(deciding))} {verb} the system metrics"
            f"{f' in the {pairs} pairs of data set and algorithm' if pairs > 1 else ''}."
        )
    if minor:
        largest = tested.loc[tested["hyperparameter"].isin(minor), "effect_size"].max()
        verb = "has" if len(minor) == 1 else "have"
        sentences.append(
            f"{capitalised(_named(minor))} {verb} slight effects at most: never more than "
            f"{percent(largest)} of a metric's variance."
        )
    if without:
        sentences.append(
            f"No effect of {_named(without, 'or')} on any system metric was found, which is a "
            "result as well."
        )
    sentences += _step_against_sample(tested)
    sentences += _cost_model_sentences(cost_model)
    untested = [
        pair_label(*pair)
        for pair, group in effects.groupby(["dataset", "algorithm"], sort=False)
        if group["effect_size"].isna().all()
    ]
    if untested:
        sentences.append(f"Too few trials completed to say anything about {in_words(untested)}.")
    points = [(capitalised(spoken(name)), _effects_of(name, effects)) for name in HYPERPARAMETERS]
    return Answer(" ".join(sentences), points)


def _named(hyperparameters: list[str], last: str = "and") -> str:
    return in_words([spoken(name) for name in hyperparameters], last)


def _metric_name(metric: str) -> str:
    label = METRIC_BY_NAME[metric].label
    return label if label.isupper() else label.lower()


def _effects_of(hyperparameter: str, effects: pd.DataFrame) -> str:
    """Say what one hyperparameter does to each metric, over all pairs."""
    rows = effects[effects["hyperparameter"] == hyperparameter]
    tested = rows.dropna(subset=["effect_size", "p_adjusted"])
    if tested.empty:
        if (rows["levels"] <= 1).all():
            return "The grid holds one value only, so an effect cannot be told."
        return "There are too few completed trials to tell an effect."
    shown, absent = [], []
    for metric, of_metric in tested.groupby("metric", sort=False):
        significant = of_metric[of_metric["p_adjusted"] < SIGNIFICANCE_LEVEL]
        if significant.empty:
            absent.append(metric)
        else:
            shown.append(_effect_sentence(metric, significant, len(of_metric)))
    if not shown:
        return f"No effect found on any system metric; {_largest_of_none(tested)}."
    if absent:
        none = tested[tested["metric"].isin(absent)]
        names = in_words([_metric_name(metric) for metric in absent], "or")
        shown.append(f"No effect was found on {names}; {_largest_of_none(none)}.")
    return " ".join(shown)


def _largest_of_none(effects: pd.DataFrame) -> str:
    return (
        f"the largest share of variance is {percent(effects['effect_size'].max())}, the smallest "
        f"adjusted p value {number(effects['p_adjusted'].min(), digits=2)}"
    )


def _effect_sentence(metric: str, significant: pd.DataFrame, pairs: int) -> str:
    """Say share and direction of the effect on one metric in the pairs where it was found."""
    where = ""
    if len(significant) < pairs:
        where = f" in {len(significant)} of {counted(pairs, 'pair')}"
    share = span(significant["effect_size"], percent)
    sentence = f"It explains {share} of the variance of {_metric_name(metric)}{where}"
    return f"{sentence}, which {_direction(metric, significant)}."


def _direction(metric: str, effects: pd.DataFrame) -> str:
    """Say how the metric's median changes from the lowest to the highest value of the grid."""
    low, high = effects["median_at_lowest"], effects["median_at_highest"]
    if METRIC_BY_NAME[metric].unit == "%":
        unit = " percentage points"
        changes, flat = high - low, 0.5
        risen, fallen = changes[changes >= flat], -changes[changes <= -flat]
    else:
        unit = "-fold"
        changes, flat = high / low, 1.02
        risen, fallen = changes[changes >= flat], 1 / changes[changes <= 1 / flat]
    parts = []
    for verb, amounts in (("rises", risen), ("falls", fallen)):
        if len(amounts):
            by = span(amounts, lambda value: number(value, digits=2))
            where = f" in {counted(len(amounts), 'pair')}" if len(amounts) < len(changes) else ""
            parts.append(f"{verb} {'by ' if unit != '-fold' else ''}{by}{unit}{where}")
    if not parts:
        return "hardly changes from the lowest to the highest value"
    return f"{in_words(parts)} from the lowest to the highest value"


def _step_against_sample(tested: pd.DataFrame) -> list[str]:
    """Say that large batches are dear per step and cheap per sample, if that is so."""
    batch = tested[tested["hyperparameter"] == "batch_size"].set_index("metric")
    if not {"step_time_ms", "sample_time_us"} <= set(batch.index):
        return []
    ratio = batch["median_at_highest"] / batch["median_at_lowest"]
    step, sample = ratio.loc[["step_time_ms"]], ratio.loc[["sample_time_us"]]
    if not ((step > 1).all() and (sample < 1).all()):
        return []
    lowest = span(batch.loc[["step_time_ms"], "lowest_level"])
    highest = span(batch.loc[["step_time_ms"], "highest_level"])
    two_digits = lambda value: number(value, digits=2)  # noqa: E731
    return [
        f"Per training step a large batch is dear, per sample it is cheap: from batch size {lowest} "
        f"to batch size {highest} the median step takes {span(step, two_digits)} times as long, "
        f"while the median time per sample is divided by {span(1 / sample, two_digits)}."
    ]


def _cost_model_sentences(cost_model: pd.DataFrame) -> list[str]:
    fitted = cost_model.dropna(subset=["fixed_ms"])
    if fitted.empty:
        return []
    half = fitted["half_batch_size"]
    sentence = (
        f"A step costs a fixed {span(fitted['fixed_ms'])} ms plus "
        f"{span(fitted['per_sample_us'])} µs for each sample of its batch; this straight line "
        f"explains {span(fitted['r_squared'], percent)} of the variance of step time."
    )
    if half.between(0, float("inf"), inclusive="neither").all():
        sentence += (
            " The fixed cost is half of a step at a batch size of about "
            f"{span(half, lambda value: number(value, digits=2))}."
        )
    return [sentence]


def answer_rq2(budget: pd.DataFrame, config: Mapping[str, Any]) -> Answer:
    """Say what each arm saved, what that cost in model quality, and how often it lost the winner."""
    stopping = budget[budget["arm"] != BASELINE_ARM]
    if stopping.empty:
        return Answer(
            "No stopping arm was run, only the full-budget baseline, so this run says nothing about "
            "savings. Name arms under study.arms to compare.",
            [],
        )
    compared = stopping.dropna(subset=["baseline_best_score", "saved_fraction"])
    left_out = stopping.loc[~stopping.index.isin(compared.index), ["dataset", "algorithm"]]
    excuse = ""
    if len(left_out):
        names = [pair_label(*pair) for pair in left_out.drop_duplicates().itertuples(index=False)]
        excuse = (
            f" Studies of {in_words(names)} are left out, because no trial of their baseline "
            "completed."
        )
    if compared.empty:
        return Answer("No savings can be told." + excuse, [])
    arms = arm_order(compared["arm"])
    medians = compared.groupby("arm")["saved_fraction"].median()
    most, least = medians.idxmax(), medians.idxmin()
    studies = counted(len(compared), "study", "studies")
    sentences = [
        f"Over {studies} of {counted(len(arms), 'stopping arm')}, early stopping saved "
        f"{span(compared['saved_fraction'], percent)} of the baseline's training time."
    ]
    if len(arms) > 1:
        sentences.append(
            f"{capitalised(most)} saved most (median {percent(medians[most])}), {least} least "
            f"(median {percent(medians[least])})."
        )
    lost = int(compared["winner_stopped"].sum())
    if lost:
        sentences.append(
            f"The price: in {lost} of {studies} the trial that the full search would have chosen "
            f"was stopped. Regret, what the best remaining model is worse by, was "
            f"{_regret_text(compared)}."
        )
    else:
        sentences.append(
            "In none of them was the trial stopped that the full search would have chosen; regret "
            f"was {_regret_text(compared)}."
        )
    sentences.append(_lost_all_sentence(compared))
    if (compared["saved_fraction"] < 0).any():
        sentences.append(
            "A negative saving means that the arm took longer than its baseline, which is the "
            "machine's drift and not the rule."
        )
    points = [(arm, _arm_text(compared[compared["arm"] == arm], config)) for arm in arms]
    return Answer(" ".join(sentences) + excuse, points)


def _lost_all_sentence(compared: pd.DataFrame) -> str:
    empty = compared[compared["best_score"].isna()]
    if empty.empty:
        return "Every arm kept at least one trial to choose from."
    names = [
        f"{arm} on {pair_label(dataset, algorithm)}"
        for dataset, algorithm, arm in empty[["dataset", "algorithm", "arm"]]
        .drop_duplicates()
        .itertuples(index=False)
    ]
    return (
        f"In {counted(len(empty), 'study', 'studies')} no trial was left to choose from: "
        f"{in_words(names)}."
    )


def _regret_text(studies: pd.DataFrame, column: str = "regret") -> str:
    """Say the range of the regret for each task, in the score's own unit."""
    parts = []
    for task, of_task in studies.dropna(subset=[column]).groupby("task"):
        text = span(of_task[column])
        if task == "classification":
            parts.append(f"{text} in accuracy")
            continue
        relative = of_task[column] / of_task["baseline_best_score"].abs()
        parts.append(
            f"{text} in RMSE"
            + (f" ({span(relative, percent)} of the baseline's)" if column == "regret" else "")
        )
    return in_words(parts) if parts else "not defined, as no model was left"


def _arm_text(studies: pd.DataFrame, config: Mapping[str, Any]) -> str:
    arm = studies["arm"].iloc[0]
    stopped = studies["trials_stopped"] / studies["trials"]
    lost = int(studies["winner_stopped"].sum())
    sentences = []
    if arm in config["arms"]:
        sentences.append(f"Stops a trial {arm_description(config['arms'][arm])}.")
    sentences += [
        f"It stopped {span(stopped, percent)} of the trials and saved "
        f"{span(studies['saved_fraction'], percent)} of the training time (median "
        f"{percent(studies['saved_fraction'].median())}) and "
        f"{span(studies['saved_steps_fraction'], percent)} of the steps.",
        f"The baseline's best trial was stopped in {lost} of "
        f"{counted(len(studies), 'study', 'studies')}; regret {_regret_text(studies)}"
        f"{_test_regret_clause(studies)}.",
    ]
    better = int((studies["regret"] < 0).sum())
    if better:
        sentences.append(
            f"In {counted(better, 'study', 'studies')} its best model is better than the "
            "baseline's, which went on training past its best."
        )
    empty = int(studies["best_score"].isna().sum())
    if empty:
        sentences.append(
            f"In {counted(empty, 'study', 'studies')} it left no trial to choose from."
        )
    return " ".join(sentences)


def _test_regret_clause(studies: pd.DataFrame) -> str:
    if studies["test_regret"].isna().all():
        return ""
    return f"; on the test part {_regret_text(studies, 'test_regret')}"


def borders_of_grid(trials: pd.DataFrame, budget: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Return the pairs whose best baseline trial lies on the border of the grid, and where.

    A hyperparameter with one value has no border. Repetitions count together: a border is named if
    any repetition's best trial lies on it.
    """
    baseline = trials[trials["arm"] == BASELINE_ARM]
    best_keys = ["dataset", "algorithm", "arm", "repetition", "trial_id"]
    best = budget.rename(columns={"best_trial_id": "trial_id"})[best_keys].merge(baseline)
    found = []
    for (dataset, algorithm), of_pair in baseline.groupby(["dataset", "algorithm"], sort=False):
        winners = best[(best["dataset"] == dataset) & (best["algorithm"] == algorithm)]
        places = []
        for name in HYPERPARAMETERS:
            levels = of_pair[name]
            if levels.nunique() < 2:
                continue
            for place, level in (("smallest", levels.min()), ("largest", levels.max())):
                if (winners[name] == level).any():
                    places.append(f"{place} {spoken(name)} ({number(level)})")
        if places:
            found.append((pair_label(dataset, algorithm), places))
    return found
