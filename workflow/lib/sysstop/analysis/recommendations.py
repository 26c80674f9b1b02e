"""For an application: the best configuration within its limits, and the cheapest way to find it.

`constraints` of the config are the application's limits on system metrics. A configuration keeps
them if its readings do in every repetition of the baseline.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pa

from sysstop.analysis.recording import Recording, recordings, replay_stops
from sysstop.analysis.replay import pooled_limits, rules_on_one_trial
from sysstop.results.tables import checked, described_by, hyperparameter_columns, in_grid_order
from sysstop.study.hyperparameters import Levels
from sysstop.study.keys import PAIR
from sysstop.study.metrics import METRIC_BY_NAME, metric_names
from sysstop.study.rules import Constraints, Rule, effective_signals
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM

_NUMBER = {"nullable": True, "coerce": True}


def pareto_schema(levels: Levels) -> pa.DataFrameSchema:
    """Return the schema of `pareto_table`."""
    return pa.DataFrameSchema(
        {
            **described_by(PAIR),
            "metric": pa.Column(str, pa.Check.isin(metric_names("system")), coerce=True),
            "trial_id": pa.Column(str, coerce=True),
            **hyperparameter_columns(levels),
            "value": pa.Column(float, **_NUMBER),
            "score": pa.Column(float, coerce=True),
            "on_front": pa.Column(bool, coerce=True),
            "within_constraints": pa.Column(bool, coerce=True),
        },
        strict=True,
        unique=[*PAIR, "metric", "trial_id"],
        ordered=True,
    )


def recommendations_schema(levels: Levels) -> pa.DataFrameSchema:
    """Return the schema of `recommendation_table`."""
    return pa.DataFrameSchema(
        {
            **described_by(PAIR),
            "configurations": pa.Column(int, pa.Check.ge(0), coerce=True),
            "configurations_within": pa.Column(int, pa.Check.ge(0), coerce=True),
            "trial_id": pa.Column(str, coerce=True),
            **{
                name: pa.Column(float if texts is None else str, **_NUMBER)
                for name, texts in levels.items()
            },
            "score": pa.Column(float, **_NUMBER),
            **{name: pa.Column(float, **_NUMBER) for name in metric_names("system")},
            "unconstrained_score": pa.Column(float, **_NUMBER),
            "rule": pa.Column(str, coerce=True),
            "metric": pa.Column(str, coerce=True),
            "limit": pa.Column(float, **_NUMBER),
            "saved_time_fraction": pa.Column(float, **_NUMBER),
            "constraints_saved_time_fraction": pa.Column(float, **_NUMBER),
            "constraints_stop_best": pa.Column(bool, coerce=True),
        },
        strict=True,
        unique=PAIR,
        ordered=True,
    )


def configuration_table(
    trials: pd.DataFrame, constraints: Mapping[str, float], levels: Levels
) -> pd.DataFrame:
    """Return each configuration that completed in every repetition of the baseline.

    One row per dataset, algorithm and configuration, in the order of the grid: the medians of the system metrics, the mean
    `score`, `trial_id`, and `within_constraints`, whether every repetition keeps all `constraints`
    (largest value by metric).
    """
    baseline = trials[trials["arm"] == BASELINE_ARM]
    repetitions = baseline.groupby(PAIR)["repetition"].nunique().rename("repetitions")
    completed = baseline[(baseline["status"] == Status.COMPLETED) & np.isfinite(baseline["score"])]
    keeps = pd.Series(True, index=completed.index)
    for metric, limit in constraints.items():
        keeps &= completed[metric] <= limit
    by_configuration = completed.assign(within_constraints=keeps).groupby([*PAIR, "trial_id"])
    table = by_configuration[metric_names("system")].median()
    table["score"] = by_configuration["score"].mean()
    table["within_constraints"] = by_configuration["within_constraints"].all()
    table["completed"] = by_configuration.size()
    table = table.join(by_configuration[list(levels)].first()).reset_index()
    table = table.join(repetitions, on=PAIR)
    ranks = in_grid_order(table, levels).sort_values([*PAIR, *levels])
    table = table.loc[ranks.index]
    in_all = table["completed"] == table["repetitions"]
    return table[in_all].drop(columns=["completed", "repetitions"]).reset_index(drop=True)


def pareto_table(configurations: pd.DataFrame, levels: Levels) -> pd.DataFrame:
    """Return every configuration against every system metric, and which of them none beats.

    `configurations` is a `configuration_table`. `on_front` says that no other configuration of the
    data set and algorithm has at least its score for a better value, or more score for the same.
    """
    parts = []
    for _, of_pair in configurations.groupby(PAIR):
        for metric in metric_names("system"):
            falling = METRIC_BY_NAME[metric].direction == "down"
            ranked = of_pair.sort_values([metric, "score"], ascending=[falling, False])
            best_before = ranked["score"].cummax().shift(fill_value=-np.inf)
            on_front = (ranked["score"] > best_before) & ranked[metric].notna()
            columns = [*PAIR, "trial_id", *levels, "score", "within_constraints"]
            part = ranked[columns].assign(metric=metric, value=ranked[metric], on_front=on_front)
            parts.append(part.sort_index())  # of equal scores, the first of the grid is the best
    schema = pareto_schema(levels)
    columns = list(schema.columns)
    table = pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)
    return checked(table, schema)


def recommendation_table(
    trials: pd.DataFrame,
    windows: pd.DataFrame,
    rules: Sequence[Rule],
    constraints: Mapping[str, float],
    levels: Levels,
) -> pd.DataFrame:
    """Return for each pair the best configuration within the constraints (`recommendations_schema`).

    The best has the highest mean score; of equal scores it is the first by `trial_id`, as it is for
    the best trial of a study. Without any configuration within the constraints its columns are NaN,
    and its `trial_id` is empty. `unconstrained_score` is the best score of all configurations.
    `rule`, `metric` and `limit` name the one of `rules` on one trial, at any limit, that stops most
    and still trains the best configuration to the end in every repetition, and
    `saved_time_fraction` what it saves of the baseline's steady training time (mean over
    repetitions). That rule is known only after the full search, so it is a bound on what can be
    saved. `constraints_saved_time_fraction` is what stopping on the constraints themselves saves,
    which needs no prior knowledge (NaN if there are none), and `constraints_stop_best` says whether
    that stops the best configuration in any repetition, because a single window exceeded what the
    whole trial keeps.
    """
    configurations = configuration_table(trials, constraints, levels)
    studies: dict[tuple, list[Recording]] = {}
    for keys, recording in recordings(trials, windows):
        studies.setdefault(tuple(keys[name] for name in PAIR), []).append(recording)
    rule, rows = Constraints(dict(constraints)), []
    for pair, of_pair in studies.items():
        mine = configurations[(configurations[PAIR] == list(pair)).all(axis=1)]
        within = mine[mine["within_constraints"]]
        row = {
            **dict(zip(PAIR, pair, strict=True)),
            "configurations": len(of_pair[0].trial_ids),
            "configurations_within": len(within),
            "trial_id": "",
            "unconstrained_score": mine["score"].max(),
            "rule": "",
            "metric": "",
            "constraints_stop_best": False,
        }
        ranked = within.sort_values(["score", "trial_id"], ascending=[False, True])
        best = ranked.iloc[0] if len(ranked) else None
        if constraints:
            multiples = [effective_signals(rule, s.curves, s.steps_planned) for s in of_pair]
            saved = _mean_saving(of_pair, multiples, rule.limit)
            row["constraints_saved_time_fraction"] = saved
            row["constraints_stop_best"] = best is not None and any(
                (of_study[_place(study, best["trial_id"])] > rule.limit).any()
                for study, of_study in zip(of_pair, multiples, strict=True)
            )
        if best is not None:
            row |= best[["trial_id", *levels, "score", *metric_names("system")]].to_dict()
            row |= _cheapest_rule(of_pair, best["trial_id"], rules)
        rows.append(row)
    schema = recommendations_schema(levels)
    return checked(pd.DataFrame(rows, columns=list(schema.columns)), schema)


def _cheapest_rule(studies: Sequence[Recording], trial_id: str, rules: Sequence[Rule]) -> dict:
    """Return the rule, metric and limit that save most without stopping the trial, and the saving."""
    cheapest = {"rule": "", "metric": "", "limit": np.nan, "saved_time_fraction": 0.0}
    places = [_place(study, trial_id) for study in studies]
    for rule in rules_on_one_trial(rules):
        signals = [effective_signals(rule, s.curves, s.steps_planned) for s in studies]
        # The least limit that does not stop the trial in any repetition stops most of the others.
        least = max(s[place].max() for s, place in zip(signals, places, strict=True))
        limits = pooled_limits(signals)
        limits = limits[limits >= least]
        if not len(limits):
            continue
        saved = _mean_saving(studies, signals, limits[0])
        if saved > cheapest["saved_time_fraction"]:
            cheapest = {
                "rule": rule.name,
                "metric": rule.metric,
                "limit": limits[0],
                "saved_time_fraction": saved,
            }
    return cheapest


def _place(study: Recording, trial_id: str) -> int:
    return list(study.trial_ids).index(trial_id)


def _mean_saving(
    studies: Sequence[Recording], signals: Sequence[np.ndarray], limit: float
) -> float:
    saved = []
    for study, of_study in zip(studies, signals, strict=True):
        stops = replay_stops(of_study, study, limit)
        saved.append(study.saved_time_fraction(stops.windows_used))
    return float(np.mean(saved))
