"""Measure on this machine what a trial and a study cost, by short searches with the real code.

The trials of a calibration train as those of the study do, as many at a time and in processes of
their own, at a few batch sizes and for a few windows.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sysstop.data.split import load_split
from sysstop.plan.resources import is_linear
from sysstop.plan.trial_cost import (
    COSTLESS,
    Calibration,
    Overhead,
    Reading,
    sample_least_s,
    variants_of,
)
from sysstop.results.journal import FinishedTrial, Journal, read_trials
from sysstop.run.environment import LIBRARY_FOLDER
from sysstop.run.errors import UserError
from sysstop.run.folder import own_run_folder
from sysstop.run.provenance import environment, folder_digest
from sysstop.search.ray_session import ray_session
from sysstop.search.settings import SearchSettings
from sysstop.search.study import search_study
from sysstop.search.tune import run_search
from sysstop.study.algorithms import Algorithm
from sysstop.study.hyperparameters import BATCH_SIZE, hyperparameters_of
from sysstop.study.status import Status
from sysstop.study.studies import (
    Budget,
    Configuration,
    Study,
    Trial,
    check_batch_sizes,
    derive_seed,
    grid_batch_sizes,
)

BATCH_SIZES = 5  # calibrated, from the grid's smallest to its largest
PROBE_WINDOWS, WINDOWS = 2, 3
WINDOW_TRAIN_S = 0.5  # a measured window trains about that long, unless the study's own is shorter
# Beyond the first of each worker, to measure a trial's overhead.
TRIALS_PER_WORKER = 6
# How a job of a run begins, and what one of a search and of the analysis imports where no warm process
# has done so.
JOB_START = "import snakemake.script"
SEARCH_IMPORTS = "import snakemake.script, pandas, sysstop.search.study"
ANALYSIS_IMPORTS = "import sysstop.results.tables, sysstop.report.figures.drawing"


def calibrate(
    study: Study,
    split_folder: Path,
    *,
    algorithm: Algorithm,
    grid: Mapping[str, Any],
    window_steps: int,
    seed: int,
    workers: int,
    ray_address: str,
) -> Calibration:
    """Measure what windows of some of a study's configurations cost (`calibrated_configurations`).

    Windows of a single step come first. They show how many steps fill the windows that follow, and
    what a validation costs in addition to the steps. Raises `UserError` for a batch that is larger
    than the data, and if the models diverge at once.
    """
    split = load_split(split_folder)
    fold_rows = split.fold_train_rows
    check_batch_sizes(grid, fold_rows, study.dataset)
    configurations = calibrated_configurations(grid, fold_rows)
    usual = variants_of(configurations[0])

    def search(windows: int, steps: Mapping[str, int]) -> list[FinishedTrial]:
        trials = {
            name: _short_trial(algorithm, configuration, windows, steps[name], seed)
            for configuration in configurations
            if (name := configuration.trial_id) in steps
        }
        return list(_search(trials, split_folder, workers))

    with ray_session(ray_address, workers):
        probes = search(PROBE_WINDOWS, {found.trial_id: 1 for found in configurations})
        readings = [reading for probe in probes for reading in window_readings(probe, usual)]
        longer = {
            probe.trial_id: steps
            for probe in probes
            for reading in [*window_readings(probe, usual)][-1:]
            if (steps := steps_filling(WINDOW_TRAIN_S, reading, window_steps)) > 1
        }
        if longer:
            for trial in search(WINDOWS, longer):
                readings += window_readings(trial, usual)
    if not readings:
        raise UserError(
            f"The cost of '{study.dataset}' with '{study.algorithm}' cannot be calibrated: even at its "
            "smallest learning rate the models diverge in their first step. Use smaller ones."
        )
    return Calibration(
        readings,
        split.folds,
        fold_rows,
        folder_digest(split_folder),
        environment()["cpu_model"],
        # Other estimators take the samples of a mini-batch all at once, nobody knows how fast.
        sample_least_s(split) if is_linear(algorithm.estimator) else 0.0,
    )


def calibrated_configurations(grid: Mapping[str, Any], fold_rows: int) -> list[Configuration]:
    """Return the configurations to calibrate, the smallest batch first.

    Batch sizes are the smallest, the largest and some between. All take the smallest learning rate,
    at which a model diverges last, and the first value of everything else. What may make a trial
    dearer (not `COSTLESS`) is varied, one at a time, at the smallest and the largest batch.
    """
    sizes = sorted(grid_batch_sizes(grid, fold_rows))
    places = np.linspace(0, len(sizes) - 1, min(BATCH_SIZES, len(sizes))).round().astype(int)
    first = {name: grid[name][0] for name in hyperparameters_of(grid) if name != BATCH_SIZE}
    if "learning_rate" in first:
        first["learning_rate"] = min(grid["learning_rate"])
    points = [{BATCH_SIZE: sizes[place], **first} for place in places]
    for name in [name for name in first if name not in COSTLESS]:
        for value in grid[name][1:]:
            points += [
                {BATCH_SIZE: size, **first, name: value} for size in sorted({sizes[0], sizes[-1]})
            ]
    return [Configuration(point) for point in points]


def steps_filling(seconds: float, reading: Reading, most: int) -> int:
    """Return the steps, at least 1, that train for that many seconds at the pace of a reading."""
    pace_s = reading.train_time_s / reading.steps
    return max(1, min(most, round(seconds / pace_s)))


def _short_trial(
    algorithm: Algorithm, configuration: Configuration, windows: int, window_steps: int, seed: int
) -> Trial:
    steps = windows * window_steps
    budget = Budget(steps, None, None, window_steps=window_steps, warmup_steps=0)
    return Trial(configuration, algorithm, budget, steps, derive_seed(seed, configuration.trial_id))


def _search(
    trials: Mapping[str, Trial], split_folder: Path, workers: int
) -> Iterator[FinishedTrial]:
    with tempfile.TemporaryDirectory(prefix="calibration-", dir=own_run_folder()) as folder:
        journal = Journal(Path(folder) / "journal.jsonl", {})
        run_search(
            trials,
            None,
            split_folder,
            journal,
            SearchSettings(workers),
            order_seed=0,
            log=_log_nothing,
        )
        yield from read_trials(journal.path)


def window_readings(trial: FinishedTrial, usual: Sequence[str]) -> Iterator[Reading]:
    """Yield what each window of a finished trial cost.

    `usual` are the variants of the configuration that others are compared with. A window in which
    the model diverged before a step was done is left out.
    """
    unusual = [name for name in variants_of(trial.configuration) if name not in usual]
    windows = trial.windows
    spent = {
        name: np.diff(windows[name], prepend=0)
        for name in ("step", "cpu_time_s", "wall_time_s", "train_time_s")
    }
    for at, steps in enumerate(spent["step"]):
        if spent["train_time_s"][at] == 0:
            continue
        diverged = trial.end.status == Status.DIVERGED and at == len(spent["step"]) - 1
        yield Reading(
            batch_size=trial.configuration.batch_size,
            variant="".join(unusual),
            starts=int(at == 0),
            validations=int(not diverged),
            steps=int(steps),
            cpu_time_s=float(spent["cpu_time_s"][at]),
            wall_time_s=float(spent["wall_time_s"][at]),
            train_time_s=float(spent["train_time_s"][at]),
            memory_peak_mb=windows["memory_peak_mb"][at],
        )


def measure_overhead(
    study: Study,
    split_folder: Path,
    *,
    algorithm: Algorithm,
    grid: Mapping[str, Any],
    budget: Budget,
    seed: int,
    workers: int,
    ray_address: str,
) -> Overhead:
    """Measure what a study costs besides its trials, by two searches of trials of a single step.

    One has a trial for each worker, the other has `TRIALS_PER_WORKER` more for each. The second
    one's trials are also tracked and put into tables, each with as many windows as the study's
    budget has.
    """
    fold_rows = load_split(split_folder).fold_train_rows
    check_batch_sizes(grid, fold_rows, study.dataset)
    smallest, *_ = calibrated_configurations(grid, fold_rows)
    point = {name: [value] for name, value in smallest.values.items()}
    started_s, connected_s = [_session_s(ray_address, workers) for _ in range(2)]
    with tempfile.TemporaryDirectory(prefix="calibration-", dir=own_run_folder()) as folder:
        few, many = (
            _one_step_search(
                study,
                split_folder,
                Path(folder) / str(count),
                algorithm=algorithm,
                grid={**point, "copy": list(range(count))},
                seed=seed,
                workers=workers,
                ray_address=ray_address,
            )
            for count in (workers, workers * (1 + TRIALS_PER_WORKER))
        )
        store = f"sqlite:///{folder}/mlflow.db"
        windows = math.ceil(budget.steps / budget.window_steps)
        export_trial_s = _export_s_per_trial(study, many.trials, windows, store, algorithm.task)
        opened_s = _opening_s(store)
    job_start_s = _process_s(JOB_START)
    tune_s, trial_s = tune_overhead(few.overhead_s, many.overhead_s, TRIALS_PER_WORKER)
    return Overhead(
        ray_start_s=max(0.0, started_s - connected_s),
        imports_s=max(0.0, _process_s(SEARCH_IMPORTS) - job_start_s),
        search_job_s=job_start_s + few.around_tune_s,
        tune_s=tune_s,
        trial_s=trial_s,
        export_job_s=job_start_s + opened_s,
        export_trial_s=export_trial_s,
        analysis_job_s=_process_s(ANALYSIS_IMPORTS),
    )


def tune_overhead(few_s: float, many_s: float, more_trials: int) -> tuple[float, float]:
    """Return what Ray Tune takes for itself and for each trial of a worker, in seconds.

    `few_s` is what it took for one trial per worker, `many_s` for that many more per worker.
    Neither result is below 0, however noisy the two are.
    """
    trial_s = max(0.0, (many_s - few_s) / more_trials)
    return max(0.0, few_s - trial_s), trial_s


@dataclass(frozen=True)
class _Search:
    """A finished search, the time that Ray Tune took for its trials, and that around Ray Tune."""

    trials: list[FinishedTrial]
    overhead_s: float
    around_tune_s: float


def _one_step_search(
    study: Study,
    split_folder: Path,
    folder: Path,
    *,
    algorithm: Algorithm,
    grid: Mapping[str, Any],
    seed: int,
    workers: int,
    ray_address: str,
) -> _Search:
    summary_file, trials_file = folder / "search.json", folder / "trials.jsonl"
    began = time.monotonic()
    search_study(
        study,
        None,
        split_folder,
        algorithm=algorithm,
        nominal=None,
        grid=grid,
        budget=Budget(1, None, None, window_steps=1, warmup_steps=0),
        settings=SearchSettings(workers, ray_address, seed),
        trials_file=trials_file,
        summary_file=summary_file,
        log=_log_nothing,
    )
    whole_s = time.monotonic() - began
    tune_s = json.loads(summary_file.read_text())["wall_time_s"]
    trials = list(read_trials(trials_file))
    worked_s = sum(trial.windows["wall_time_s"][-1] for trial in trials)
    return _Search(trials, tune_s - worked_s / workers, whole_s - tune_s)


def _session_s(ray_address: str, workers: int) -> float:
    began = time.monotonic()
    with ray_session(ray_address, workers):
        return time.monotonic() - began


def _opening_s(store_uri: str) -> float:
    from sysstop.results.store import open_store

    began = time.monotonic()
    open_store(store_uri)
    return time.monotonic() - began


def _process_s(program: str) -> float:
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(LIBRARY_FOLDER)},
        check=True,
    )
    return time.monotonic() - began


def _export_s_per_trial(
    study: Study, finished: Sequence[FinishedTrial], windows: int, store_uri: str, task: str
) -> float:
    """Return the seconds for tracking a trial, as if it had so many windows, and its tables."""
    from sysstop.results.store import open_store
    from sysstop.results.tables import study_tables
    from sysstop.results.tracking import read_study, write_study

    store = open_store(store_uri)
    trials = [_with_windows(trial, windows) for trial in finished]
    began = time.monotonic()
    levels = dict.fromkeys(trials[0].configuration.values)
    write_study(store, study, {"rule": None}, trials)
    stored = read_study(store, study)
    study_tables(study, stored.trials, stored.run_ids, task=task, levels=levels)
    return (time.monotonic() - began) / len(trials)


def _with_windows(trial: FinishedTrial, count: int) -> FinishedTrial:
    """Return a finished trial whose first window is repeated so many times."""
    windows = {name: values[:1] * count for name, values in trial.windows.items()}
    return replace(trial, windows=windows | {"step": list(range(1, count + 1))})


def _log_nothing(message: str) -> None:
    """Calibrations log no progress."""
