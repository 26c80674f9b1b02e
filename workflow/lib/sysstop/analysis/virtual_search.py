"""Search recorded trials again under a rule that compares them, in virtual time."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from sysstop.analysis.recording import TRAIN_TIME, Recording, Stops, replay_stops
from sysstop.study.rules import (
    ArmRule,
    ComparingRule,
    Scoreboard,
    TrialRule,
    compared_values,
    comparing_part,
    effective_signals,
)
from sysstop.study.studies import search_order


def start_order(recording: Recording, trial_ids: Iterable[str], order_seed: int) -> list[int]:
    """Return in which order a search of `trial_ids` starts those recorded, as their places."""
    places = {name: place for place, name in enumerate(recording.trial_ids)}
    return [places[name] for name in search_order(trial_ids, order_seed) if name in places]


def virtual_searches(
    recording: Recording,
    rule: ComparingRule,
    limits: Sequence[float],
    workers: int,
    order: Sequence[int],
    pace: np.ndarray | float = 1.0,
) -> list[Stops]:
    """Search the recorded trials again at each limit of a rule that compares them, in virtual time.

    `workers` trials run at once and start in `order` (places in the recording). Each window takes
    its steady training time and its evaluation time as recorded, so that who finishes first does
    not depend on what else slowed the machine; `pace` (trials) multiplies what each trial takes. The
    rule sees what others have shown so far.
    """
    # Single numbers are read faster from lists than from arrays.
    own, shown = (values.tolist() for values in compared_values(rule, recording.curves))
    took_s = recording.curves[TRAIN_TIME] + recording.curves["eval_time_s"]
    ends_s = (np.reshape(pace, (-1, 1)) * took_s).tolist()
    last = (recording.windows - 1).tolist()
    windows = range(max(last) + 1)
    # For each window, the first one from there on after which the rule is asked.
    asked_from = [next(filter(rule.asks_after, windows[first:]), max(last)) for first in windows]

    def next_event(trial: int, began_s: float, first: int) -> tuple[float, int, float, int]:
        """When a trial is next asked about or ends, which trial, when it began, which window."""
        window = min(last[trial], asked_from[first])
        return began_s + ends_s[trial][window], trial, began_s, window

    def search(limit: float) -> Stops:
        scoreboard = Scoreboard(rule)
        windows_used, stopped = recording.windows.copy(), np.zeros(len(last), dtype=bool)
        waiting = iter(order)
        running = [next_event(trial, 0.0, 0) for trial in islice(waiting, workers)]
        heapq.heapify(running)
        while running:
            now_s, trial, began_s, window = running[0]
            signal = scoreboard.signal(own[trial][window], shown[trial][window], window)
            if window < last[trial] and not signal > limit:
                heapq.heapreplace(running, next_event(trial, began_s, window + 1))
                continue
            if window < last[trial]:
                windows_used[trial], stopped[trial] = window + 1, True
            elif recording.completed[trial]:
                scoreboard.finish(shown[trial][window])
            following = next(waiting, None)
            if following is None:
                heapq.heappop(running)
            else:
                heapq.heapreplace(running, next_event(following, now_s, 0))
        return Stops(windows_used, stopped)

    return [search(limit) for limit in limits]


def stops_alone(recording: Recording, rule: ArmRule) -> Stops:
    """Return where the parts of a rule that look at one trial stop those recorded."""
    windows_used = recording.windows.copy()
    stopped = np.zeros(len(windows_used), dtype=bool)
    for part in rule.parts:
        if isinstance(part, TrialRule):
            signals = effective_signals(part, recording.curves, recording.steps_planned)
            stops = replay_stops(signals, recording, part.limit)
            windows_used = np.minimum(windows_used, stops.windows_used)
            stopped |= stops.stopped
    return Stops(windows_used, stopped)


def arm_stops(
    recording: Recording,
    rule: ArmRule,
    workers: int,
    order: Sequence[int],
    pace: np.ndarray | float = 1.0,
) -> Stops:
    """Return where the rule of an arm, at its limits, stops the recorded trials.

    A part that compares trials is asked in a virtual search (see `virtual_searches`), in which a trial
    ends where another part stops it.
    """
    alone, comparing = stops_alone(recording, rule), comparing_part(rule)
    if comparing is None:
        return alone
    ended = replace(
        recording,
        windows=alone.windows_used,
        completed=recording.completed & ~alone.stopped,
    )
    (stops,) = virtual_searches(ended, comparing, [comparing.limit], workers, order, pace)
    return Stops(stops.windows_used, stops.stopped | alone.stopped)
