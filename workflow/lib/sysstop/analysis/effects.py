"""RQ1: how far each hyperparameter moves each system metric, and what a training step costs.

Hyperparameters are compared like with like. Trials that diverged are missing from the grid, mostly
those of high learning rates, so the trials that are left at two learning rates differ in their
batch sizes too. Comparing the levels' plain means would show the batch size's effect as the
learning rate's. Each effect is therefore taken from a model of all hyperparameters and the
repetition, as what its hyperparameter explains beyond the others ("type II" sums of squares).

What an effect is compared with, the error term, is how far repetitions of one configuration differ.
Only where a study has too few repetitions is it what an additive model leaves, so that interactions
of hyperparameters count as noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandera.pandas as pa
from scipy import stats
from scipy.optimize import nnls

from sysstop.results.tables import checked, described_by
from sysstop.study.keys import HYPERPARAMETERS, PAIR
from sysstop.study.metrics import METRIC_BY_NAME, metric_names
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM

REPETITIONS, INTERACTIONS = "repetitions", "interactions"
# With fewer trials beyond the model's parameters than this, its residuals say nothing.
MIN_RESIDUAL_DEGREES = 5
# Shares smaller than this are rounding errors.
ROUNDING = 1e-9
BOOTSTRAP_SAMPLES = 1000
BOOTSTRAP_SEED = 0
INTERVAL_PERCENTILES = (2.5, 97.5)
# A straight line through two points shows nothing.
MIN_BATCH_SIZES = 3

_NUMBER = {"nullable": True, "coerce": True}
_COUNT = pa.Column(int, pa.Check.ge(0), coerce=True)


def effects_schema() -> pa.DataFrameSchema:
    """Return the schema of `effect_table`."""
    return pa.DataFrameSchema(
        {
            **described_by(PAIR),
            "metric": pa.Column(str, pa.Check.isin(metric_names("system"))),
            "hyperparameter": pa.Column(str, pa.Check.isin(HYPERPARAMETERS)),
            "n": _COUNT,
            "levels": _COUNT,
            "error_term": pa.Column(str, pa.Check.isin([REPETITIONS, INTERACTIONS, ""])),
            **{
                name: pa.Column(float, pa.Check.in_range(0, 1), **_NUMBER)
                for name in ("effect_size", "effect_low", "effect_high")
            },
            "rank_correlation": pa.Column(float, pa.Check.in_range(-1, 1), **_NUMBER),
            "p_value": pa.Column(float, pa.Check.in_range(0, 1), **_NUMBER),
            "p_adjusted": pa.Column(float, pa.Check.in_range(0, 1), **_NUMBER),
            **{
                name: pa.Column(float, **_NUMBER)
                for name in (
                    "lowest_level",
                    "highest_level",
                    "median_at_lowest",
                    "median_at_highest",
                )
            },
        },
        strict=True,
        unique=[*PAIR, "metric", "hyperparameter"],
        ordered=True,
    )


COST_MODEL_SCHEMA = pa.DataFrameSchema(
    {
        **described_by(PAIR),
        **{
            name: pa.Column(float, pa.Check.ge(0), **_NUMBER)
            for name in ("fixed_ms", "per_sample_us")
        },
        "r_squared": pa.Column(float, pa.Check.le(1), **_NUMBER),
        "half_batch_size": pa.Column(float, pa.Check.ge(0), **_NUMBER),
        "n": _COUNT,
    },
    strict=True,
    unique=PAIR,
    ordered=True,
)


@dataclass(frozen=True)
class EffectModel:
    """How the values of n trials decompose: one hyperparameter, the other columns, and noise.

    `others` (n x p), `own` (n x q) and `interactions` (n x r) are orthonormal bases: of a constant
    and what the other columns explain, of what the hyperparameter's levels add to these, and of
    what the configurations add to both. q is the hyperparameter's degrees of freedom, 0 where its
    levels cannot be distinguished from those of another hyperparameter. r is 0 where interactions
    count as noise.
    """

    others: np.ndarray
    own: np.ndarray
    interactions: np.ndarray

    @property
    def error_term(self) -> str:
        """What the effect is compared with, as `effect_table` names it."""
        return REPETITIONS if self.interactions.shape[1] else INTERACTIONS

    @property
    def bases(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The bases of the others, the own and the interactions' part."""
        return self.others, self.own, self.interactions

    @property
    def residual_degrees(self) -> int:
        """The trials beyond the model's parameters."""
        return len(self.own) - sum(basis.shape[1] for basis in self.bases)

    @property
    def residual_shares(self) -> np.ndarray:
        """The share of each trial's noise that stays in its residual (n), 0 where none does."""
        return 1 - sum((basis**2).sum(axis=1) for basis in self.bases)

    @property
    def can_be_tested(self) -> bool:
        """Whether there is an effect to estimate and noise to compare it with."""
        return self.own.shape[1] > 0 and self.residual_degrees >= MIN_RESIDUAL_DEGREES

    def parts(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Split values (n) into the others', the own and the interactions' parts and the rest."""
        fitted = [basis @ (basis.T @ values) for basis in self.bases]
        return *fitted, values - sum(fitted)

    def aligned(self, values: np.ndarray) -> np.ndarray:
        """Return values (n) without the others' and the interactions' part.

        They are rounded, so that values which differ by rounding errors alone have one rank.
        """
        by_others, _, by_interactions, _ = self.parts(values)
        unit = ROUNDING * np.ptp(values)
        return np.round((values - by_others - by_interactions) / unit) * unit

    def variances(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the sum of squares of the own part, the residual mean square and the total sum.

        `values` are n, or n x draws.
        """
        # Lengths along the bases, because computing the parts of thousands of draws would take too
        # long.
        centred = values - values.mean(axis=0)
        total = np.einsum("i...,i...->...", centred, centred)
        explained = [((basis.T @ centred) ** 2).sum(axis=0) for basis in self.bases]
        noise = np.maximum(0.0, total - sum(explained)) / self.residual_degrees
        return explained[1], noise, total


def effect_table(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the effect of each hyperparameter on each system metric (`effects_schema`).

    Only the completed trials of the baseline arm in `trials` (`trials_schema`) count, all
    repetitions together; `n` is their number where the metric has a value, `levels` the
    hyperparameter's values among them. One row per data set, algorithm, system metric and
    hyperparameter.

    - `effect_size`: omega squared, the share of the metric's variance that the hyperparameter
      explains beyond the others, 0 where it explains no more than noise would. Eta squared would be
      biased upwards, more so with fewer trials, so that a null effect would not look null.
      `effect_low` and `effect_high`: `omega_squared_interval`.
    - `p_value`: does the metric depend on the hyperparameter at all? The larger p value of two F
      tests (`effect_p_value`): on the values, and on an aligned rank transform, for which all other
      effects are taken out and the rest is replaced by its ranks (Wobbrock et al. 2011,
      doi:10.1145/1978942.1978963). Unlike a Kruskal-Wallis test on the plain values they are not
      blinded by the batch size's effect. `p_adjusted` (Benjamini and Hochberg)
      keeps the false discovery rate over the whole table.
    - `error_term`: the noise that both compare the effect with, "repetitions" or "interactions"
      (`effect_model`), empty where there is no effect to estimate.
    - `rank_correlation`: Spearman's, of the hyperparameter and the metric without all other
      effects. It shows the direction, and how monotonic the effect is, not how large.
    - `median_at_lowest`, `median_at_highest`: the metric's median, in its unit, at the
      hyperparameter's lowest and highest level, over configurations that completed at both.

    Metrics are analysed on a logarithmic scale, since costs multiply, except percentages, which are
    bounded ratios near their ceiling and may be 0 (`analysis_scale`).

    Assumed: trials are independent given their configuration and repetition, the repetition adds
    the same to all trials on the analysis scale, and for the interval that noise is alike within a
    level. With the error term "interactions", effects are also assumed to add up. Drift of the
    machine during a repetition that follows the order of the grid cannot be distinguished from an
    effect.

    Effects are NaN where a hyperparameter has one level or cannot be distinguished from another
    one, where there are too few trials (`MIN_RESIDUAL_DEGREES`), or where the metric never changes.
    """
    rows = []
    for keys, of_pair in _completed_baselines(trials):
        for metric in metric_names("system"):
            scaled = analysis_scale(of_pair[metric], METRIC_BY_NAME[metric].unit)
            usable = of_pair[np.isfinite(scaled)]
            for hyperparameter in HYPERPARAMETERS:
                effect = _effect(usable, scaled[usable.index].to_numpy(), hyperparameter)
                medians = _medians_at_ends(usable, metric, hyperparameter)
                rows.append(
                    {
                        **keys,
                        "metric": metric,
                        "hyperparameter": hyperparameter,
                        **effect,
                        **medians,
                    }
                )
    schema = effects_schema()
    table = pd.DataFrame(rows, columns=list(schema.columns))
    tested = table["p_value"].notna()
    table.loc[tested, "p_adjusted"] = stats.false_discovery_control(table.loc[tested, "p_value"])
    return checked(table, schema)


def analysis_scale(values: pd.Series, unit: str) -> pd.Series:
    """Return values on the scale that effects are additive on: as they are for %, else their log.

    A value without a logarithm (0, which is no cost at all) becomes NaN.
    """
    return values if unit == "%" else np.log(values.where(values > 0))


def effect_model(trials: pd.DataFrame, hyperparameter: str) -> EffectModel:
    """Return the model to test a hyperparameter with: of repetitions if there are enough.

    `repetition_model` needs configurations that completed more than once, and combinations of the
    other hyperparameters that completed at several levels of this one. Where it has too few
    residual degrees (`MIN_RESIDUAL_DEGREES`), or distinguishes fewer levels of the hyperparameter
    than `additive_model`, the latter is returned.
    """
    additive = additive_model(trials, hyperparameter)
    if trials["repetition"].nunique() < 2:
        return additive
    repeated = repetition_model(trials, hyperparameter)
    tells_all = repeated.own.shape[1] == additive.own.shape[1]
    return repeated if tells_all and repeated.can_be_tested else additive


def additive_model(trials: pd.DataFrame, hyperparameter: str) -> EffectModel:
    """Return the model of one hyperparameter next to the other ones and the repetition.

    All columns count as categories, so that no shape of the effects is assumed. Their interactions
    are part of the noise.
    """
    columns = [name for name in (*HYPERPARAMETERS, "repetition") if name != hyperparameter]
    others = _basis(np.column_stack([np.ones(len(trials)), *(_levels(trials[c]) for c in columns)]))
    own = _basis(_levels(trials[hyperparameter]), others)
    return EffectModel(others, own, np.empty((len(trials), 0)))


def repetition_model(trials: pd.DataFrame, hyperparameter: str) -> EffectModel:
    """Return the model whose noise is how far repetitions of a configuration differ ("pure error").

    Every configuration has a level of its own, and so has every repetition. What counts as the
    others' part includes the interaction of the other two hyperparameters: where trials are
    missing it would otherwise leak into the hyperparameter's own part, and a hyperparameter that
    does nothing would seem to do something.
    """
    other_names = [name for name in HYPERPARAMETERS if name != hyperparameter]
    combinations = trials.groupby(other_names).ngroup()
    configurations = trials.groupby(HYPERPARAMETERS).ngroup()
    others = _basis(np.column_stack([_levels(combinations), _levels(trials["repetition"])]))
    own = _basis(_levels(trials[hyperparameter]), others)
    return EffectModel(others, own, _basis(_levels(configurations), others, own))


def omega_squared(
    effect: np.ndarray, noise: np.ndarray, total: np.ndarray, degrees: int
) -> np.ndarray:
    """Return the share of variance beyond what noise explains by chance, between 0 and 1.

    (effect - degrees * noise) / (total + noise), with the sums of squares of the effect and of all
    values and the residual mean square (Hays 1963).
    """
    share = (effect - degrees * noise) / (total + noise)
    # Without the last decimals, rounding errors are not mistaken for a tiny share.
    return np.clip(np.round(share, 12), 0.0, 1.0)


def omega_squared_interval(
    model: EffectModel, values: np.ndarray, levels: np.ndarray, samples: int
) -> tuple[float, float]:
    """Return the 95 % bootstrap percentile interval of omega squared.

    The grid is fixed, so residuals are resampled and not trials: within each of the
    hyperparameter's `levels` (n), since its noise may differ between them. They are enlarged by
    what the fit took from them (Davison and Hinkley 1997, section 6.2.3), and the parts that they
    are added to are reduced by what noise contributed to these. Otherwise every sample would
    contain the noise of the measurement as well as its own, and the interval would be too high.
    """
    centred = values - values.mean()
    _, noise, _ = model.variances(centred)
    *fitted, residual = model.parts(centred)
    # The mean is removed, and with it one of the others' degrees.
    degrees = [basis.shape[1] for basis in model.bases] - np.array([1, 0, 0])
    signal = sum(map(_without_noise, fitted, degrees * noise))
    # A configuration that completed once has no residual of its own to draw.
    kept = model.residual_shares
    known = kept > ROUNDING
    enlarged = residual / np.sqrt(np.where(known, kept, np.nan))
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    drawn = np.empty((len(values), samples))
    for level in np.unique(levels):
        of_level = levels == level
        pool = enlarged[known & of_level] if (known & of_level).any() else enlarged[known]
        drawn[of_level] = rng.choice(pool, (of_level.sum(), samples))
    shares = omega_squared(*model.variances(drawn + signal[:, None]), model.own.shape[1])
    low, high = np.percentile(shares, INTERVAL_PERCENTILES)
    return float(low), float(high)


def effect_p_value(model: EffectModel, values: np.ndarray) -> float:
    """Return the p value of the hyperparameter's effect on the values (n) and on their ranks.

    It is the larger of two F tests, so that an effect is found only if both find it. The test on
    the ranks of the aligned values is robust to outliers, but where trials are missing it calls
    noise an effect in 7 % of cases at the level of 5 % (simulated); the test on the values does
    not.
    """
    return max(_f_test(model, values), _f_test(model, stats.rankdata(model.aligned(values))))


def _f_test(model: EffectModel, values: np.ndarray) -> float:
    effect, noise, total = model.variances(values)
    degrees = model.own.shape[1]
    if noise <= ROUNDING * total:
        return 0.0 if effect > ROUNDING * total else 1.0
    return float(stats.f.sf(effect / degrees / noise, degrees, model.residual_degrees))


def cost_model(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the line of steady step time over batch size, one row per data set and algorithm.

    steady step time = fixed_ms + batch size * per_sample_us / 1000, from the completed trials of the
    baseline arm. `half_batch_size` = fixed / per sample is the batch size at which half of a step
    is fixed cost. `r_squared` is the share of the variance of log step time that the line
    explains; it is negative where the line is worse than a constant. `n` is the number of trials.

    The line is fitted to the median step time of each batch size, by least squares of the relative
    error, with neither cost below 0. Batch sizes span powers of two: with absolute errors the
    largest one or two would decide alone, and the fixed cost would be lost in their noise; relative
    errors give each the same weight. Medians resist stalled trials and let each batch size count
    once, however many of its trials diverged. NaN with fewer than `MIN_BATCH_SIZES` batch sizes.
    """
    rows = []
    for keys, of_pair in _completed_baselines(trials):
        timed = of_pair[of_pair["steady_step_time_ms"] > 0]
        row = {**keys, "n": len(timed)}
        medians = timed.groupby("batch_size")["steady_step_time_ms"].median()
        if len(medians) >= MIN_BATCH_SIZES:
            terms = np.column_stack([np.ones(len(medians)), medians.index.to_numpy()])
            fixed_ms, per_sample_ms = fit_costs(terms, medians.to_numpy())
            predicted = np.log(fixed_ms + per_sample_ms * timed["batch_size"])
            measured = np.log(timed["steady_step_time_ms"])
            total = ((measured - measured.mean()) ** 2).sum()
            row["fixed_ms"], row["per_sample_us"] = fixed_ms, 1e3 * per_sample_ms
            row["r_squared"] = 1 - ((measured - predicted) ** 2).sum() / total
            row["half_batch_size"] = fixed_ms / per_sample_ms if per_sample_ms > 0 else np.inf
        rows.append(row)
    return checked(pd.DataFrame(rows, columns=list(COST_MODEL_SCHEMA.columns)), COST_MODEL_SCHEMA)


def fit_costs(
    terms: np.ndarray, measured: np.ndarray, least: np.ndarray | float = 0.0
) -> np.ndarray:
    """Return the cost of each term (k) from the total costs of n readings (positive).

    `terms` (n x k) says how often each term occurs in a reading, `least` (k) the least that each
    costs. Least squares of the relative error.
    """
    shares = terms / measured[:, None]
    least = np.broadcast_to(least, terms.shape[1])
    return least + nnls(shares, 1 - shares @ least)[0]


def _completed_baselines(trials: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Yield the keys and the completed baseline trials of each data set and algorithm."""
    baseline = trials[trials["arm"] == BASELINE_ARM].reset_index(drop=True)
    for keys, of_pair in baseline.groupby(PAIR):
        completed = of_pair[of_pair["status"] == Status.COMPLETED]
        yield dict(zip(PAIR, keys, strict=True)), completed


def _levels(column: pd.Series) -> np.ndarray:
    """Return one 0/1 column per level."""
    return pd.get_dummies(column).to_numpy(float)


def _basis(columns: np.ndarray, *known: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of what columns (n x k) add to the known orthonormal bases."""
    for basis in known:
        columns = columns - basis @ (basis.T @ columns)
    directions, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return directions[:, sizes > 1e-8]


def _without_noise(part: np.ndarray, squares_of_noise: float) -> np.ndarray:
    """Return a part of the values (n) with its sum of squares reduced by that of noise."""
    squares = (part**2).sum()
    return part * np.sqrt(max(0.0, 1 - squares_of_noise / squares)) if squares > 0 else part


def _effect(
    trials: pd.DataFrame, values: np.ndarray, hyperparameter: str
) -> dict[str, float | str]:
    levels = trials[hyperparameter].to_numpy(float)
    effect = {"n": len(trials), "levels": len(np.unique(levels)), "error_term": ""}
    if effect["levels"] < 2 or np.ptp(values) == 0:
        return effect
    model = effect_model(trials, hyperparameter)
    if not model.can_be_tested:
        return effect
    low, high = omega_squared_interval(model, values, levels, BOOTSTRAP_SAMPLES)
    return effect | {
        "error_term": model.error_term,
        "effect_size": omega_squared(*model.variances(values), model.own.shape[1]),
        "effect_low": low,
        "effect_high": high,
        "rank_correlation": _rank_correlation(levels, model.aligned(values)),
        "p_value": effect_p_value(model, values),
    }


def _rank_correlation(levels: np.ndarray, aligned: np.ndarray) -> float:
    """Return Spearman's rank correlation, 0 where the aligned values are all the same."""
    return stats.spearmanr(levels, aligned).statistic if np.ptp(aligned) > 0 else 0.0


def _medians_at_ends(trials: pd.DataFrame, metric: str, hyperparameter: str) -> dict[str, float]:
    if trials.empty:
        return {}
    ends = [trials[hyperparameter].min(), trials[hyperparameter].max()]
    others = [name for name in (*HYPERPARAMETERS, "repetition") if name != hyperparameter]
    by_level = trials.pivot(index=others, columns=hyperparameter, values=metric)
    at_lowest, at_highest = by_level[ends].dropna().median()
    return {
        "lowest_level": ends[0],
        "highest_level": ends[1],
        "median_at_lowest": at_lowest,
        "median_at_highest": at_highest,
    }
