"""What a run will take, estimated before it begins and compared afterwards with what it took.

Neither stopping rules nor divergence are foreseen, so the estimate is an upper bound.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sysstop.plan.schedule import schedule_length
from sysstop.plan.trial_cost import Calibration, Cost, CostModel, Overhead, variants_of
from sysstop.report.figures.registry import FIGURES
from sysstop.report.wording import counted, number, pair_label, percent
from sysstop.results.journal import read_trials
from sysstop.results.trial_values import trial_rows, window_rows
from sysstop.run.machine import this_machine
from sysstop.study.algorithms import Algorithm
from sysstop.study.keys import PAIR, STUDY
from sysstop.study.studies import (
    BASELINE_ARM,
    Budget,
    Study,
    Trial,
    order_seed,
    plan_trials,
    search_order,
)
from sysstop.study.wording import duration

NODES = (1, 10, 100)
# Tables, analyses, figures, the report and its place in MLflow come once, after all searches.
ANALYSIS_JOBS = 12 + len(FIGURES)
MEASURED = ["measured_cpu_s", "measured_search_s", "measured_memory_mb", "steps_used", "used_cpu_s"]


def plan_table(
    study_folders: Mapping[Study, Path],
    calibrations: Mapping[tuple[str, str], Calibration],
    overhead: Overhead,
    *,
    algorithms: Mapping[str, Algorithm],
    grids: Mapping[str, Mapping[str, Any]],
    budget: Budget,
    seed: int,
    workers: int,
) -> pd.DataFrame:
    """Return one row per study: what it will take and, where its results are there, what it took.

    `study_folders` are where the results of each study are or will be, `calibrations` are by data
    set and algorithm, `algorithms` and their `grids` by name. Columns besides the study's:

    - `trials`, `steps` (training steps of each fold's model), `longest_trial_s`, `cpu_s` (CPU time of
      its trials), `search_s` (Ray Tune's wall time with `workers` trials at a time), `job_s` (wall
      time of the job of its search and of its share of the export, Ray being there), `refit_s` (refitting its best
      trial, if that costs what a trial does on average), `memory_mb` (peak of its largest trial),
      `hides_sample_cost` (see `CostModel`);
    - `measured_cpu_s`, `measured_search_s` (not where the search was interrupted),
      `measured_memory_mb`, `steps_used`, and `used_cpu_s`, the estimate for these steps; missing
      where there are no results of the same trials and data.

    Raises `UserError` for a grid that does not fit the data.
    """
    models = {
        pair: CostModel(found.readings, found.sample_least_s)
        for pair, found in calibrations.items()
    }
    counts = Counter((study.dataset, study.algorithm) for study in study_folders)
    rows = []
    for study, folder in study_folders.items():
        pair = (study.dataset, study.algorithm)
        model, found = models[pair], calibrations[pair]
        trials = plan_trials(
            study,
            algorithms[study.algorithm],
            grids[study.algorithm],
            budget,
            seed,
            found.fold_train_rows,
        )
        steps = {trial_id: model.steps(trial) for trial_id, trial in trials.items()}
        costs = {
            trial_id: _cost(model, trial, steps[trial_id]) for trial_id, trial in trials.items()
        }
        order = search_order(trials, order_seed(seed, *pair, study.repetition))
        waits = {trial: costs[trial].wall_time_s + overhead.trial_s for trial in order}
        search_s = overhead.tune_s + schedule_length(waits, {}, workers)
        # One job exports all studies of a data set and algorithm.
        export_s = overhead.export_job_s / counts[pair] + overhead.export_trial_s * len(trials)
        rows.append(
            asdict(study)
            | {
                "trials": len(trials),
                "steps": sum(steps.values()),
                "longest_trial_s": max(cost.wall_time_s for cost in costs.values()),
                "cpu_s": sum(cost.cpu_time_s for cost in costs.values()),
                "search_s": search_s,
                "job_s": overhead.search_job_s + search_s + export_s,
                "refit_s": np.mean([cost.wall_time_s for cost in costs.values()]) / found.folds,
                "memory_mb": max(cost.memory_peak_mb for cost in costs.values()),
                "hides_sample_cost": model.hides_sample_cost,
            }
            | (_measured(folder, trials, found.data, model) or dict.fromkeys(MEASURED, math.nan))
        )
    return pd.DataFrame(rows)


def _measured(
    folder: Path, trials: Mapping[str, Trial], data: str, model: CostModel
) -> dict[str, float] | None:
    """Return what a study took, or nothing if it has no results of these trials and data."""
    summary_file, journal = folder / "search.json", folder / "trials.jsonl"
    if not (summary_file.exists() and journal.exists()):
        return None
    with journal.open() as file:
        identity = json.loads(file.readline())
    if identity["data"] != data or _described(trials) != {
        trial_id: _but_for_nominal(trial) for trial_id, trial in identity["trials"].items()
    }:
        return None
    summary = json.loads(summary_file.read_text())
    finished = list(read_trials(journal))
    done = trial_rows(finished, window_rows(finished))
    used = [
        _cost(model, trials[trial_id], steps_used)
        for trial_id, steps_used in zip(done["trial_id"], done["steps_used"], strict=True)
    ]
    return {
        "measured_cpu_s": done["cpu_time_s"].sum(),
        "measured_search_s": math.nan if summary["resumed_trials"] else summary["wall_time_s"],
        "measured_memory_mb": done["memory_peak_mb"].max(),
        "steps_used": done["steps_used"].sum(),
        "used_cpu_s": sum(cost.cpu_time_s for cost in used),
    }


def _described(trials: Mapping[str, Trial]) -> dict[str, dict]:
    """Return trials as a journal describes them."""
    described = {trial_id: _but_for_nominal(trial.identity) for trial_id, trial in trials.items()}
    return json.loads(json.dumps(described))


def _but_for_nominal(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's description without the unit of steady time, which a plan does not know."""
    return {name: value for name, value in trial.items() if not name.startswith("nominal_")}


def _cost(model: CostModel, trial: Trial, steps: int) -> Cost:
    """Return what a trial costs that takes this many steps."""
    configuration, window_steps = trial.configuration, trial.budget.window_steps
    return model.cost(configuration.batch_size, steps, window_steps, variants_of(configuration))


def pair_table(plan: pd.DataFrame) -> pd.DataFrame:
    """Return a `plan_table` summed up by data set and algorithm, with a last row for the total.

    Ratios are estimate divided by measurement, over the studies that were measured. `of_steps_used`
    is that of the CPU time, had the plan known how many steps trials would take; `used_fraction` is
    the share of the planned steps that they took.
    """
    total = plan.assign(dataset="all", algorithm="")
    rows = []
    for pair, studies in [*plan.groupby(PAIR, sort=False), *total.groupby(PAIR)]:
        measured = studies.dropna(subset="measured_cpu_s")
        timed = studies.dropna(subset="measured_search_s")
        rows.append(
            dict(zip(PAIR, pair, strict=True))
            | {
                "searches": len(studies),
                "trials": studies["trials"].sum(),
                "steps": studies["steps"].sum(),
                "cpu_s": studies["cpu_s"].sum(),
                "search_s": studies["search_s"].sum(),
                "memory_mb": studies["memory_mb"].max(),
                "measured_searches": len(measured),
                "cpu_ratio": _ratio(measured["cpu_s"], measured["measured_cpu_s"]),
                "search_ratio": _ratio(timed["search_s"], timed["measured_search_s"]),
                "memory_ratio": measured["memory_mb"].max() / measured["measured_memory_mb"].max(),
                "used_fraction": _ratio(measured["steps_used"], measured["steps"]),
                "of_steps_used": _ratio(measured["used_cpu_s"], measured["measured_cpu_s"]),
            }
        )
    return pd.DataFrame(rows)


def _ratio(values: pd.Series, others: pd.Series) -> float:
    return values.sum() / others.sum() if len(others) else math.nan


def run_s(
    plan: pd.DataFrame, waiting_arms: Collection[str], overhead: Overhead, nodes: int, cores: int
) -> float:
    """Return the wall time of a run in seconds, with one search at a time on each node.

    `waiting_arms` are those whose limit is a quantile of their baseline, which they wait for. On
    one node studies share a Ray and a warm process; on several each starts its own Ray. Refits take a
    core each. The analysis runs on one node in any case.
    """
    alone = nodes == 1
    studies = [Study(*row) for row in plan[STUDY].itertuples(index=False)]
    start_s = overhead.imports_s + overhead.ray_start_s
    each_s = 0.0 if alone else start_s
    lengths = dict(zip(studies, plan["job_s"] + each_s, strict=True))
    after = {
        study: Study(study.dataset, study.algorithm, BASELINE_ARM, study.repetition)
        for study in studies
        if study.arm in waiting_arms
    }
    refits = plan.groupby(PAIR)["refit_s"].sum().to_dict()
    return (
        (start_s if alone else 0.0)
        + schedule_length(lengths, after, nodes)
        + schedule_length(refits, {}, nodes * cores)
        + ANALYSIS_JOBS * overhead.analysis_job_s / cores
    )


def plan_text(
    plan: pd.DataFrame,
    overhead: Overhead,
    *,
    waiting_arms: Collection[str],
    cores: int,
    workers: int,
    trial_timeout_s: float | None,
    cpu_models: Iterable[str],
) -> str:
    """Return a plan for the terminal: a table by data set and algorithm, totals and warnings."""
    pairs = pair_table(plan)
    total = pairs.iloc[-1]
    jobs_s, search_s = plan["job_s"].sum(), plan["search_s"].sum()
    paragraphs = [
        f"What {counted(len(plan), 'search', 'searches')} will take if no trial is stopped or "
        "diverges: an upper bound,\n"
        f"calibrated on {' and '.join(sorted(set(cpu_models)))}, "
        f"{counted(workers, 'trial')} at a time. Steps are those of each fold's model.",
        _shown(pairs, ESTIMATES),
        f"In all {duration(total['cpu_s'])} of CPU time for trials. Wall time of the whole run, from the "
        "first search to the\nreport; the data are prepared by now:",
        "\n".join(
            f"  {counted(nodes, 'node'):>9} of {counted(cores, 'core')}: "
            f"about {duration(run_s(plan, waiting_arms, overhead, nodes, cores))}"
            for nodes in NODES
        ),
        f"Of the time on one node {percent(1 - search_s / jobs_s)} is what studies cost around their "
        f"searches; the longest\nstudy takes {duration(plan['job_s'].max())}, the longest "
        f"trial {duration(plan['longest_trial_s'].max())}.",
        *_warnings(plan, workers, trial_timeout_s),
    ]
    if total["measured_searches"]:
        paragraphs += [
            f"Ratios of estimate to measurement, for the {total['measured_searches']} searches that have "
            "results of these trials and data:\n"
            "1 is exact, 2 twice as much as it took (wall time: without interrupted searches). What the "
            "rules stopped\nshows in the steps used; the last column is the ratio of the CPU time "
            "estimated for these steps alone:",
            _shown(pairs, COMPARISONS),
        ]
    return "\n\n".join(paragraphs)


ESTIMATES = {
    "dataset": "data set",
    "algorithm": "algorithm",
    "searches": "searches",
    "trials": "trials",
    "steps": "steps",
    "cpu_s": "CPU time",
    "search_s": "wall time",
    "memory_mb": "largest trial MB",
}
COMPARISONS = {
    "dataset": "data set",
    "algorithm": "algorithm",
    "measured_searches": "searches",
    "cpu_ratio": "CPU ratio",
    "search_ratio": "wall ratio",
    "memory_ratio": "memory ratio",
    "used_fraction": "steps used",
    "of_steps_used": "CPU ratio of these",
}
# How columns are written that are no plain numbers.
WORDED = {"cpu_s": duration, "search_s": duration, "used_fraction": percent}


def _shown(pairs: pd.DataFrame, columns: Mapping[str, str]) -> str:
    table = pairs[list(columns)].copy()
    for name in table.columns[2:]:
        table[name] = table[name].map(WORDED.get(name, number))
    return table.rename(columns=columns).to_string(index=False)


def _warnings(plan: pd.DataFrame, workers: int, trial_timeout_s: float | None) -> list[str]:
    warnings = []
    for (dataset, algorithm), studies in plan.groupby(PAIR, sort=False):
        longest_s, largest_mb = studies["longest_trial_s"].max(), studies["memory_mb"].max()
        label = pair_label(dataset, algorithm)
        if trial_timeout_s is not None and longest_s > trial_timeout_s:
            warnings.append(
                f"WARNING: the longest trial of {label} will take about {duration(longest_s)}, but "
                f"search.trial_timeout_s ends it at {duration(trial_timeout_s)}. Raise that, or lower "
                "grid.batch_size or budget."
            )
        if studies["hides_sample_cost"].any():
            warnings.append(
                f"WARNING: when {label} was calibrated, large batches took no longer than small ones, "
                "which is impossible: something else kept the machine busy. Its large batches may "
                "take longer than planned. Measure again with nothing else running: "
                "snakemake --cores N plan --forcerun calibrate"
            )
        memory_mb = this_machine().memory_mb
        if largest_mb * workers > memory_mb:
            warnings.append(
                f"WARNING: {counted(workers, 'trial')} of {label} at a time may need "
                f"{number(largest_mb * workers)} MB, but this machine has {number(memory_mb)} MB. "
                "Lower search.workers or grid.batch_size."
            )
    return warnings
