"""Search one study's grid with Ray Tune, one core per worker, stopping trials by the arm's rule."""

import contextlib
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ |= {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # results go to the journal and to MLflow
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # the journal is what a search resumes from
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

import ray
from ray import tune

from sysstop.journal import Journal
from sysstop.ray_head import LOCAL_RAY, private_ray
from sysstop.stopping import Rule, Stop, decide
from sysstop.studies import Trial
from sysstop.trial_actor import TrialActor
from sysstop.trial_process import LIBRARY_FOLDER, THREAD_LIMITS

PROGRESS_INTERVAL_S = 5.0


@dataclass
class StudyObserver(tune.Callback, tune.Stopper):
    """Sees every window: asks the rule, keeps records, journals finished trials, tells progress."""

    trials: Mapping[str, Trial]
    rule: Rule | None
    journal: Journal
    tell: Callable[[str], None]
    windows: dict[str, list[dict]] = field(default_factory=dict)
    stops: dict[str, Stop] = field(default_factory=dict)
    trial_id_of: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    told: float = 0.0
    resumed: int = 0

    def __post_init__(self) -> None:
        self.resumed = len(self.journal.finished)

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """Remember which of our trials a Tune trial is."""
        self.trial_id_of[trial.trial_id] = trial.config["trial_id"]

    def __call__(self, trial_id: str, result: dict) -> bool:
        """Answer Tune whether the trial is to stop after this window."""
        trial_id = self.trial_id_of[trial_id]
        record = result["record"] | {"host": result["hostname"]}
        windows = self.windows.setdefault(trial_id, [])
        windows.append(record)
        if record["status"] is not None:
            return False
        stop = decide(self.rule, windows, self.trials[trial_id].steps_planned)
        if stop:
            self.stops[trial_id] = stop
        return stop is not None

    def stop_all(self) -> bool:
        """Never stop the whole study."""
        return False

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """Journal a trial that ended by itself or by the rule."""
        self._finish(trial.config["trial_id"])

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """Journal a trial whose actor failed."""
        error = trial.get_error()
        record = {"status": "failed", "stop_reason": str(error).strip().splitlines()[-1][:2000]}
        self.windows.setdefault(trial.config["trial_id"], []).append(record)
        self._finish(trial.config["trial_id"])

    def _finish(self, trial_id: str) -> None:
        windows = self.windows.pop(trial_id)
        stop = self.stops.get(trial_id)
        trial = self.trials[trial_id]
        last = windows[-1]
        self.journal.append(
            {
                "trial_id": trial_id,
                **asdict(trial.configuration),
                "steps_planned": trial.steps_planned,
                "status": "stopped" if stop else last["status"],
                "stop_reason": stop.rule if stop else last["stop_reason"],
                "stop_metric": stop.metric if stop else None,
                "stop_limit": stop.limit if stop else None,
                "stop_value": stop.value if stop else None,
                "host": windows[0].get("host", ""),
                "windows": [window for window in windows if window["status"] != "failed"],
            }
        )
        self._tell_progress()

    def _tell_progress(self) -> None:
        done, planned = len(self.journal.finished), len(self.trials)
        now = time.monotonic()
        if now - self.told < PROGRESS_INTERVAL_S and done < planned:
            return
        self.told = now
        count = {"stopped": 0, "diverged": 0, "failed": 0}
        for trial in self.journal.finished.values():
            if trial["status"] in count:
                count[trial["status"]] += 1
        left_s = (now - self.began) / max(done - self.resumed, 1) * (planned - done)
        others = "".join(f", {number} {status}" for status, number in count.items() if number)
        self.tell(f"{done} of {planned} trials done{others}, about {left_s:.0f} s left")


def run_search(
    trials: Mapping[str, Trial],
    rule: Rule | None,
    split_folder: Path,
    journal: Journal,
    *,
    workers: int,
    ray_address: str,
    order_seed: int,
    tell: Callable[[str], None],
) -> float:
    """Run all trials that the journal does not hold yet and journal each as it finishes.

    Trials run in random order (the same for all arms of a repetition), so that a drift of the
    machine's speed is not taken for an effect of a hyperparameter. Returns the wall time in seconds
    from the first trial's start to the last trial's end.
    """
    trial_ids = [trial_id for trial_id in trials if trial_id not in journal.finished]
    random.Random(order_seed).shuffle(trial_ids)
    if not trial_ids:
        return 0.0
    observer = StudyObserver(trials, rule, journal, tell)
    with ray_connection(ray_address, workers), _scratch_folder() as storage:
        trainable = tune.with_parameters(
            TrialActor, trials=dict(trials), split_folder=split_folder.resolve()
        )
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space={"trial_id": tune.grid_search(trial_ids)},
            tune_config=tune.TuneConfig(
                num_samples=1, max_concurrent_trials=workers, reuse_actors=True
            ),
            run_config=tune.RunConfig(
                name="study",
                storage_path=str(storage),
                stop=observer,
                callbacks=[observer],
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=0),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        began = time.monotonic()
        tuner.fit()
        return time.monotonic() - began


@contextlib.contextmanager
def ray_connection(address: str, workers: int) -> Iterator[None]:
    """Connect to the Ray cluster at `address`; `local` means the run's own private one."""
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address == LOCAL_RAY:
        address = private_ray(workers)
    else:
        environment = THREAD_LIMITS | {"PYTHONPATH": str(LIBRARY_FOLDER)}
        settings["runtime_env"] = {"env_vars": environment}
    ray.init(address=address, **settings)
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _scratch_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sysstop-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
