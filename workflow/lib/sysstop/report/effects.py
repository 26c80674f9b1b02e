"""The effects of hyperparameters on system metrics, and the answer to RQ1."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pandas as pd

from sysstop.report.baseline import CHEAP_FACTOR, cheap_batch_sizes
from sysstop.report.found import SUBSTANTIAL_SHARE, found_effects
from sysstop.report.subject import Answer, Headline, KeyNumber, Subject
from sysstop.report.text_tables import NAME_JOINT, ReportTable, row_id
from sysstop.report.wording import (
    MISSING,
    SIGNIFICANCE_LEVEL,
    TIMES,
    algorithm_label,
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
    whole_percent,
)
from sysstop.study.hyperparameters import BATCH_SIZE
from sysstop.study.keys import PAIR
from sysstop.study.metrics import METRIC_BY_NAME, steady_system_metrics

PAIR_NOUN, PAIRS_NOUN = "pair of data set and algorithm", "pairs of data set and algorithm"


def effect_digest(effects: pd.DataFrame) -> pd.DataFrame:
    """Return a row per data set, algorithm and metric, and a column per hyperparameter.

    A cell holds the share of variance in percent, its 95 % interval, and the direction if the
    adjusted p value is below `SIGNIFICANCE_LEVEL`.
    """
    texts = effects.assign(text=[_effect_text(effect) for effect in effects.itertuples()])
    keys = [*PAIR, "metric"]
    by_metric = texts.groupby(keys, sort=False)
    digest = texts.pivot(index=keys, columns="hyperparameter", values="text")
    names = list(effects["hyperparameter"].unique())
    # A pair whose algorithm has no such hyperparameter has an empty cell.
    digest = digest.loc[list(by_metric.groups), names].fillna("").reset_index()
    heads = {name: f"{capitalised(spoken(name))} (%)" for name in names}
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
    title="Share of variance explained, by data set and algorithm",
    naming=3,
    sources=("effects",),
    digest=lambda data: effect_digest(data.tables["effects"]),
    note=(
        "Share of variance explained in percent, with its 95 % interval. A direction is given "
        "where the adjusted p value is below 0.05: the metric rises or falls as the "
        "hyperparameter grows."
    ),
)


def change_table(effects: pd.DataFrame) -> pd.DataFrame:
    """Return a row per hyperparameter and metric: in how many pairs it has an effect, and how large.

    The change is that of the metric's median from the hyperparameter's lowest to its highest value,
    the median over the pairs with an effect. Times are the steady ones.
    """
    tested = _tested(effects)
    found = found_effects(tested)
    rows = []
    names, metrics = (tested[column].unique() for column in ("hyperparameter", "metric"))
    for name, metric in product(names, metrics):
        of_both = tested[(tested["hyperparameter"] == name) & (tested["metric"] == metric)]
        mine = found[(found["hyperparameter"] == name) & (found["metric"] == metric)]
        rows.append(
            {
                "Hyperparameter": capitalised(spoken(name)),
                "Metric": METRIC_BY_NAME[metric].label,
                "Pairs with an effect": f"{len(mine)} of {len(of_both)}",
                "Change, median": _change(metric, mine) if len(mine) else "none found",
                "Share of variance explained, median (%)": (100 * of_both["effect_size"])
                .median()
                .round(),
                "Could still be, at most (%)": (100 * of_both["effect_high"]).max().round(),
            }
        )
    columns = ["Hyperparameter", "Metric", "Pairs with an effect", "Change, median"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)


def _change(metric: str, effects: pd.DataFrame) -> str:
    """Say how a metric's median changes from the lowest to the highest value, in the median pair."""
    low, high = effects["median_at_lowest"], effects["median_at_highest"]
    if METRIC_BY_NAME[metric].unit == "%":
        return f"{rough((high - low).median())} points"
    factor = (high / low).median()
    if factor >= 2:
        return f"{rough(factor)} times"
    return (
        f"1/{rough(1 / factor)}"
        if factor <= 0.5
        else f"{'+' if factor > 1 else ''}{percent(factor - 1)}"
    )


CHANGES_TABLE = ReportTable(
    name="changes",
    title="What each hyperparameter changes",
    sources=("effects",),
    in_papers=False,
    naming=2,
    digest=lambda data: change_table(data.tables["effects"]),
    note=(
        "A pair is a data set and an algorithm. The change is from the smallest to the largest value "
        "of the hyperparameter. The last column is the upper end of the widest 95 % interval: a "
        "larger effect is ruled out."
    ),
)


def headline_rq1(effects: pd.DataFrame, trials: pd.DataFrame, noise: pd.DataFrame) -> Headline:
    """Return the answer to RQ1 in short: what decides the cost, by how much, and how sure that is."""
    tested = _tested(effects)
    if tested.empty:
        return Headline(UNANSWERED)
    sentences = _main_effects(tested, _kind_of_cost)
    left_out = effects.groupby(PAIR).ngroups - tested.groupby(PAIR).ngroups
    if left_out:
        sentences.append(f"{counted(left_out, 'other pair')} had too few trials to tell.")
    return Headline(
        " ".join(sentences),
        [
            *_batch_changes(tested),
            *_cheap_batches(trials),
            *_step_noise(noise),
        ],
    )


# What several metrics are about, in a word or two.
KINDS_OF_COST = {
    "steady_step_time_ms": "training time",
    "steady_train_time_s": "training time",
    "steady_sample_time_us": "time per sample",
    "memory_mb": "memory",
    "memory_peak_mb": "memory",
    "steady_predict_time_us": "prediction time",
    "steady_predict_sample_us": "prediction time",
}


def _kind_of_cost(metric: str) -> str:
    return KINDS_OF_COST.get(metric, metric_label(metric))


def _batch_changes(tested: pd.DataFrame) -> list[KeyNumber]:
    of_batch = tested[tested["hyperparameter"] == BATCH_SIZE]
    texts = {
        "steady_step_time_ms": "the time of a training step",
        "steady_sample_time_us": "the time per sample",
        "memory_peak_mb": "the peak memory",
    }
    numbers = []
    for metric, text in texts.items():
        of_metric = of_batch[of_batch["metric"] == metric]
        found = found_effects(of_metric)
        if found.empty:
            continue
        most, least = (number(found[f"{end}_level"].median()) for end in ("highest", "lowest"))
        pairs = len(of_metric)
        where = f"; found in {out_of(len(found), pairs, 'pair')}" if pairs > 1 else ""
        row = f"{capitalised(spoken(BATCH_SIZE))}{NAME_JOINT}{METRIC_BY_NAME[metric].label}"
        factors = found["median_at_highest"] / found["median_at_lowest"]
        numbers.append(
            KeyNumber(
                _factor_text(factors),
                f"{'' if factors.median() >= 1 else 'of '}{text} at batch size {most} instead of "
                f"{least}{_in_the_median(len(found))}{where}",
                row_id(CHANGES_TABLE.name, row),
            )
        )
    return numbers


def _factor_text(factors: pd.Series) -> str:
    factor = factors.median()
    if factor < 1:
        return f"1/{rough(1 / factor)}"
    return f"{rough(factor) if factor >= 1.1 else number(factor, 3)} {TIMES}"


def _in_the_median(pairs: int) -> str:
    return " (median)" if pairs > 1 else ""


def _cheap_batches(trials: pd.DataFrame) -> list[KeyNumber]:
    cheap = cheap_batch_sizes(trials)
    if cheap.empty:
        return []
    where = f": the median of {len(cheap)} pairs, {span(cheap)}" if cheap.nunique() > 1 else ""
    return [
        KeyNumber(
            number(cheap.median()),
            f"batch size from which on a sample costs at most {number(CHEAP_FACTOR)} times "
            f"the least{where}",
            "figure-cost",
        )
    ]


def _step_noise(noise: pd.DataFrame) -> list[KeyNumber]:
    floor = noise.loc[noise["metric"] == "steady_step_time_ms", "floor"]
    if floor.dropna().empty:
        return []
    return [
        KeyNumber(
            f"±{percent(floor.max())}",
            "noise: 95 % of the repeated readings of a step's time agree within it, in every pair",
            "table-noise",
        )
    ]


UNANSWERED = (
    "This run cannot answer the question: too few trials of the baseline completed to "
    "distinguish an effect of any hyperparameter from noise."
)


def _tested(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the effects on steady system metrics that could be tested."""
    steady = effects[effects["metric"].isin(steady_system_metrics())]
    return steady.dropna(subset=["effect_size", "p_adjusted"])


def answer_rq1(effects: pd.DataFrame) -> Answer:
    """Say which hyperparameter changes which system metric, and what was not found.

    Of times, what is said is about the steady ones.
    """
    tested = _tested(effects)
    if tested.empty:
        return Answer(UNANSWERED)
    steady = effects[effects["metric"].isin(steady_system_metrics())]
    untested = [
        pair_label(*pair)
        for pair, of_pair in steady.groupby(PAIR, sort=False)
        if of_pair["effect_size"].isna().all()
    ]
    sentences = [*_main_effects(tested), *_room_for_effects(tested)]
    if untested:
        sentences.append(f"Too few trials completed to say anything about {in_words(untested)}.")
    return Answer(" ".join(sentences), claim=" ".join(_main_effects(tested, _kind_of_cost)))


def _main_effects(tested: pd.DataFrame, name_of: Callable[[str], str] = metric_label) -> list[str]:
    """Say in a sentence or two which hyperparameters matter and which do not."""
    found = found_effects(tested)
    sentences, slight, without = [], [], []
    for name, of_name in tested.groupby("hyperparameter", sort=False):
        of_found = found[found["hyperparameter"] == name]
        if of_found.empty:
            certain = (of_name["p_adjusted"] < SIGNIFICANCE_LEVEL).any()
            (slight if certain else without).append(spoken(name))
            continue
        pairs = of_name.groupby(PAIR).ngroups
        named = of_found.assign(subject=of_found["metric"].map(name_of))
        counts = named.drop_duplicates([*PAIR, "subject"]).groupby("subject", sort=False).size()
        by_count: dict[int, list[str]] = {}
        for subject, count in counts.items():
            by_count.setdefault(int(count), []).append(subject)
        parts = [
            in_words(subjects)
            + (f" in {out_of(count, pairs, PAIR_NOUN, PAIRS_NOUN)}" if pairs > 1 else "")
            for count, subjects in sorted(by_count.items(), reverse=True)
        ]
        changes = "change" if re.search("[^s]s$", name) else "changes"
        sentences.append(f"{capitalised(spoken(name))} {changes} {'; '.join(parts)}.")
    if slight:
        sentences.append(
            f"{capitalised(in_words(slight))} {'has' if len(slight) == 1 else 'have'} slight effects "
            "at most."
        )
    if without:
        sentences.append(f"No effect of {in_words(without, 'or')} on any system metric was found.")
    return sentences


def _room_for_effects(tested: pd.DataFrame) -> list[str]:
    """Say how large effects that were not found may still be: the upper ends of their intervals."""
    absent = tested[~(tested["p_adjusted"] < SIGNIFICANCE_LEVEL)]
    bounds = absent.groupby("metric", sort=False)["effect_high"].max()
    small, large = bounds[bounds < SUBSTANTIAL_SHARE], bounds[bounds >= SUBSTANTIAL_SHARE]
    sentences = []
    if len(small):
        names = in_words([metric_label(name) for name in small.index])
        share = percent(max(0.001, small.max()))
        sentences.append(f"What was not found explains {share} of the variance of {names} at most.")
    if len(large):
        names = in_words([metric_label(name) for name in large.index], "or")
        sentences.append(
            f"On {names} the readings are too noisy to rule out an effect that explains up to "
            f"{percent(large.max())} of the variance."
        )
    return sentences


EFFECTS_METHOD = (
    "Effects of hyperparameters come from the completed trials of the baseline. The share of "
    "variance that one explains is taken from a model of all hyperparameters and the repetition "
    "(omega squared); p values are those of F tests on values and on aligned ranks, adjusted for the "
    "number of tests (Benjamini and Hochberg). Both compare an effect with how much repetitions of one "
    "configuration differ or, where there are too few of these, with what an additive model "
    "leaves. An effect is called found where the adjusted p value is below 0.05. Values that are no "
    "numbers count in the order of the grid, from its first to its last."
)
EFFECTS_LIMITATION = (
    "Batch size does not mean what it usually does where the model is one of scikit-learn's linear ones: "
    "these are updated on one sample at a time inside a mini-batch, so a larger batch means more updates "
    "in a step, not a better gradient."
)


EFFECTS = Subject(
    name="effects",
    title="Which hyperparameter changes what",
    tables=(CHANGES_TABLE, EFFECTS_TABLE),
    question="RQ1",
    headline=lambda data: headline_rq1(
        data.tables["effects"], data.tables["trials"], data.tables["noise"]
    ),
    answer=lambda data: answer_rq1(data.tables["effects"]),
    method=lambda data: [EFFECTS_METHOD],
    limitations=lambda data: [EFFECTS_LIMITATION],
)
