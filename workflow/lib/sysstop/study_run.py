"""Run one study from its split to its tracked runs."""

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sysstop.journal import Journal
from sysstop.provenance import environment, folder_digest, git_state
from sysstop.search import run_search
from sysstop.splits import load_split
from sysstop.stopping import Rule
from sysstop.studies import Budget, Study, Trial, derive_seed, plan_trials
from sysstop.tables import train_loss_table
from sysstop.trial_process import LIBRARY_FOLDER

if TYPE_CHECKING:
    from mlflow import MlflowClient


def search_study(
    study: Study,
    rule: Rule | None,
    split_folder: Path,
    *,
    grid: Mapping[str, Any],
    budget: Budget,
    seed: int,
    code: str,
    workers: int,
    ray_address: str,
    tracking_uri: str,
    summary_file: Path,
    train_loss_file: Path,
    tell: Callable[[str], None],
) -> None:
    """Search a study's grid, write its trials to MLflow and sum the search up in two files.

    An interrupted search continues from the journal beside `summary_file`, as long as nothing that
    decides its results has changed (`code` is a digest of the code). `summary_file` (JSON) tells how
    long the search took, on which machine, and how busy that was; `train_loss_file` (parquet) holds
    the training loss of every step.
    """
    trials = plan_trials(study, grid, budget, seed, load_split(split_folder).fold_train_rows)
    identity = _identity(trials, rule, folder_digest(split_folder), code)
    journal = Journal(summary_file.with_name("journal.jsonl"), identity)
    load_before = os.getloadavg()[0]
    with ThreadPoolExecutor(1) as background:
        store = background.submit(_open_store, tracking_uri)
        wall_time_s = run_search(
            trials,
            rule,
            split_folder,
            journal,
            workers=workers,
            ray_address=ray_address,
            order_seed=derive_seed(seed, study.dataset, study.algorithm, study.repetition),
            tell=tell,
        )
    finished = [journal.finished[trial_id] for trial_id in trials]
    machine = environment() | git_state(LIBRARY_FOLDER)
    _track(store.result(), study, finished, {"git_commit": str(machine["git_commit"])})
    train_loss_table(finished).to_parquet(train_loss_file, index=False)
    summary = {
        "study": asdict(study),
        "rule": identity["rule"],
        "trials": len(finished),
        "workers": workers,
        "wall_time_s": wall_time_s,
        "overhead_s": wall_time_s * workers - _worked_s(finished),
        "load_before": load_before,
        "environment": machine,
    }
    summary_file.write_text(json.dumps(summary, indent=2))
    journal.path.unlink()


def _open_store(uri: str) -> "MlflowClient":
    """Import MLflow and connect, which takes seconds: in the background, while Ray starts."""
    from sysstop.tracking import open_store

    return open_store(uri)


def _track(
    store: "MlflowClient", study: Study, trials: list[dict], tags: Mapping[str, str]
) -> None:
    from sysstop.tracking import replace_runs

    replace_runs(store, study, trials, tags)


def _worked_s(trials: list[dict]) -> float:
    """Return the seconds that the trials spent in training and evaluation."""
    last_windows = [trial["windows"][-1] for trial in trials if trial["windows"]]
    return sum(window["train_time_s"] + window["eval_time_s"] for window in last_windows)


def _identity(trials: Mapping[str, Trial], rule: Rule | None, data: str, code: str) -> dict:
    """Return all that decides the results of a study, as plain data for its journal's head."""
    identity = {
        "trials": {trial_id: asdict(trial) for trial_id, trial in trials.items()},
        "rule": None if rule is None else {"name": rule.name, **asdict(rule)},
        "data": data,
        "code": code,
    }
    return json.loads(json.dumps(identity))
