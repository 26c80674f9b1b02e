"""RQ2: does the replay say what the live search did? Each live arm beside its replay."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from sysstop.analysis.noise import noise_table, saving_floor
from sysstop.analysis.recording import Recording, Stops, recordings, replay_stops
from sysstop.results.tables import checked, described_by
from sysstop.study.arms import NO_RULE, rule_with_limit
from sysstop.study.keys import PAIR, STUDY
from sysstop.study.rules import TrialRule, effective_signals
from sysstop.study.status import Status

_NUMBER = {"nullable": True, "coerce": True}
_COUNT = pa.Column(int, pa.Check.ge(0), coerce=True)

REPLAY_CHECK_SCHEMA = pa.DataFrameSchema(
    {
        **described_by(STUDY),
        "metric": pa.Column(str, coerce=True),
        "limit": pa.Column(float, coerce=True),
        "trials": _COUNT,
        "trials_agreeing": _COUNT,
        "trials_near_limit": _COUNT,
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
    },
    strict=True,
    unique=STUDY,
    ordered=True,
)


def replay_check_table(
    trials: pd.DataFrame, windows: pd.DataFrame, arms: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Return each live study with a rule beside its replay on the baseline (`REPLAY_CHECK_SCHEMA`).

    `arms` are the config's. The rule is the live one, at the limit that the live search was given
    (the column `limit` of `trials`). A trial agrees if the live
    search and the replay stopped it after the same window, or neither stopped it. One that does not
    is near the limit (`trials_near_limit`) if, in the baseline's reading of the window where the two
    part, the rule's signal is as close to the limit as readings of the same trial differ (the noise
    floor of the rule's metric, see `noise.noise_table`); otherwise it counts in
    `trials_beyond_noise`.

    Savings are of the baseline's steps and training time over the trials of both. `time_difference`
    is the live saving of time minus the replayed one, `noise_floor` that of the pair's savings (see
    `noise.saving_floor`); where it is not known, no difference is within it.
    """
    noise = noise_table(trials).set_index([*PAIR, "metric"])["floor"]
    floors = saving_floor(trials)
    live_of = dict(iter(trials[trials["status"] != Status.FAILED].groupby(STUDY)))
    rows = []
    for keys, recording in recordings(trials, windows):
        pair = (keys["dataset"], keys["algorithm"])
        for arm, entry in arms.items():
            study = keys | {"arm": arm}
            live = live_of.get(tuple(study[name] for name in STUDY))
            if live is None or entry["rule"] == NO_RULE:
                continue
            rule = rule_with_limit(entry, live["limit"].iloc[0])
            row = _compared(recording, live, rule, noise.get((*pair, rule.metric), 0.0))
            floor = floors.get(pair, np.nan)
            row["noise_floor"] = floor
            row["within_noise_floor"] = abs(row["time_difference"]) <= floor
            rows.append({**study, "metric": rule.metric, "limit": rule.limit, **row})
    return checked(
        pd.DataFrame(rows, columns=list(REPLAY_CHECK_SCHEMA.columns)), REPLAY_CHECK_SCHEMA
    )


def _compared(
    recording: Recording, live: pd.DataFrame, rule: TrialRule, metric_noise: float
) -> dict[str, float]:
    """Return the live trials beside the replayed ones; trials that only one of both has count not."""
    signals = effective_signals(rule, recording.curves, recording.steps_planned)
    stops = replay_stops(signals, recording, rule.limit)
    live = live.set_index("trial_id").reindex(recording.trial_ids)
    both = live["status"].notna().to_numpy()
    live_steps = live["steps_used"].to_numpy()
    live_stopped = (live["status"] == Status.STOPPED).to_numpy()
    replayed_steps = recording.after("step", stops.windows_used)
    steps = recording.after("step", recording.windows)
    time_s = recording.after("train_time_s", recording.windows)
    agree = (live_stopped == stops.stopped) & (live_steps == replayed_steps)
    near = both & ~agree & _near_limit(signals, recording, rule.limit, stops, live, metric_noise)
    saved = {
        "live_saved_steps_fraction": _saved(live_steps[both], steps[both]),
        "replayed_saved_steps_fraction": _saved(replayed_steps[both], steps[both]),
        "live_saved_time_fraction": _saved(live["train_time_s"].to_numpy()[both], time_s[both]),
        "replayed_saved_time_fraction": _saved(
            recording.after("train_time_s", stops.windows_used)[both], time_s[both]
        ),
    }
    return {
        "trials": int(both.sum()),
        "trials_agreeing": int((both & agree).sum()),
        "trials_near_limit": int(near.sum()),
        "trials_beyond_noise": int((both & ~agree & ~near).sum()),
        "live_trials_stopped": int((both & live_stopped).sum()),
        "replayed_trials_stopped": int((both & stops.stopped).sum()),
        **saved,
        "time_difference": saved["live_saved_time_fraction"]
        - saved["replayed_saved_time_fraction"],
    }


def _near_limit(
    signals: np.ndarray,
    recording: Recording,
    limit: float,
    stops: Stops,
    live: pd.DataFrame,
    metric_noise: float,
) -> np.ndarray:
    """Tell for each trial whether its signal is near the limit where live and replay part.

    They part at the earlier of the two stops.
    """
    step = recording.curves["step"]
    live_window = (step < live["steps_used"].to_numpy()[:, None]).sum(axis=1)
    window = np.minimum(np.minimum(live_window, stops.windows_used - 1), recording.windows - 1)
    signal = np.take_along_axis(signals, window[:, None], axis=1)[:, 0]
    return np.abs(signal / limit - 1) <= metric_noise


def _saved(used: np.ndarray, of_baseline: np.ndarray) -> float:
    return float(1 - used.sum() / of_baseline.sum())
