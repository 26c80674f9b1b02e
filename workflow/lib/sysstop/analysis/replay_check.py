"""RQ2: does the replay agree with the live search? Each live arm compared with its replay."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from sysstop.analysis.noise import reading_noise, saving_floor
from sysstop.analysis.recording import TRAIN_TIME, Recording, Stops, recordings
from sysstop.analysis.virtual_search import arm_stops, start_order
from sysstop.results.tables import checked, described_by
from sysstop.study.arms import arm_rules, rule_with_limit
from sysstop.study.keys import PAIR, REPLICATE, STUDY
from sysstop.study.rules import (
    ArmRule,
    MetricLimit,
    TrialRule,
    comparing_part,
    effective_signals,
    rule_from,
)
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM, order_seed

# In how many orders of events, which the noise of time makes, a search is replayed where it differs.
OTHER_ORDERS = 20
# 95 % of two normal readings are within this many standard deviations of one of them.
APART = 1.96 * math.sqrt(2)
WALL = "train_time_s"
_NUMBER = {"nullable": True, "coerce": True}
_COUNT = pa.Column(int, pa.Check.ge(0), coerce=True)

REPLAY_CHECK_SCHEMA = pa.DataFrameSchema(
    {
        **described_by(STUDY),
        "rule": pa.Column(str, coerce=True),
        "metric": pa.Column(str, coerce=True),
        "limit": pa.Column(float, **_NUMBER),
        "reading_noise": pa.Column(float, **_NUMBER),
        "trials": _COUNT,
        "trials_agreeing": _COUNT,
        "trials_near_limit": _COUNT,
        "trials_in_other_order": _COUNT,
        "trials_beyond_noise": _COUNT,
        "live_trials_stopped": _COUNT,
        "replayed_trials_stopped": _COUNT,
        **{
            name: pa.Column(float, **_NUMBER)
            for name in (
                "live_saved_steps_fraction",
                "replayed_saved_steps_fraction",
                "live_saved_time_fraction",
                "replayed_saved_time_fraction",
                "time_difference",
                "noise_floor",
            )
        },
        "within_noise_floor": pa.Column(bool, coerce=True),
        "rule_wait_fraction": pa.Column(float, **_NUMBER),
    },
    strict=True,
    unique=STUDY,
    ordered=True,
)


def searches_by_study(summaries: Iterable[Mapping[str, Any]]) -> dict[tuple, Mapping[str, Any]]:
    """Return the summaries of all studies' searches by the values of `STUDY`."""
    return {tuple(summary["study"][name] for name in STUDY): summary for summary in summaries}


def replay_check_table(
    trials: pd.DataFrame,
    windows: pd.DataFrame,
    arms: Mapping[str, Mapping[str, Any]],
    searches: Mapping[tuple, Mapping[str, Any]],
    seed: int,
) -> pd.DataFrame:
    """Return each live study with a rule and its replay on the baseline (`REPLAY_CHECK_SCHEMA`).

    `arms` are the config's. The rule is the live one, at the limit that the live search was given
    (the column `limit` of `trials`). A trial agrees if the live search and the replay stopped it
    after the same window, or neither stopped it. One that does not is near the limit
    (`trials_near_limit`) if, in the baseline's reading of the window where the two diverge, the
    rule's signal is within its own noise of the limit: as close to it as two readings of the signal
    after one window differ (`reading_noise`, see `noise.reading_noise`; of all arms of the pair).

    A rule that compares trials is replayed in virtual time, with as many trials at once as the live
    search had, in the order that the study's `seed` gives. What it says of a trial depends on who came
    first. So a trial that does not agree counts in `trials_in_other_order` if it ends as it did live in
    one of `OTHER_ORDERS` more replays, in which the trials' times differ from those recorded as two
    readings do. It has no `reading_noise`, and
    `rule_wait_fraction` is how long trials waited for verdicts, as a share of the time in which they
    trained and were evaluated; NaN for a search that was resumed, and for other rules.

    An arm of several rules is replayed with all of them. A trial that does not agree is near the limit
    of any, or else in another order; one that was compared with such a trial may count as beyond noise.
    `reading_noise` is the largest of them; `metric` is empty and `limit` NaN.

    `searches` are the summaries of the live searches (see `searches_by_study`), which say how many
    trials ran at once and what the limits of several rules became.

    All other trials that do not agree count in `trials_beyond_noise`.

    Savings are of the baseline's steps and steady training time over the trials of both.
    `time_difference` is the live saving of time minus the replayed one, `noise_floor` that of the
    pair's savings (see `noise.saving_floor`); where it is not known, no difference is within it.
    """
    floors = saving_floor(trials, TRAIN_TIME)
    searched = dict(iter(trials.groupby(STUDY)["trial_id"]))
    trials = trials[trials["status"] != Status.FAILED]
    windows_of = dict(iter(windows.groupby(PAIR)))
    rows = []
    for pair, of_pair in trials.groupby(PAIR):
        recorded = {
            arm: {
                tuple(keys[name] for name in REPLICATE): recording
                for keys, recording in recordings(
                    of_pair, windows_of.get(pair, windows.iloc[:0]), arm
                )
            }
            for arm in of_pair["arm"].unique()
        }
        baselines = recorded.pop(BASELINE_ARM, {})
        repeated = [
            (baselines[keys], again)
            for studies in recorded.values()
            for keys, again in studies.items()
            if keys in baselines
        ]
        live_of = dict(iter(of_pair.groupby(STUDY)))
        for keys, recording in baselines.items():
            replicate = dict(zip(REPLICATE, keys, strict=True))
            for arm, entry in arms.items():
                study = replicate | {"arm": arm}
                names = tuple(study[name] for name in STUDY)
                live = live_of.get(names)
                if live is None or not arm_rules(entry):
                    continue
                search = searches[names]
                rule = _live_rule(entry, live["limit"].iloc[0], search)
                live = live.set_index("trial_id").reindex(recording.trial_ids)
                order = start_order(recording, searched[names], order_seed(seed, **replicate))
                row = _compared_with_replay(
                    recording, live, rule, search["workers"], order, repeated
                )
                row["rule_wait_fraction"] = np.nan
                if comparing_part(rule):
                    row["rule_wait_fraction"] = _rule_wait_fraction(search, live)
                floor = floors.get(pair, np.nan)
                row["noise_floor"] = floor
                row["within_noise_floor"] = abs(row["time_difference"]) <= floor
                rows.append(
                    {
                        **study,
                        "rule": rule.name,
                        "metric": rule.metric,
                        "limit": rule.limit,
                        **row,
                    }
                )
    return checked(
        pd.DataFrame(rows, columns=list(REPLAY_CHECK_SCHEMA.columns)), REPLAY_CHECK_SCHEMA
    )


def _live_rule(entry: Mapping[str, Any], limit: float, search: Mapping[str, Any]) -> ArmRule:
    """Return the rule that a live search had, by the arm's entry in the config."""
    rules = arm_rules(entry)
    return rule_with_limit(rules[0], limit) if len(rules) == 1 else rule_from(search["rule"])


def _compared_with_replay(
    recording: Recording,
    live: pd.DataFrame,
    rule: ArmRule,
    workers: int,
    order: Sequence[int],
    repeated: Sequence[tuple[Recording, Recording]],
) -> dict[str, float]:
    """Return how a live search compares with its replay; `repeated` are studies that ran twice."""
    stops = arm_stops(recording, rule, workers, order)
    alone = [part for part in rule.parts if isinstance(part, TrialRule)]
    noises = [reading_noise(part, repeated) for part in alone]
    near = np.zeros(len(live), dtype=bool)
    for part, noise in zip(alone, noises, strict=True):
        near |= _near_limit(part, recording, stops, live, noise)
    in_other_order = np.zeros_like(near)
    if comparing_part(rule) and not (near | _ended_alike(recording, live, stops)).all():
        in_other_order = _ended_alike_in_other_orders(
            recording, live, rule, workers, order, repeated
        )
    chance = {"trials_near_limit": near, "trials_in_other_order": in_other_order & ~near}
    row = _compared(recording, live, stops, chance)
    known = [noise for noise in noises if not np.isnan(noise)]
    return row | {"reading_noise": max(known, default=np.nan)}


def _ended_alike_in_other_orders(
    recording: Recording,
    live: pd.DataFrame,
    rule: ArmRule,
    workers: int,
    order: Sequence[int],
    repeated: Sequence[tuple[Recording, Recording]],
) -> np.ndarray:
    """Return which trials end as they did live in one of the orders that the noise of time makes."""
    possible = np.zeros(len(live), dtype=bool)
    rng = np.random.default_rng(order)
    noises = (reading_noise(MetricLimit(name, np.inf), repeated) for name in (WALL, TRAIN_TIME))
    wall, steady = (np.log1p(np.nan_to_num(noise)) / APART for noise in noises)
    for _ in range(OTHER_ORDERS):
        pace, cost = np.exp(rng.normal(0, [[wall], [steady]], (2, len(possible))))
        curves = {**recording.curves, TRAIN_TIME: cost[:, None] * recording.curves[TRAIN_TIME]}
        noisy = dataclasses.replace(recording, curves=curves)
        possible |= _ended_alike(recording, live, arm_stops(noisy, rule, workers, order, pace))
    return possible


def _rule_wait_fraction(search: Mapping[str, Any], live: pd.DataFrame) -> float:
    if search.get("resumed_trials"):
        return np.nan
    worked_s = live[[WALL, "eval_time_s"]].sum().sum()
    return search.get("rule_wait_s", np.nan) / worked_s


def _ended_alike(recording: Recording, live: pd.DataFrame, stops: Stops) -> np.ndarray:
    """Return which live trials were stopped after the same window as in the replay, or not either."""
    live_stopped = (live["status"] == Status.STOPPED).to_numpy()
    same_steps = live["steps_used"].to_numpy() == recording.after("step", stops.windows_used)
    return (live_stopped == stops.stopped) & same_steps


def _compared(
    recording: Recording, live: pd.DataFrame, stops: Stops, chance: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Return how live trials compare with replayed ones, without those that only one side has.

    `chance` says by the name of a count which trials chance may have decided otherwise.
    """
    both = live["status"].notna().to_numpy()
    live_steps = live["steps_used"].to_numpy()
    live_stopped = (live["status"] == Status.STOPPED).to_numpy()
    replayed_steps = recording.after("step", stops.windows_used)
    steps = recording.after("step", recording.windows)
    time_s = recording.after(TRAIN_TIME, recording.windows)
    agree = _ended_alike(recording, live, stops)
    differing = both & ~agree
    by_chance = {name: int((differing & possible).sum()) for name, possible in chance.items()}
    saved = {
        "live_saved_steps_fraction": _saved(live_steps[both], steps[both]),
        "replayed_saved_steps_fraction": _saved(replayed_steps[both], steps[both]),
        "live_saved_time_fraction": _saved(live[TRAIN_TIME].to_numpy()[both], time_s[both]),
        "replayed_saved_time_fraction": _saved(
            recording.after(TRAIN_TIME, stops.windows_used)[both], time_s[both]
        ),
    }
    return {
        "trials": int(both.sum()),
        "trials_agreeing": int((both & agree).sum()),
        **by_chance,
        "trials_beyond_noise": int(differing.sum()) - sum(by_chance.values()),
        "live_trials_stopped": int((both & live_stopped).sum()),
        "replayed_trials_stopped": int((both & stops.stopped).sum()),
        **saved,
        "time_difference": saved["live_saved_time_fraction"]
        - saved["replayed_saved_time_fraction"],
    }


def _near_limit(
    rule: TrialRule,
    recording: Recording,
    stops: Stops,
    live: pd.DataFrame,
    noise: float,
) -> np.ndarray:
    """Return for each trial whether a rule's signal is near its limit where live and replay diverge.

    They diverge at the earlier of the two stops.
    """
    signals = effective_signals(rule, recording.curves, recording.steps_planned)
    step = recording.curves["step"]
    live_window = (step < live["steps_used"].to_numpy()[:, None]).sum(axis=1)
    window = np.minimum(np.minimum(live_window, stops.windows_used - 1), recording.windows - 1)
    signal = np.take_along_axis(signals, window[:, None], axis=1)[:, 0]
    return np.abs(signal / rule.limit - 1) <= noise


def _saved(used: np.ndarray, of_baseline: np.ndarray) -> float:
    return float(1 - used.sum() / of_baseline.sum())
