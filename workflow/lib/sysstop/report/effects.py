"""The effects of hyperparameters on system metrics, and the answer to RQ1."""

from typing import Any

import pandas as pd

from sysstop.report.cost import COST_TABLE, cost_model_sentences, step_against_sample
from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import (
    MISSING,
    SIGNIFICANCE_LEVEL,
    algorithm_label,
    capitalised,
    counted,
    in_words,
    metric_label,
    out_of,
    pair_label,
    percent,
    rough,
    span,
    spoken,
    whole_percent,
)
from sysstop.study.keys import HYPERPARAMETERS, PAIR
from sysstop.study.metrics import METRIC_BY_NAME, steady_system_metrics

# A hyperparameter that explains less of a metric's variance does not decide it.
SUBSTANTIAL_SHARE = 0.1
# Smaller changes of a metric's median, from a hyperparameter's lowest to its highest value, do not
# count: as a factor, and in percentage points.
NOTICED_FACTOR = 1.02
NOTICED_POINTS = 0.5


def effect_digest(effects: pd.DataFrame) -> pd.DataFrame:
    """Return a row per data set, algorithm and metric, and a column per hyperparameter.

    A cell holds the share of variance in percent, its 95 % interval, and the direction if the
    adjusted p value is below `SIGNIFICANCE_LEVEL`.
    """
    texts = effects.assign(text=[_effect_text(effect) for effect in effects.itertuples()])
    keys = [*PAIR, "metric"]
    by_metric = texts.groupby(keys, sort=False)
    digest = texts.pivot(index=keys, columns="hyperparameter", values="text")
    digest = digest.loc[list(by_metric.groups), HYPERPARAMETERS].reset_index()
    heads = {name: f"{capitalised(spoken(name))} (%)" for name in HYPERPARAMETERS}
    digest = digest.rename(
        columns={"dataset": "Data set", "algorithm": "Algorithm", "metric": "Metric", **heads}
    )
    digest["Algorithm"] = digest["Algorithm"].map(algorithm_label)
    digest["Metric"] = [METRIC_BY_NAME[metric].label for metric in digest["Metric"]]
    digest.insert(3, "Trials", by_metric["n"].max().to_numpy())
    return digest


def _effect_text(effect: Any) -> str:
    if pd.isna(effect.effect_size):
        return "one value only" if effect.levels == 1 else MISSING
    shares = (effect.effect_size, effect.effect_low, effect.effect_high)
    share, low, high = (whole_percent(value) for value in shares)
    text = f"{share} ({low} to {high})"
    if not effect.p_adjusted < SIGNIFICANCE_LEVEL:
        return text
    return f"{text}, {'rises' if effect.rank_correlation > 0 else 'falls'}"


EFFECTS_TABLE = ReportTable(
    name="effects",
    title="Effects of the hyperparameters",
    sources=("effects",),
    digest=lambda data: effect_digest(data.tables["effects"]),
    note=(
        "Share of variance explained in percent, with its 95 % interval. A direction is given "
        "where the adjusted p value is below 0.05: the metric rises or falls as the "
        "hyperparameter grows."
    ),
)


def answer_rq1(effects: pd.DataFrame, cost_model: pd.DataFrame) -> Answer:
    """Say which hyperparameter explains which share of which system metric, and what does not.

    Of times, what is said is about the steady ones.
    """
    effects = effects[effects["metric"].isin(steady_system_metrics())]
    tested = effects.dropna(subset=["effect_size", "p_adjusted"])
    if tested.empty:
        return Answer(
            "This run cannot answer the question: too few trials of the baseline completed to "
            "distinguish an effect of any hyperparameter from noise.",
            [],
        )
    sentences = [
        *_main_effects(tested),
        *step_against_sample(tested),
        *cost_model_sentences(cost_model, tested),
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
            "too small to matter."
        )
    if without:
        absent = tested[tested["hyperparameter"].map(spoken).isin(without)]
        sentences.append(
            f"No effect of {in_words(without, 'or')} on any system metric was found; "
            f"{_room_for_effects(absent)}."
        )
    return sentences


def _room_for_effects(absent: pd.DataFrame) -> str:
    """Say how large the effects that were not found may still be: the upper ends of their intervals."""
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
            return "The grid has only one value, so no effect can be measured."
        return "Too few trials completed to measure an effect."
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
    """Return for each effect whether the medians at both ends differ enough to matter.

    Readings as exact as those of memory make even irrelevant differences significant.
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


EFFECTS_METHOD = (
    "Effects of hyperparameters come from the completed trials of the baseline. The share of "
    "variance that one explains is taken from a model of all hyperparameters and the repetition "
    "(omega squared); p values are those of F tests on values and on aligned ranks, adjusted for the "
    "number of tests (Benjamini and Hochberg). Both compare an effect with how much repetitions of one "
    "configuration differ or, where there are too few of these, with what an additive model "
    "leaves. An effect is called found where the adjusted p value is below 0.05."
)
EFFECTS_LIMITATION = (
    "Batch size does not mean what it usually does: scikit-learn updates on one sample at a time inside "
    "a mini-batch, so a larger batch means more updates in a step, not a better gradient."
)


EFFECTS = Subject(
    tables=(EFFECTS_TABLE, COST_TABLE),
    question="RQ1",
    answer=lambda data: answer_rq1(data.tables["effects"], data.tables["cost_model"]),
    method=lambda data: [EFFECTS_METHOD],
    limitations=lambda data: [EFFECTS_LIMITATION],
)
