"""RQ2: what any rule at any limit would have saved and lost, from the baseline's windows alone.

Savings in a replay are free of the machine's drift, since both sides of the comparison come from
one measurement (see `recording`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from sysstop.analysis.chance import mean_random_best, random_best
from sysstop.analysis.recording import Recording, Stops, best_left, recordings, replay_stops
from sysstop.analysis.virtual_search import start_order, virtual_searches
from sysstop.results.tables import checked, described_by
from sysstop.study.arms import arm_rules
from sysstop.study.hyperparameters import Levels
from sysstop.study.keys import PAIR, REPLICATE, RULE
from sysstop.study.rules import RULES, ComparingRule, Rule, TrialRule, effective_signals
from sysstop.study.studies import BASELINE_ARM, order_seed

# More limits than this would add points to a curve, but no detail.
MOST_LIMITS = 200

_NUMBER = {"nullable": True, "coerce": True}
_FRACTION = pa.Column(float, pa.Check.in_range(0, 1), coerce=True)

REPLAY_SCHEMA = pa.DataFrameSchema(
    {
        **described_by(REPLICATE),
        "rule": pa.Column(str, coerce=True),
        "metric": pa.Column(str, coerce=True),
        "limit": pa.Column(float, coerce=True),
        "trials": pa.Column(int, pa.Check.ge(1), coerce=True),
        "trials_stopped": pa.Column(int, pa.Check.ge(0), coerce=True),
        "saved_steps_fraction": _FRACTION,
        "saved_time_fraction": _FRACTION,
        "best_score": pa.Column(float, **_NUMBER),
        "regret": pa.Column(float, **_NUMBER),
        "random_regret": pa.Column(float, **_NUMBER),
        "winner_stopped": pa.Column(bool, coerce=True),
    },
    strict=True,
    unique=[*REPLICATE, "rule", "metric", "limit"],
    ordered=True,
)

REPLAY_SUMMARY_SCHEMA = pa.DataFrameSchema(
    {
        **described_by(PAIR),
        "rule": pa.Column(str, coerce=True),
        "metric": pa.Column(str, coerce=True),
        **{
            f"{point}_{name}": pa.Column(float, **_NUMBER)
            for point in ("free", "knee")
            for name in ("limit", "saved_time_fraction", "saved_steps_fraction", "regret")
        },
        "knee_random_regret": pa.Column(float, **_NUMBER),
        "transfer_saved_time_fraction": pa.Column(float, **_NUMBER),
        "transfer_regret": pa.Column(float, **_NUMBER),
    },
    strict=True,
    unique=[*PAIR, *RULE],
    ordered=True,
)


def replayed_rules(arms: Mapping[str, Mapping[str, Any]]) -> list[Rule]:
    """Return every rule in each form that is replayed; their limits are placeholders.

    `arms` are the config's, from which a rule may take what it needs in addition to a limit.
    """
    entries = [entry for arm in arms.values() for entry in arm_rules(arm)]
    return [
        variant
        for name, rule in RULES.items()
        for variant in rule.variants([entry for entry in entries if entry["rule"] == name])
    ]


def rules_on_one_trial(rules: Sequence[Rule]) -> list[TrialRule]:
    """Return those of the rules whose signal a trial's own windows decide."""
    return [rule for rule in rules if isinstance(rule, TrialRule)]


def pooled_limits(signals: Sequence[np.ndarray]) -> np.ndarray:
    """Return the limits at which a rule behaves differently, in ascending order.

    These are all values that the largest signal of a trial takes over its windows, or `MOST_LIMITS`
    of them, evenly spread by rank. At the largest one nothing is stopped.
    """
    records = [np.maximum.accumulate(of_study, axis=1).ravel() for of_study in signals]
    values = np.unique(np.concatenate(records))
    values = values[np.isfinite(values)]
    if len(values) <= MOST_LIMITS:
        return values
    return values[np.linspace(0, len(values) - 1, MOST_LIMITS).round().astype(int)]


def baseline_workers(summaries: Iterable[Mapping[str, Any]]) -> dict[tuple, int]:
    """Return how many trials ran at once in each baseline study, by the values of `REPLICATE`.

    `summaries` are those of all studies' searches.
    """
    return {
        tuple(summary["study"][name] for name in REPLICATE): summary["workers"]
        for summary in summaries
        if summary["study"]["arm"] == BASELINE_ARM
    }


def replay_table(
    trials: pd.DataFrame,
    windows: pd.DataFrame,
    rules: Sequence[Rule],
    workers: Mapping[tuple, int],
    seed: int,
) -> pd.DataFrame:
    """Return what each rule at each limit saves and loses, study by study (`REPLAY_SCHEMA`).

    Rules that look at one trial are replayed at `pooled_limits` of all repetitions, so that a limit
    means the same in each; those that compare trials are replayed at limits of their own, in a
    search with as many trials at once as the live one had (`workers`, by the values of `REPLICATE`;
    see `baseline_workers`), in the order that the study's `seed` gives.

    `saved_time_fraction` is the share of the baseline's steady training time, `saved_steps_fraction`
    that of its steps. `best_score` is the best of the models left, a stopped one's only if the rule
    leaves it a candidate, as it was when it was stopped; `regret` is how much better the baseline's
    best is. Both are NaN if none is left. `random_regret` is the expected regret of stopping as
    many trials after as many windows, but at random (`random_best`).
    """
    by_pair: dict[tuple, list[tuple[dict, Recording]]] = {}
    for keys, recording in recordings(trials, windows):
        by_pair.setdefault((keys["dataset"], keys["algorithm"]), []).append((keys, recording))
    comparing = [rule for rule in rules if isinstance(rule, ComparingRule)]
    searched = dict(iter(trials[trials["arm"] == BASELINE_ARM].groupby(REPLICATE)["trial_id"]))
    rows = []
    for studies in by_pair.values():
        for rule in rules_on_one_trial(rules):
            signals = [effective_signals(rule, r.curves, r.steps_planned) for _, r in studies]
            limits = pooled_limits(signals)
            for (keys, recording), of_study in zip(studies, signals, strict=True):
                stops = [replay_stops(of_study, recording, limit) for limit in limits]
                rows += _rows(keys, recording, rule, limits, stops)
        for keys, recording in studies:
            study = tuple(keys[name] for name in REPLICATE)
            order = start_order(recording, searched[study], order_seed(seed, **keys))
            at_once = workers[study]
            for rule in comparing:
                stops = virtual_searches(recording, rule, rule.limits, at_once, order)
                rows += _rows(keys, recording, rule, rule.limits, stops)
    table = pd.DataFrame(rows, columns=list(REPLAY_SCHEMA.columns))
    return checked(table, REPLAY_SCHEMA)


def replay_summary(replay: pd.DataFrame) -> pd.DataFrame:
    """Return what matters of each rule's curve (`REPLAY_SUMMARY_SCHEMA`).

    The curve is time saved against regret, both means over the repetitions at the same limit; a
    limit that leaves no model in any repetition is not on it. `free_` is the point of the largest
    saving without regret in any repetition, NaN if there is none that saves. `knee_` is where the
    curve bends: with both axes scaled to 1, the point furthest below the straight line between its
    ends (Satopaa et al. 2011, doi:10.1109/ICDCSW.2011.20), NaN where regret never rises.

    Both are chosen with all trials known. What such a choice is worth elsewhere is `transfer_`:
    the limit that saves most without regret in one repetition, applied to the others (means over
    all choices). NaN with one repetition; the regret is also NaN if a limit left no model
    elsewhere.
    """
    keys = [*PAIR, *RULE]
    means = {name: (name, "mean") for name in ("saved_time_fraction", "saved_steps_fraction")}
    points = replay.groupby([*keys, "limit"], sort=False).agg(
        **means,
        regret=("regret", lambda values: values.mean(skipna=False)),
        largest_regret=("regret", lambda values: values.max(skipna=False)),
        random_regret=("random_regret", "mean"),
    )
    curves = replay.groupby(keys)
    rows = []
    for names, curve in points.dropna(subset="regret").reset_index().groupby(keys, sort=False):
        row = dict(zip(keys, names, strict=True))
        free = curve[(curve["largest_regret"] <= 0) & (curve["saved_time_fraction"] > 0)]
        chosen = {"free": free.nlargest(1, "saved_time_fraction"), "knee": _knee(curve)}
        for name, point in chosen.items():
            for column in ("limit", "saved_time_fraction", "saved_steps_fraction", "regret"):
                row[f"{name}_{column}"] = point[column].iloc[0] if len(point) else np.nan
        knee = chosen["knee"]
        row["knee_random_regret"] = knee["random_regret"].iloc[0] if len(knee) else np.nan
        rows.append(row | _transfer(curves.get_group(names)))
    table = pd.DataFrame(rows, columns=list(REPLAY_SUMMARY_SCHEMA.columns))
    return checked(table, REPLAY_SUMMARY_SCHEMA)


def _knee(curve: pd.DataFrame) -> pd.DataFrame:
    """Return the point of the curve furthest below the line between its ends, if it bends at all."""
    # What a rule can reach: of all points that save at least as much, the one with least regret.
    by_saving = curve.sort_values(["saved_time_fraction", "regret"], ascending=[False, True])
    reached = by_saving[by_saving["regret"] <= by_saving["regret"].cummin()]
    saving, regret = reached["saved_time_fraction"], reached["regret"]
    if np.ptp(saving) == 0 or np.ptp(regret) == 0:
        return curve.iloc[:0]
    below = (saving - saving.min()) / np.ptp(saving) - (regret - regret.min()) / np.ptp(regret)
    return reached.loc[[below.idxmax()]]


def _transfer(curves: pd.DataFrame) -> dict[str, float]:
    """Return what the free limit of each repetition saves and loses in the other ones."""
    saving = curves.pivot(index="limit", columns="repetition", values="saved_time_fraction")
    regret = curves.pivot(index="limit", columns="repetition", values="regret")
    saved, lost = [], []
    for repetition in saving.columns if saving.shape[1] > 1 else []:
        free = saving.loc[regret[repetition] <= 0, repetition]
        others = saving.columns.drop(repetition)
        if free.empty or free.max() == 0:
            saved.append(0.0)
            lost.append(0.0)
            continue
        saved.append(saving.loc[free.idxmax(), others].mean())
        lost.append(regret.loc[free.idxmax(), others].mean(skipna=False))
    return {
        "transfer_saved_time_fraction": np.mean(saved) if saved else np.nan,
        "transfer_regret": np.mean(lost) if lost else np.nan,
    }


def trial_signals(
    trials: pd.DataFrame, windows: pd.DataFrame, rules: Sequence[Rule], levels: Levels
) -> pd.DataFrame:
    """Return the largest signal of every baseline trial under every rule that looks at one trial.

    One row per dataset, algorithm, repetition, rule, metric and trial_id, with `largest_signal` and
    the trial's hyperparameters (`levels`), score and `candidate`. A limit stops a trial if and only if its
    largest signal exceeds it; minus infinity where no limit can.
    """
    parts = []
    for keys, recording in recordings(trials, windows):
        for rule in rules_on_one_trial(rules):
            signals = effective_signals(rule, recording.curves, recording.steps_planned)
            parts.append(
                pd.DataFrame(
                    {
                        **keys,
                        "rule": rule.name,
                        "metric": rule.metric,
                        "trial_id": recording.trial_ids,
                        "largest_signal": signals.max(axis=1),
                    }
                )
            )
    baseline = trials[trials["arm"] == BASELINE_ARM]
    described = [*REPLICATE, "trial_id", *levels, "score", "candidate"]
    return pd.concat(parts).merge(baseline[described], on=[*REPLICATE, "trial_id"])


def _rows(
    keys: Mapping[str, Any],
    recording: Recording,
    rule: Rule,
    limits: Sequence[float],
    stops: Sequence[Stops],
) -> list[dict[str, Any]]:
    """Return a row of the replay table for each limit."""
    winner, trials = recording.winner, len(recording.trial_ids)
    final = recording.final_scores()
    baseline_best = np.nan if winner is None else final[winner]
    steps = recording.after("step", recording.windows).sum()
    thrown_away = random_best(final[~np.isnan(final)], trials)
    rows = []
    for limit, stop in zip(limits, stops, strict=True):
        if rule.stopped_is_candidate:
            random = mean_random_best(recording, stop)
        else:
            random = thrown_away[stop.stopped.sum()]
        best = best_left(recording, stop, rule.stopped_is_candidate)
        rows.append(
            {
                **keys,
                "rule": rule.name,
                "metric": rule.metric,
                "limit": limit,
                "trials": trials,
                "trials_stopped": int(stop.stopped.sum()),
                "saved_steps_fraction": 1
                - recording.after("step", stop.windows_used).sum() / steps,
                "saved_time_fraction": recording.saved_time_fraction(stop.windows_used),
                "best_score": best,
                "regret": baseline_best - best,
                "random_regret": baseline_best - random,
                "winner_stopped": winner is not None and bool(stop.stopped[winner]),
            }
        )
    return rows
