"""Search one study's grid with Ray Tune, one core per worker."""

import os
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ |= {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # results go to the journal
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a failed trial is journalled with its reason
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # the journal is what a search resumes from
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}

import numpy as np
import ray
from ray import tune
from ray.actor import ActorHandle
from ray.exceptions import RayActorError
from ray.tune.schedulers import FIFOScheduler
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sysstop.results.core_share import core_share, counted_criteria
from sysstop.results.journal import Journal, read_trials
from sysstop.run.errors import UserError, shortened
from sysstop.run.folder import own_run_folder
from sysstop.run.provenance import for_readers
from sysstop.search.actor import Report, TrialActor
from sysstop.search.host_load import HostLoad
from sysstop.search.node_data import StoredFolder
from sysstop.search.ray_nodes import NodeWatch
from sysstop.search.ray_session import ray_cores
from sysstop.search.settings import SearchSettings, few_trials_warning, trials_at_once
from sysstop.study.rules import ArmRule, ComparingRule, Scoreboard, comparing_part
from sysstop.study.status import Status, TrialEnd
from sysstop.study.studies import Trial, search_order
from sysstop.study.wording import duration
from sysstop.trial.window import finished_trial

# A search says how far it is at each tenth of its trials, but not more often than this.
PROGRESS_INTERVAL_S = 60.0
ACCOUNTS = ("train_time_s", "eval_time_s", "cpu_time_s")


@dataclass
class StudyObserver(tune.Stopper):
    """Sees every window: keeps them, journals finished trials, logs progress.

    Trials stop themselves. This is a Stopper, not a Callback, because Tune imports MLflow, which
    takes a second, as soon as it is given any Callback.
    """

    trials: Mapping[str, Trial]
    journal: Journal
    max_failed_fraction: float
    log: Callable[[str], None]
    failures: Counter[str] = field(default_factory=Counter)
    broken: OSError | None = None
    begun: dict[str, Report] = field(default_factory=dict)
    used_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ACCOUNTS, 0.0))
    rule_wait_s: float = 0.0
    nodes: NodeWatch = field(init=False)
    host_load: HostLoad | None = None
    core_shares: list[str] = field(default_factory=list)
    host_cpu_time_s: float = 0.0
    load: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    logged_at: float = field(default_factory=time.monotonic)
    logged_tenth: int = 0
    resumed: int = 0

    def __post_init__(self) -> None:
        self.resumed = len(self.journal.finished)
        self.nodes = NodeWatch(self.log)

    def __call__(self, trial_id: str, result: dict) -> bool:
        """Take the windows out of a result, which Tune would keep for ever."""
        try:
            self.add(result["config"]["trial_id"], result.pop("report"))
        except OSError as error:  # Tune would take it for the trial's own failure, and go on
            self.broken = error
        return False

    def stop_all(self) -> bool:
        """Stop the whole study if too many trials failed, or if the journal cannot be written."""
        self.nodes.look()
        return self.broken is not None or self._too_many_failed()

    def _too_many_failed(self) -> bool:
        return self.failures.total() > self.max_failed_fraction * len(self.trials)

    def check_failures(self) -> None:
        """Raise `UserError` if too many trials failed."""
        if not self._too_many_failed():
            return
        reasons = [f"\n  - {count} x {why}" for why, count in self.failures.most_common(5)]
        raise UserError(
            f"{self.failures.total()} of {len(self.trials)} trials failed, which is more than "
            f"search.max_failed_fraction = {self.max_failed_fraction:g} allows, so the study was "
            f"ended:{''.join(reasons)}\nThe other trials are kept: once the cause is fixed, run "
            "the same command again, and it goes on with those that are missing."
        )

    def add(self, trial_id: str, report: Report) -> None:
        """Keep a trial's windows; journal the trial once a report holds its end."""
        if self.host_load is None:
            self.host_load = HostLoad()  # only now, because starting up does not slow down trials
        kept = self.begun.setdefault(trial_id, Report([], None, report.environment))
        kept.windows += report.windows
        if report.end is None:
            return
        trial = finished_trial(
            trial_id, self.trials[trial_id], kept.windows, report.end, kept.environment
        )
        self.journal.append(trial)
        del self.begun[trial_id]
        if trial.end.status == Status.FAILED:
            self.failures[trial.end.reason] += 1
        self.core_shares.append(core_share(trial))
        self.rule_wait_s += sum(window.rule_wait_s for window in kept.windows)
        for account in ACCOUNTS:
            self.used_s[account] += sum(trial.windows[account][-1:])
        if trial.environment.get("host") == socket.gethostname():
            self.host_cpu_time_s += sum(trial.windows["cpu_time_s"][-1:])
            self.load = self.host_load.read(self.host_cpu_time_s)
        self._log_progress()

    def add_failures(self, errors: Mapping[str, Exception]) -> None:
        """Journal the trials whose actor died, so that no report held their end."""
        errors = {trial_id: errors[trial_id] for trial_id in errors.keys() - self.journal.finished}
        hosts = {}
        for trial_id in errors:
            begun = self.begun.get(trial_id)
            hosts[trial_id] = begun.environment["host"] if begun else ""
        if any(isinstance(error, RayActorError) for error in errors.values()):
            self.nodes.await_losses(set(hosts.values()))
        for trial_id, error in errors.items():
            if isinstance(error, RayActorError):
                lost = self.nodes.reason_of_loss(hosts[trial_id])
                reason = lost or f"its worker of Ray died: {' '.join(str(error).split())}"
            else:
                reason = str(error).strip().splitlines()[-1]
            self.add(trial_id, Report([], TrialEnd(Status.FAILED, shortened(reason, 2000)), {}))

    @for_readers
    def _log_progress(self) -> None:
        done, planned = len(self.journal.finished), len(self.trials)
        tenth, now = 10 * done // planned, time.monotonic()
        if tenth == self.logged_tenth or now - self.logged_at < PROGRESS_INTERVAL_S:
            return
        self.logged_at, self.logged_tenth = now, tenth
        count = Counter(self.journal.finished.values())
        others = "".join(
            f", {count[status]} {status}"
            for status in Status
            if count[status] and status != Status.COMPLETED
        )
        left_s = (now - self.began) / max(done - self.resumed, 1) * (planned - done)
        self.log(f"{done} of {planned} trials done{others}, about {duration(left_s)} left")


class NoPreferredTrial(FIFOScheduler):
    """Lets Tune give a free actor to a trial that has just been added, and notes errors.

    The usual order gives it to the oldest trial, for which an actor may be starting, and then kills
    the latter. Where trials are shorter than the start of an actor, all but one actor never get
    started.

    Tune's results do not tell which trial they belong to if its actor died before its first report.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failed: dict[str, Any] = {}
        """Tune's trials that failed, by the ids of ours"""

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """Have no preference."""

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Note the trial."""
        self.failed[trial.config["trial_id"]] = trial

    def errors(self) -> dict[str, Exception]:
        """Return why Tune's trials failed, which Tune has in files once the search is over."""
        return {
            trial_id: trial.get_pickled_error() or RuntimeError(trial.get_error())
            for trial_id, trial in self.failed.items()
        }


def start_scoreboard(rule: ComparingRule, journal: Journal) -> ActorHandle:
    """Start the scoreboard of a study in a process of Ray, with what its finished trials have shown.

    That process is on this host, so that it is not lost with a node of trials, and ends with this
    connection to Ray.
    """
    here = ray.get_runtime_context().get_node_id()
    remote = ray.remote(num_cpus=0)(Scoreboard).options(
        scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False)
    )
    scoreboard = remote.remote(rule)
    for trial in read_trials(journal.path):
        curves = {rule.metric: np.array(trial.windows[rule.metric], dtype=float)}
        scoreboard.add_ended.remote(curves, trial.end.status)
    return scoreboard


def run_search(
    trials: Mapping[str, Trial],
    rule: ArmRule | None,
    split: Path | StoredFolder,
    journal: Journal,
    settings: SearchSettings,
    *,
    order_seed: int,
    log: Callable[[str], None],
) -> dict[str, Any]:
    """Run all trials that the journal does not hold yet, `settings.workers` at a time.

    To be called within a `ray_session`. `split` is the folder of the data, put into Ray's object
    store where the nodes of a cluster may not see it. Trials run in random order, the same in every
    arm (so seed it by data set, algorithm and repetition), so that drift in the machine's speed is
    not mistaken for an effect of a hyperparameter.

    Returns `workers`, how many trials ran at once, which is fewer than the settings' where Ray has
    fewer cores. Unless no trial was left to run, also returns `wall_time_s`, `overhead_s` (wall
    time x workers minus the time spent in training and evaluation), `rule_wait_s` (the part of it in
    which trials waited for the verdict of a rule that compares them) and, if trials ran on this host,
    how busy it was (see `HostLoad`), and `core_share`: how many of these trials did not have a core
    for themselves, by `core_share.CRITERIA`. Raises `UserError` as soon as too many trials have failed, and
    if an interrupt ended the search early.
    """
    trial_ids = [
        trial_id
        for trial_id in search_order(trials, order_seed)
        if trial_id not in journal.finished
    ]
    cores = ray_cores()
    if not trial_ids:
        return {"workers": trials_at_once(settings.workers, cores)}
    comparing = comparing_part(rule)
    scoreboard = start_scoreboard(comparing, journal) if comparing else None
    warning = few_trials_warning(rule, len(trials), trials_at_once(settings.workers, cores))
    if warning:
        log(warning)
    with tempfile.TemporaryDirectory(
        prefix="tune-", dir=own_run_folder(), ignore_cleanup_errors=True
    ) as storage:
        trainable = tune.with_parameters(
            TrialActor,
            trials=dict(trials),
            rule=rule,
            split=split.resolve() if isinstance(split, Path) else split,
            trial_timeout_s=settings.trial_timeout_s,
            scoreboard=scoreboard,
        )
        scheduler = NoPreferredTrial()
        observer = StudyObserver(trials, journal, settings.max_failed_fraction, log)
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space={"trial_id": tune.grid_search(trial_ids)},
            tune_config=tune.TuneConfig(
                num_samples=1,
                max_concurrent_trials=settings.workers,
                reuse_actors=True,
                scheduler=scheduler,
            ),
            run_config=tune.RunConfig(
                name="study",
                storage_path=storage,
                stop=observer,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=0),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        began = time.monotonic()
        tuner.fit()
        wall_time_s = time.monotonic() - began
        errors = scheduler.errors()
    if observer.broken:
        raise observer.broken
    observer.add_failures(errors)
    observer.check_failures()
    missing = trials.keys() - journal.finished.keys()
    if missing:  # Tune ends normally at Ctrl-C, without an error
        raise UserError(
            f"The search was interrupted: {len(missing)} of its {len(trials)} trials are missing. The "
            "others are kept, and the same command goes on with those."
        )
    used_s = observer.used_s
    worked_s = used_s["train_time_s"] + used_s["eval_time_s"]
    # A cluster may have gained nodes in the meantime.
    workers = trials_at_once(settings.workers, max(cores, ray_cores()))
    return {
        "workers": workers,
        "wall_time_s": wall_time_s,
        "overhead_s": wall_time_s * workers - worked_s,
        "rule_wait_s": observer.rule_wait_s,
        **observer.load,
        "core_share": counted_criteria(observer.core_shares),
    }
