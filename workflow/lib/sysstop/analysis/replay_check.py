"""RQ2: does the replay agree with the live search? Each live arm compared with its replay."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from sysstop.analysis.noise import reading_noise, saving_floor
from sysstop.analysis.recording import TRAIN_TIME, Recording, Stops, recordings, replay_stops
from sysstop.results.tables import checked, described_by
from sysstop.study.arms import NO_RULE, rule_with_limit
from sysstop.study.keys import PAIR, REPLICATE, STUDY
from sysstop.study.rules import TrialRule, effective_signals
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM

_NUMBER = {"nullable": True, "coerce": True}
_COUNT = pa.Column(int, pa.Check.ge(0), coerce=True)

REPLAY_CHECK_SCHEMA = pa.DataFrameSchema(
    {
        **described_by(STUDY),
        "metric": pa.Column(str, coerce=True),
        "limit": pa.Column(float, coerce=True),
        "reading_noise": pa.Column(float, **_NUMBER),
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
    """Return each live study with a rule and its replay on the baseline (`REPLAY_CHECK_SCHEMA`).

    `arms` are the config's. The rule is the live one, at the limit that the live search was given
    (the column `limit` of `trials`). A trial agrees if the live search and the replay stopped it
    after the same window, or neither stopped it. One that does not is near the limit
    (`trials_near_limit`) if, in the baseline's reading of the window where the two diverge, the
    rule's signal is within its own noise of the limit: as close to it as two readings of the signal
    after one window differ (`reading_noise`, see `noise.reading_noise`; of all arms of the pair).
    Otherwise it counts in `trials_beyond_noise`.

    Savings are of the baseline's steps and steady training time over the trials of both.
    `time_difference` is the live saving of time minus the replayed one, `noise_floor` that of the
    pair's savings (see `noise.saving_floor`); where it is not known, no difference is within it.
    """
    floors = saving_floor(trials, TRAIN_TIME)
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
            for arm, entry in arms.items():
                study = dict(zip(REPLICATE, keys, strict=True)) | {"arm": arm}
                live = live_of.get(tuple(study[name] for name in STUDY))
                if live is None or entry["rule"] == NO_RULE:
                    continue
                rule = rule_with_limit(entry, live["limit"].iloc[0])
                noise, floor = reading_noise(rule, repeated), floors.get(pair, np.nan)
                row = _compared(recording, live, rule, noise)
                row["noise_floor"] = floor
                row["within_noise_floor"] = abs(row["time_difference"]) <= floor
                rows.append({**study, "metric": rule.metric, "limit": rule.limit, **row})
    return checked(
        pd.DataFrame(rows, columns=list(REPLAY_CHECK_SCHEMA.columns)), REPLAY_CHECK_SCHEMA
    )


def _compared(
    recording: Recording, live: pd.DataFrame, rule: TrialRule, noise: float
) -> dict[str, float]:
    """Return the live trials joined with the replayed ones, without those that only one side has."""
    signals = effective_signals(rule, recording.curves, recording.steps_planned)
    stops = replay_stops(signals, recording, rule.limit)
    live = live.set_index("trial_id").reindex(recording.trial_ids)
    both = live["status"].notna().to_numpy()
    live_steps = live["steps_used"].to_numpy()
    live_stopped = (live["status"] == Status.STOPPED).to_numpy()
    replayed_steps = recording.after("step", stops.windows_used)
    steps = recording.after("step", recording.windows)
    time_s = recording.after(TRAIN_TIME, recording.windows)
    agree = (live_stopped == stops.stopped) & (live_steps == replayed_steps)
    near = both & ~agree & _near_limit(signals, recording, rule.limit, stops, live, noise)
    saved = {
        "live_saved_steps_fraction": _saved(live_steps[both], steps[both]),
        "replayed_saved_steps_fraction": _saved(replayed_steps[both], steps[both]),
        "live_saved_time_fraction": _saved(live[TRAIN_TIME].to_numpy()[both], time_s[both]),
        "replayed_saved_time_fraction": _saved(
            recording.after(TRAIN_TIME, stops.windows_used)[both], time_s[both]
        ),
    }
    return {
        "reading_noise": noise,
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
    noise: float,
) -> np.ndarray:
    """Return for each trial whether its signal is near the limit where live and replay diverge.

    They diverge at the earlier of the two stops.
    """
    step = recording.curves["step"]
    live_window = (step < live["steps_used"].to_numpy()[:, None]).sum(axis=1)
    window = np.minimum(np.minimum(live_window, stops.windows_used - 1), recording.windows - 1)
    signal = np.take_along_axis(signals, window[:, None], axis=1)[:, 0]
    return np.abs(signal / limit - 1) <= noise


def _saved(used: np.ndarray, of_baseline: np.ndarray) -> float:
    return float(1 - used.sum() / of_baseline.sum())
