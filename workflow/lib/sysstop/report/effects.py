"""The answers to both research questions in words; every number comes from the tables.

Each function returns an `Answer`: one paragraph, and the points that support it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sysstop.report.study import arm_description
from sysstop.report.wording import (
    SIGNIFICANCE_LEVEL,
    arm_order,
    capitalised,
    counted,
    in_words,
    metric_label,
    number,
    out_of,
    pair_label,
    percent,
    rough,
    span,
    spoken,
)
from sysstop.study.arms import NO_RULE, stopped_is_candidate
from sysstop.study.keys import HYPERPARAMETERS, PAIR, TRIAL
from sysstop.study.metrics import METRIC_BY_NAME
from sysstop.study.studies import BASELINE_ARM

# A hyperparameter that explains less of a metric's variance does not decide it.
SUBSTANTIAL_SHARE = 0.1
# A cost model that explains a smaller share of step time's variance is not quoted.
FITTING_SHARE = 0.5
# Smaller changes of a metric's median, from a hyperparameter's lowest to its highest value, do not
# count: as a factor, and in percentage points.
NOTICED_FACTOR = 1.02
NOTICED_POINTS = 0.5


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
    sentences = [
        *_main_effects(tested),
        *_step_against_sample(tested),
        *_cost_model_sentences(cost_model, tested),
    ]
    untested = [
        pair_label(*pair)
        for pair, of_pair in effects.groupby(PAIR, sort=False)
        if of_pair["effect_size"].isna().all()
    ]
    if untested:
        sentences.append(f"Too few trials completed to say anything about {in_words(untested)}.")
    points = [
        (capitalised(spoken(name)), _effects_of(effects[effects["hyperparameter"] == name]))
        for name in HYPERPARAMETERS
    ]
    return Answer(" ".join(sentences), points)


def _main_effects(tested: pd.DataFrame) -> list[str]:
    """Say in a sentence or two which hyperparameters matter and which do not."""
    pairs = tested.groupby(PAIR).ngroups
    scope = f"over {pairs} pairs of data set and algorithm" if pairs > 1 else "one pair only"
    sentences, slight, without = [], [], []
    for name, of_name in tested.groupby("hyperparameter", sort=False):
        shown = of_name[of_name["p_adjusted"] < SIGNIFICANCE_LEVEL]
        large = shown[(shown["effect_size"] >= SUBSTANTIAL_SHARE) & _noticed(shown)]
        if shown.empty:
            without.append(spoken(name))
        elif large.empty:
            slight.append(name)
        else:
            metrics = [metric_label(metric) for metric in large["metric"].unique()]
            sentences.append(
                f"{capitalised(spoken(name))} moves {in_words(metrics)}: it explains "
                f"{span(large['effect_size'], percent)} of "
                f"{'its' if len(metrics) == 1 else 'their'} variance ({scope})."
            )
    if slight:
        largest = tested.loc[tested["hyperparameter"].isin(slight), "effect_size"].max()
        names = in_words([spoken(name) for name in slight])
        sentences.append(
            f"{capitalised(names)} {'has' if len(slight) == 1 else 'have'} slight effects at most: "
            f"never more than {percent(max(0.001, largest))} of a metric's variance, or a change of the metric "
            "itself that bears on nothing."
        )
    if without:
        absent = tested[tested["hyperparameter"].map(spoken).isin(without)]
        sentences.append(
            f"No effect of {in_words(without, 'or')} on any system metric was found; "
            f"{_room_for_effects(absent)}."
        )
    return sentences


def _room_for_effects(absent: pd.DataFrame) -> str:
    """Say how large effects that were not found may be, by the upper ends of their intervals."""
    bounds = absent.groupby("metric", sort=False)["effect_high"].max()
    small, large = bounds[bounds < SUBSTANTIAL_SHARE], bounds[bounds >= SUBSTANTIAL_SHARE]
    if len(large) > len(small):
        text = (
            f"but up to {percent(large.max())} of a metric's variance is compatible with the "
            "readings, so they do not rule one out"
        )
        names = in_words([metric_label(metric) for metric in small.index])
        return f"{text}, except on {names}" if len(small) else text
    text = (
        f"at most {percent(max(0.001, small.max()))} of a metric's variance is compatible with the "
        "readings"
    )
    if large.empty:
        return text
    names = in_words([metric_label(metric) for metric in large.index])
    return f"{text}, except for {names}, where up to {percent(large.max())} is"


def _effects_of(effects: pd.DataFrame) -> str:
    """Say what one hyperparameter does to each metric, over all pairs."""
    tested = effects.dropna(subset=["effect_size", "p_adjusted"])
    if tested.empty:
        if (effects["levels"] <= 1).all():
            return "The grid holds one value only, so an effect cannot be told."
        return "There are too few completed trials to tell an effect."
    shares, directions, absent = [], [], []
    for metric, of_metric in tested.groupby("metric", sort=False):
        shown = of_metric[of_metric["p_adjusted"] < SIGNIFICANCE_LEVEL]
        if shown.empty:
            absent.append(metric)
            continue
        where = ""
        if len(shown) < len(of_metric):
            where = f" (in {out_of(len(shown), len(of_metric), 'pair')})"
        shares.append(f"{span(shown['effect_size'], percent)} of {metric_label(metric)}{where}")
        directions.append(f"{metric_label(metric)} {_direction(metric, shown)}")
    sentences = []
    if shares:
        sentences += [
            f"Share of variance explained: {in_words(shares)}.",
            f"From its lowest to its highest value, {in_words(directions)}.",
        ]
    if absent:
        none = tested[tested["metric"].isin(absent)]
        names = in_words([metric_label(metric) for metric in absent], "or")
        sentences.append(
            f"No effect was found on {names if shares else 'any system metric'} (smallest adjusted "
            f"p value {rough(none['p_adjusted'].min())}); {_room_for_effects(none)}."
        )
    return " ".join(sentences)


def _noticed(effects: pd.DataFrame) -> pd.Series:
    """Tell for each effect whether the medians at both ends differ by more than a trifle.

    Readings as exact as those of memory let differences show that bear on nothing.
    """
    low, high = effects["median_at_lowest"], effects["median_at_highest"]
    in_percent = effects["metric"].map(lambda metric: METRIC_BY_NAME[metric].unit == "%")
    changed = (high / low >= NOTICED_FACTOR) | (low / high >= NOTICED_FACTOR)
    return changed.where(~in_percent, (high - low).abs() >= NOTICED_POINTS)


def _direction(metric: str, effects: pd.DataFrame) -> str:
    """Say how the metric's median changes from the hyperparameter's lowest to its highest value."""
    low, high = effects["median_at_lowest"], effects["median_at_highest"]
    if METRIC_BY_NAME[metric].unit == "%":
        changes, noticed, amount = (high - low, low - high), NOTICED_POINTS, _points
    else:
        changes, noticed, amount = (high / low, low / high), NOTICED_FACTOR, _factor
    parts = []
    for verb, change in zip(("rises", "falls"), changes, strict=True):
        change = change[change >= noticed]
        if change.empty:
            continue
        where = f" in {counted(len(change), 'pair')}" if len(change) < len(effects) else ""
        parts.append(f"{verb} {amount(change)}{where}")
    return in_words(parts) if parts else "hardly changes"


def _points(changes: pd.Series) -> str:
    return f"by {span(changes, rough)} percentage points"


def _factor(changes: pd.Series) -> str:
    if changes.max() < 2:
        return f"by {span(changes - 1, percent)}"
    return span(changes, rough).replace(" to ", "- to ") + "-fold"


def _step_against_sample(tested: pd.DataFrame) -> list[str]:
    """Say that large batches are dear per step and cheap per sample, if that is so everywhere."""
    batch = tested[tested["hyperparameter"] == "batch_size"]
    step = batch[batch["metric"] == "step_time_ms"]
    sample = batch[batch["metric"] == "sample_time_us"]
    dearer = step["median_at_highest"] / step["median_at_lowest"]
    cheaper = sample["median_at_lowest"] / sample["median_at_highest"]
    if step.empty or sample.empty or not ((dearer > 1).all() and (cheaper > 1).all()):
        return []
    return [
        "Per training step a large batch is dear, per sample it is cheap: from batch size "
        f"{span(step['lowest_level'])} to batch size {span(step['highest_level'])} the median step "
        f"takes {span(dearer, rough)} times as long, while the median time per sample is divided "
        f"by {span(cheaper, rough)}."
    ]


def _cost_model_sentences(cost_model: pd.DataFrame, tested: pd.DataFrame) -> list[str]:
    """Say what a step costs, and what follows for the batch size, where a straight line fits."""
    fitted = cost_model.dropna(subset=["fixed_ms"])
    if fitted.empty:
        return []
    told = fitted[fitted["r_squared"] >= FITTING_SHARE]
    if told.empty:
        return [
            "In no pair does a fixed cost per step plus a cost per sample explain half of what "
            "step time varies: over this grid it hardly depends on the batch size."
        ]
    sentences = [
        f"In {out_of(len(told), len(fitted), 'pair')} a straight line of the batch size explains "
        f"{span(told['r_squared'], percent)} of what step time varies: there a step costs a fixed "
        f"{span(told['fixed_ms'], rough)} ms plus {span(told['per_sample_us'], rough)} µs for each "
        "sample of its batch."
    ]
    half = told["half_batch_size"]
    if half.between(0, float("inf"), inclusive="neither").all():
        # Fixed and variable cost are equal there. So a batch of up to half that size may double
        # at a third more per step, and no batch halves the cost per sample again.
        largest = tested.loc[tested["hyperparameter"] == "batch_size", "highest_level"].max()
        beyond = f" (the largest run was {number(largest)})" if half.max() > largest else ""
        sentences.append(
            "By this line, half of a step is fixed cost at a batch size of about "
            f"{span(half, lambda value: rough(round(value)))}{beyond}. Well below it a larger batch "
            "hardly lengthens a step and so makes each sample cheaper; well above it a step grows "
            "with its batch, and no sample can cost less than half of what it costs there."
        )
    if len(told) < len(fitted):
        sentences.append("Elsewhere the line fits too poorly to choose a batch size by.")
    return sentences


def answer_rq2(budget: pd.DataFrame, noise: pd.DataFrame, config: Mapping[str, Any]) -> Answer:
    """Say what each arm saved, what that cost in quality, and how often it lost the winner.

    `noise` is the table of the same name. Arms that never stop a trial are there for it alone.
    """
    never_stop = {arm for arm, entry in config["arms"].items() if entry["rule"] == NO_RULE}
    stopping = budget[~budget["arm"].isin({BASELINE_ARM, *never_stop})]
    if stopping.empty:
        return Answer(
            "No stopping arm was run, only the full-budget baseline, so this run says nothing "
            "about savings measured live. Name arms under study.arms to compare.",
            [],
        )
    compared = stopping.dropna(subset=["baseline_best_score", "saved_fraction"])
    left_out = stopping.loc[~stopping.index.isin(compared.index), PAIR]
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
    sentences = [
        f"Over {counted(len(compared), 'study', 'studies')} with "
        f"{counted(len(arms), 'stopping arm')}, early stopping saved "
        f"{span(compared['saved_fraction'], percent)} of the baseline's training time and "
        f"{span(compared['saved_steps_fraction'], percent)} of its steps."
    ]
    if len(arms) > 1:
        sentences.append(
            f"The arm {most} saved most (median {percent(medians[most])}), {least} least "
            f"(median {percent(medians[least])})."
        )
    sentences += _price(compared, config)
    sentences.append(_lost_all_sentence(compared))
    sentences += _noise_sentences(compared, noise)
    points = [(arm, _arm_text(compared[compared["arm"] == arm], config)) for arm in arms]
    return Answer(" ".join(sentences) + excuse, points)


def _noise_sentences(compared: pd.DataFrame, noise: pd.DataFrame) -> list[str]:
    """Say how far readings differ where nothing differs, and which savings stand above that."""
    if noise.empty:
        return [
            "No trial ran to its end in two arms, so the noise of the measurement is not known: "
            "trust savings of steps, which are exact, before savings of time."
        ]
    floor = noise.pivot(index=PAIR, columns="metric", values="floor")
    floors = [
        f"{metric_label(metric)} {span(floor[metric], percent)}"
        for metric in ("train_time_s", "step_time_ms", "memory_mb")
    ]
    sentences = [
        "Trials that no rule stopped repeat the baseline's, and tell the noise: 95 % of the repeated "
        f"readings of a pair agreed within {in_words(floors)}."
    ]
    known = compared.dropna(subset=["noise_floor"])
    if known.empty:
        return sentences
    above = int((known["above_noise_floor"] & (known["saved_fraction"] > 0)).sum())
    sentences.append(
        "Of a whole study, training time drifted by up to "
        f"{span(known.groupby(['dataset', 'algorithm'])['noise_floor'].first(), percent)}; the saving "
        f"of time is more than that in {out_of(above, len(known), 'study', 'studies')}. Savings of "
        "steps are exact."
    )
    return sentences


def _price(compared: pd.DataFrame, config: Mapping[str, Any]) -> list[str]:
    """Say how often a limit threw away the best trial, and the regret of all arms."""
    discards = {arm for arm in config["arms"] if not stopped_is_candidate(config["arms"][arm])}
    limited = compared[compared["arm"].isin(discards)]
    sentences = []
    if len(limited):
        lost = int(limited["winner_stopped"].sum())
        where = out_of(lost, len(limited), "study", "studies")
        sentences.append(
            f"The price: limits stopped, and so threw away, the trial that the full search would "
            f"have chosen in {where}."
        )
    sentences.append(
        "The regret, by which the best trial left is worse than the full search's, was "
        f"{_regret_text(compared)}."
    )
    return sentences


def _lost_all_sentence(compared: pd.DataFrame) -> str:
    empty = compared[compared["best_score"].isna()]
    if empty.empty:
        return "Every arm kept at least one trial to choose from."
    by_arm = empty.groupby("arm").size()
    arms = [f"{arm} ({count})" for arm, count in by_arm.items()]
    return (
        f"In {counted(len(empty), 'study', 'studies')} no trial was left to choose from, with the "
        f"{'arm' if len(arms) == 1 else 'arms'} {in_words(arms)}."
    )


def _regret_text(studies: pd.DataFrame, column: str = "regret") -> str:
    """Say the range of the regret for each task, in the score's own unit."""
    parts = []
    for task, of_task in studies.dropna(subset=[column]).groupby("task"):
        text = span(of_task[column])
        if task == "classification":
            parts.append(f"{text} in accuracy")
            continue
        baseline = "baseline_test_score" if column == "test_regret" else "baseline_best_score"
        relative = of_task[column] / of_task[baseline].abs()
        parts.append(f"{text} in RMSE ({span(relative, percent)} of the baseline's)")
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
        f"The baseline's best trial was stopped in "
        f"{out_of(lost, len(studies), 'study', 'studies')}; regret {_regret_text(studies)}"
        f"{_test_regret_clause(studies)}.",
    ]
    better = int((studies["regret"] < 0).sum())
    if better:
        sentences.append(
            f"In {counted(better, 'study', 'studies')} its best model is better than the "
            "baseline's, so regret is negative."
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
        for name in HYPERPARAMETERS:
            levels = of_pair[name]
            if levels.nunique() < 3:
                continue
            for place, level in (("smallest", levels.min()), ("largest", levels.max())):
                if (winners[name] == level).any():
                    places.append(f"{place} {spoken(name)} ({number(level)})")
        if places:
            found.append((pair_label(dataset, algorithm), places))
    return found
