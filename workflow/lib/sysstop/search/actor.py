"""The Ray actor behind a trial. Its module is all that Ray's workers import, so it stays light."""

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.actor import ActorHandle
from ray.exceptions import RayActorError

from sysstop.run.provenance import environment
from sysstop.search.node_data import NodeCopy, StoredFolder
from sysstop.study.rules import ArmRule, Showing
from sysstop.study.status import Status, Stop, TrialEnd
from sysstop.study.studies import Trial
from sysstop.trial.process import Ended, Request, TrialProcess
from sysstop.trial.window import Window

# Windows shorter than this are reported together, because each report costs Tune milliseconds.
REPORT_INTERVAL_S = 0.5
SCOREBOARD_DIED = "the scoreboard died, the process of Ray that compares the study's trials"


@dataclass(repr=False)
class Report:
    """Some windows of a trial, its end if they are the last, and the host where they were measured.

    Tune formats each result for its log, so it has a short repr.
    """

    windows: list[Window]
    end: TrialEnd | None
    environment: Mapping[str, Any]
    """empty if it is not known"""


class TrialActor(tune.Trainable):
    """A Ray actor that has trials run in processes of their own and reports their windows."""

    def setup(
        self,
        config: dict,
        trials: Mapping[str, Trial],
        rule: ArmRule | None,
        split: Path | StoredFolder,
        trial_timeout_s: float | None,
        scoreboard: ActorHandle | None,
    ) -> None:
        """Start the first trial; a part of the rule that compares trials needs the study's `scoreboard`."""
        self._trials, self._rule, self._trial_timeout_s = trials, rule, trial_timeout_s
        self._scoreboard = scoreboard
        self._copy = NodeCopy(split) if isinstance(split, StoredFolder) else None
        self._split_folder = self._copy.folder if self._copy else split
        self._environment = environment()
        self._process = TrialProcess(show=self._show)
        self.reset_config(config)

    def reset_config(self, new_config: dict) -> bool:
        """Go on to another trial in the same actor."""
        trial = self._trials[new_config["trial_id"]]
        self._process.start(Request(trial, self._rule, self._split_folder))
        self._began = time.monotonic()
        return True

    def step(self) -> dict:
        """Wait for the next windows and report them."""
        began = time.monotonic()
        windows: list[Window] = []
        end = None
        while end is None and (not windows or time.monotonic() - began < REPORT_INTERVAL_S):
            limit_s = self._trial_timeout_s
            left_s = None if limit_s is None else limit_s - (time.monotonic() - self._began)
            try:
                answer = self._process.next_window(left_s)
            except RayActorError:
                self._process.close()  # the trial waits for a verdict
                end = TrialEnd(Status.FAILED, SCOREBOARD_DIED)
                continue
            if isinstance(answer, Window):
                windows.append(answer)
                end = answer.end
            else:
                end = TrialEnd(Status.FAILED, failure_reason(answer, limit_s))
        report = Report(windows, end, self._environment)
        return {"report": report, tune.result.DONE: end is not None}

    def _show(self, showing: Showing) -> Stop | None:
        """Show the other trials what the current one has reached; return the verdict if it asks."""
        verdict = self._scoreboard.show.remote(showing)
        return ray.get(verdict) if showing.status is None else None

    def cleanup(self) -> None:
        """End the template process and let go of the data."""
        self._process.close()
        if self._copy:
            self._copy.release()


def failure_reason(ended: Ended | None, limit_s: float | None) -> str:
    """Return why a trial's process ended before the trial did; None is given for one that took too long."""
    if ended is None:
        return f"it was not done after search.trial_timeout_s = {limit_s:g} s"
    if ended.exit_code > 0 and ended.last_words:
        return ended.last_words
    if ended.exit_code == -signal.SIGKILL:
        reason = "was killed, as Linux does when memory runs out; try fewer search.workers"
    elif ended.exit_code < 0:
        reason = f"was ended by {signal.Signals(-ended.exit_code).name}"
    else:
        reason = f"ended with exit code {ended.exit_code}"
    quoted = f"; its last words: {ended.last_words}" if ended.last_words else ""
    return f"its process {reason}{quoted}"
