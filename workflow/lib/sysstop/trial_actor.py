"""The Ray actor behind a trial. Its module is all that Ray's workers import, so it stays light."""

from collections.abc import Mapping
from pathlib import Path

from ray import tune

from sysstop.studies import Trial
from sysstop.trial_process import Ended, TrialProcess


class TrialActor(tune.Trainable):
    """A Ray actor that runs trials in processes of their own; one `step` is one window."""

    def setup(self, config: dict, trials: Mapping[str, Trial], split_folder: Path) -> None:
        """Start the template process and the first trial."""
        self._trials = trials
        self._process = TrialProcess(split_folder)
        self._process.start(trials[config["trial_id"]])

    def reset_config(self, new_config: dict) -> bool:
        """Go on to another trial in the same actor."""
        self._process.start(self._trials[new_config["trial_id"]])
        return True

    def step(self) -> dict:
        """Run one window and report its record."""
        answer = self._process.next_window()
        if isinstance(answer, Ended):
            reason = answer.error or f"its process ended with exit code {answer.exit_code}"
            return {"record": {"status": "failed", "stop_reason": reason}, tune.result.DONE: True}
        return {"record": answer, tune.result.DONE: answer["status"] is not None}

    def cleanup(self) -> None:
        """End the template process."""
        self._process.close()
