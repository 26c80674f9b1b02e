"""RQ2: what any rule at any limit would have saved and lost, from the baseline's windows alone.

The baseline trains every trial to the end, so its windows tell what a rule would have seen. A trial
that the rule stops after a window has used what that window records, and its model is worth what
that window measured. Savings of a replay are free of the machine's drift, since both sides of the
comparison come from one measurement.
"""

import heapq
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from sysstop.results.tables import checked, described_by
from sysstop.study.comparing_rules import COMPARING_RULES, ComparingRule
from sysstop.study.keys import PAIR, REPLICATE, RULE
from sysstop.study.metrics import metric_names
from sysstop.study.rules import MetricLimit, Plateau, PredictedTrainTime, Rule, heeded_signals
from sysstop.study.studies import BASELINE_ARM, order_seed, search_order

# More limits than this would add points to a curve, but no shape.
MOST_LIMITS = 200
# Random stopping of models that stay candidates is drawn this often.
RANDOM_DRAWS = 200
FEWEST_DRAWS = 20
RANDOM_SEED = 0

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


@dataclass(frozen=True)
class Recording:
    """The baseline trials of one data set, algorithm and repetition, in the order of their ids.

    `courses` has each metric and `step` as an array of trials x windows, NaN where a trial had
    ended; `windows` counts the windows of each trial. `completed` is false for diverged trials.
    Failed trials are left out.
    """

    trial_ids: np.ndarray
    steps_planned: np.ndarray
    completed: np.ndarray
    windows: np.ndarray
    courses: Mapping[str, np.ndarray]

    def after(self, metric: str, windows_used: np.ndarray) -> np.ndarray:
        """Return a metric of each trial at the end of its last used window (counted from 1)."""
        return np.take_along_axis(self.courses[metric], windows_used[:, None] - 1, axis=1)[:, 0]

    @property
    def winner(self) -> int | None:
        """The place of the baseline's best trial; of equal scores the first. None if all diverged."""
        scores = self.final_scores()
        return None if np.isnan(scores).all() else int(np.nanargmax(scores))

    def final_scores(self) -> np.ndarray:
        """Return the score of each trial with its whole budget, NaN where it diverged."""
        scores = np.where(self.completed, self.after("score", self.windows), np.nan)
        return np.where(np.isfinite(scores), scores, np.nan)


@dataclass(frozen=True)
class Stops:
    """What a rule does to the trials of a recording: windows used by each, and which it stopped."""

    windows_used: np.ndarray
    stopped: np.ndarray


def recordings(
    trials: pd.DataFrame, windows: pd.DataFrame
) -> Iterator[tuple[dict[str, Any], Recording]]:
    """Yield the keys (`REPLICATE`) and the recording of each baseline study that has trials left.

    `trials` and `windows` fit `trials_schema` and `windows_schema`.
    """
    baseline = trials[(trials["arm"] == BASELINE_ARM) & (trials["status"] != "failed")]
    windows = windows[windows["arm"] == BASELINE_ARM]
    courses_of = dict(iter(windows.groupby(REPLICATE)))
    for keys, of_study in baseline.groupby(REPLICATE):
        of_study = of_study[of_study["steps_used"] > 0].sort_values("trial_id")
        if of_study.empty:
            continue
        course = courses_of[keys]
        trial_ids = of_study["trial_id"].to_numpy(str)
        course = course[course["trial_id"].isin(trial_ids)]
        row = np.searchsorted(trial_ids, course["trial_id"].to_numpy(str))
        column = course["window"].to_numpy() - 1
        shape = (len(trial_ids), column.max() + 1)
        courses = {}
        for name in ["step", *metric_names()]:
            courses[name] = np.full(shape, np.nan)
            courses[name][row, column] = course[name]
        yield (
            dict(zip(REPLICATE, keys, strict=True)),
            Recording(
                trial_ids,
                of_study["steps_planned"].to_numpy(),
                (of_study["status"] == "completed").to_numpy(),
                np.bincount(row, minlength=len(trial_ids)),
                courses,
            ),
        )


def replayed_rules(arms: Mapping[str, Mapping[str, Any]]) -> list[Rule]:
    """Return every rule that looks at one trial, on every system metric; their limits say nothing.

    The least improvement of the plateau rule is that of the first arm in `arms` (the config's) that
    has one.
    """
    plateaus = [arm for arm in arms.values() if arm["rule"] == Plateau.name]
    least = plateaus[0].get("min_improvement", 0.0) if plateaus else 0.0
    return [
        *(MetricLimit(metric, limit=np.inf) for metric in metric_names("system")),
        PredictedTrainTime(limit=np.inf),
        Plateau(patience=0, min_improvement=least),
    ]


def replay_stops(signals: np.ndarray, recording: Recording, limit: float) -> Stops:
    """Return where a limit stops the trials; `signals` are the heeded ones (trials x windows)."""
    fires = signals > limit
    stopped = fires.any(axis=1)
    return Stops(np.where(stopped, fires.argmax(axis=1) + 1, recording.windows), stopped)


def virtual_searches(
    recording: Recording,
    rule: ComparingRule,
    limits: Sequence[float],
    workers: int,
    order: Sequence[int],
) -> list[Stops]:
    """Search the recorded trials again at each limit of a rule that compares them, in virtual time.

    `workers` trials run at once and start in `order` (places in the recording). Each window takes
    the wall time that was recorded, and the rule sees what others have shown until then.
    """
    # Single numbers of lists are read faster than those of arrays.
    own, shown = (
        np.where(np.isnan(values), np.inf, values).tolist()
        for values in (rule.own_values(recording.courses), rule.shown_values(recording.courses))
    )
    ends_s = recording.courses["wall_time_s"].tolist()
    last = (recording.windows - 1).tolist()
    windows = range(max(last) + 1)
    # The first window from each on after which the rule is asked.
    asked_from = [next(filter(rule.asks_after, windows[first:]), max(last)) for first in windows]

    def next_event(trial: int, began_s: float, first: int) -> tuple[float, int, float, int]:
        """When a trial is next asked about or ends, which trial, when it began, which window."""
        window = min(last[trial], asked_from[first])
        return began_s + ends_s[trial][window], trial, began_s, window

    def search(limit: float) -> Stops:
        shown_at: list[list[float]] = [[] for _ in windows]
        finished: list[float] = []
        windows_used, stopped = recording.windows.copy(), np.zeros(len(last), dtype=bool)
        waiting = iter(order)
        running = [next_event(trial, 0.0, 0) for trial in islice(waiting, workers)]
        heapq.heapify(running)
        while running:
            now_s, trial, began_s, window = running[0]
            signal = rule.signal(own[trial][window], window, shown_at[window], finished)
            if rule.compares_windows:
                insort(shown_at[window], shown[trial][window])
            if window < last[trial] and signal <= limit:
                heapq.heapreplace(running, next_event(trial, began_s, window + 1))
                continue
            if window < last[trial]:
                windows_used[trial], stopped[trial] = window + 1, True
            elif recording.completed[trial]:
                insort(finished, shown[trial][window])
            following = next(waiting, None)
            if following is None:
                heapq.heappop(running)
            else:
                heapq.heapreplace(running, next_event(following, now_s, 0))
        return Stops(windows_used, stopped)

    return [search(limit) for limit in limits]


def pooled_limits(signals: Sequence[np.ndarray]) -> np.ndarray:
    """Return the limits that tell apart what a rule can do, in ascending order.

    These are all values that the largest signal of a trial takes in the course of its windows, or
    `MOST_LIMITS` of them, evenly spread by rank. At the largest one nothing is stopped.
    """
    records = [np.maximum.accumulate(of_study, axis=1).ravel() for of_study in signals]
    values = np.unique(np.concatenate(records))
    values = values[np.isfinite(values)]
    if len(values) <= MOST_LIMITS:
        return values
    return values[np.linspace(0, len(values) - 1, MOST_LIMITS).round().astype(int)]


def baseline_workers(summaries: Iterable[Mapping[str, Any]]) -> dict[tuple, int]:
    """Return how many trials ran at once in each baseline study, by the values of `REPLICATE`.

    `summaries` are those of the studies' searches, in which other arms count not.
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

    `rules` look at one trial and are replayed at `pooled_limits` of all repetitions, so that a
    limit means the same in each; `COMPARING_RULES` at limits of their own, in a search with as many
    trials at once as the live one had (`workers`, by the values of `REPLICATE`; see
    `baseline_workers`), in the order that the study's `seed` gives.

    `saved_time_fraction` is the share of the baseline's training time, `saved_steps_fraction` that
    of its steps. `best_score` is the best of the models left, a stopped one's only if the rule
    leaves it a candidate, as it was when it was stopped; `regret` is what the baseline's best is
    better by. Both are NaN if none is left. `random_regret` is the expected regret of stopping as
    many trials after as many windows, but at random (`random_best`).
    """
    by_pair: dict[tuple, list[tuple[dict, Recording]]] = {}
    for keys, recording in recordings(trials, windows):
        by_pair.setdefault((keys["dataset"], keys["algorithm"]), []).append((keys, recording))
    rows = []
    for studies in by_pair.values():
        for rule in rules:
            signals = [heeded_signals(rule, r.courses, r.steps_planned) for _, r in studies]
            limits = pooled_limits(signals)
            for (keys, recording), of_study in zip(studies, signals, strict=True):
                stops = [replay_stops(of_study, recording, limit) for limit in limits]
                rows += _rows(keys, recording, rule, limits, stops)
        for keys, recording in studies:
            ids = list(recording.trial_ids)
            order = [ids.index(name) for name in search_order(ids, order_seed(seed, **keys))]
            at_once = workers[tuple(keys[name] for name in REPLICATE)]
            for rule in COMPARING_RULES:
                stops = virtual_searches(recording, rule, rule.limits, at_once, order)
                rows += _rows(keys, recording, rule, rule.limits, stops)
    table = pd.DataFrame(rows, columns=list(REPLAY_SCHEMA.columns))
    return checked(table, REPLAY_SCHEMA)


def replay_summary(replay: pd.DataFrame) -> pd.DataFrame:
    """Return what matters of each rule's curve (`REPLAY_SUMMARY_SCHEMA`).

    The curve is saving of time against regret, both means over the repetitions at the same limit; a
    limit that leaves no model in any repetition is not on it. `free_` is the point of the largest
    saving without regret in any repetition, NaN if there is none that saves. `knee_` is where the
    curve bends: with both axes scaled to 1, the point furthest below the straight line between its
    ends (Satopaa et al. 2011, doi:10.1109/ICDCSW.2011.20), NaN where regret never rises.

    Both are chosen with all trials known. What such a choice is worth afterwards is `transfer_`: the
    limit that saves most without regret in one repetition, applied to the others (means over all
    choices). NaN with one repetition, its regret also if a limit left no model elsewhere.
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
    trials: pd.DataFrame, windows: pd.DataFrame, rules: Sequence[Rule]
) -> pd.DataFrame:
    """Return the largest signal of every baseline trial under every rule.

    One row per dataset, algorithm, repetition, rule, metric and trial_id, with `largest_signal` and
    the trial's hyperparameters, score and `candidate`. A limit stops a trial if and only if its
    largest signal exceeds it; minus infinity where no limit can.
    """
    parts = []
    for keys, recording in recordings(trials, windows):
        for rule in rules:
            signals = heeded_signals(rule, recording.courses, recording.steps_planned)
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
    described = [
        *REPLICATE,
        "trial_id",
        "batch_size",
        "learning_rate",
        "alpha",
        "score",
        "candidate",
    ]
    return pd.concat(parts).merge(baseline[described], on=[*REPLICATE, "trial_id"])


def random_best(scores: np.ndarray, trials: int) -> np.ndarray:
    """Return the expected best score left if 0, 1, ... `trials` random trials are thrown away.

    `scores` are those of the candidates among them; given that one is left at all, NaN if none can
    be. The best one left is the r-th if it is kept and the r - 1 better ones are not.
    """
    thrown = np.arange(trials + 1)
    better_thrown, expected = np.ones(trials + 1), np.zeros(trials + 1)
    for rank, score in enumerate(np.sort(scores)[::-1]):
        others = trials - rank
        expected += better_thrown * (trials - thrown) / others * score
        better_thrown *= np.maximum(thrown - rank, 0) / others
    some_left = 1 - better_thrown
    possible = some_left > 1e-12
    return np.where(possible, expected / np.where(possible, some_left, 1), np.nan)


def _rows(
    keys: Mapping[str, Any],
    recording: Recording,
    rule: Rule | ComparingRule,
    limits: Sequence[float],
    stops: Sequence[Stops],
) -> list[dict[str, Any]]:
    """Return a row of the replay table for each limit."""
    winner, trials = recording.winner, len(recording.trial_ids)
    final = recording.final_scores()
    baseline_best = np.nan if winner is None else final[winner]
    steps = recording.after("step", recording.windows).sum()
    time_s = recording.after("train_time_s", recording.windows).sum()
    thrown_away = random_best(final[~np.isnan(final)], trials)
    rows = []
    for limit, stop in zip(limits, stops, strict=True):
        if rule.stopped_is_candidate:
            random = _mean_random_best(recording, stop)
        else:
            random = thrown_away[stop.stopped.sum()]
        best = _best_left(recording, stop, rule.stopped_is_candidate)
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
                "saved_time_fraction": _no_less_than_nothing(
                    1 - recording.after("train_time_s", stop.windows_used).sum() / time_s
                ),
                "best_score": best,
                "regret": baseline_best - best,
                "random_regret": baseline_best - random,
                "winner_stopped": winner is not None and bool(stop.stopped[winner]),
            }
        )
    return rows


def _no_less_than_nothing(fraction: float) -> float:
    """Return a saving without the rounding error that takes one of nothing below 0."""
    return max(0.0, fraction)


def _best_left(recording: Recording, stops: Stops, stopped_is_candidate: bool) -> float:
    scores = recording.after("score", stops.windows_used)
    candidates = np.where(stops.stopped, stopped_is_candidate, recording.completed)
    scores = scores[candidates & np.isfinite(scores)]
    return scores.max() if len(scores) else np.nan


def _mean_random_best(recording: Recording, stops: Stops) -> float:
    """Return the mean best score if random trials are stopped after these windows and stay.

    Of many trials fewer draws are enough, since their means differ less.
    """
    if not stops.stopped.any():
        return _best_left(recording, stops, True)
    rng = np.random.default_rng(RANDOM_SEED)
    left = np.where(stops.stopped, stops.windows_used, np.iinfo(int).max)
    best = []
    trials = len(left)
    for _ in range(min(RANDOM_DRAWS, max(FEWEST_DRAWS, RANDOM_DRAWS * 1000 // trials))):
        drawn = rng.permutation(left)
        stopped = drawn < recording.windows
        drawn_stops = Stops(np.minimum(drawn, recording.windows), stopped)
        best.append(_best_left(recording, drawn_stops, True))
    return float(np.nanmean(best)) if np.isfinite(best).any() else np.nan
