"""What was studied: data sets, algorithms with their grid, metrics, and how trials are run."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from sysstop.report.subject import Subject
from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import (
    MISSING,
    algorithm_label,
    capitalised,
    counted,
    in_words,
    number,
    percent,
    spoken,
)
from sysstop.study.hyperparameters import (
    SAMPLE,
    algorithm_grid,
    hyperparameters_of,
    is_number,
    value_text,
)
from sysstop.study.metrics import METRICS
from sysstop.study.studies import planned_repetitions


def dataset_table(
    config: Mapping[str, Any], split_summaries: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Return the study's data sets: name, type, task, examples and features (before encoding).

    Sizes come from the summary of the data set's split (see `data.splitting.make_split`), if there is one
    in `split_summaries`, else from its entry in the config, which need not have them.
    """
    rows = []
    for name in config["study"]["datasets"]:
        entry, summary = config["datasets"][name], split_summaries.get(name, {})
        classes = summary.get("classes", entry.get("classes"))
        rows.append(
            {
                "Data set": name,
                "Type": entry.get("type", "tabular"),
                "Task": f"{entry['task']}, {counted(classes, 'class', 'classes')}"
                if entry["task"] == "classification" and classes
                else entry["task"],
                "Examples": summary.get("rows", entry.get("rows")),
                "Features": summary.get("features_before_encoding", entry.get("features")),
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"Examples": "Int64", "Features": "Int64"})


def algorithm_table(config: Mapping[str, Any]) -> pd.DataFrame:
    """Return the study's algorithms: estimator, task, loss and the grid of each hyperparameter."""
    rows = []
    for name in config["study"]["algorithms"]:
        entry, grid = config["algorithms"][name], algorithm_grid(config, name)
        rows.append(
            {
                "Algorithm": algorithm_label(name),
                "Estimator": entry["estimator"],
                "Task": entry["task"],
                "Loss": spoken(entry["loss"]),
            }
            | {
                capitalised(spoken(hyperparameter)): _grid_text(grid[hyperparameter])
                for hyperparameter in hyperparameters_of(grid)
            }
        )
    return pd.DataFrame(rows)


def _grid_text(values: object) -> str:
    limit = "up to the rows that a fold model trains on"
    match values:
        case "powers_of_two":
            return f"2, 4, 8, ... {limit}"
        case {"up_to_rows": sizes}:
            return f"{_values_text(sizes)}, {limit}"
    return _values_text(values)


def _values_text(values: Iterable[object]) -> str:
    return ", ".join(number(value) if is_number(value) else value_text(value) for value in values)


def metric_table() -> pd.DataFrame:
    """Return the metrics of the registry: name, unit, kind and meaning."""
    return pd.DataFrame(
        {
            "Metric": [metric.label for metric in METRICS],
            "Unit": [metric.unit or MISSING for metric in METRICS],
            "Kind": [metric.kind for metric in METRICS],
            "Meaning": [metric.description for metric in METRICS],
        }
    )


DATASETS_TABLE = ReportTable(
    name="datasets",
    title="Data sets",
    digest=lambda data: dataset_table(data.config, data.split_summaries),
)
ALGORITHMS_TABLE = ReportTable(
    name="algorithms",
    title="Algorithms and their grid",
    digest=lambda data: algorithm_table(data.config),
)
METRICS_TABLE = ReportTable(
    name="metrics",
    title="Metrics",
    digest=lambda data: metric_table(),
)


def study_size(config: Mapping[str, Any], trials: pd.DataFrame) -> str:
    """Say how many data sets, algorithms, arms, repetitions and trials there are."""
    study = config["study"]
    parts = [
        counted(trials["dataset"].nunique(), "data set"),
        counted(trials["algorithm"].nunique(), "algorithm"),
        counted(trials["arm"].nunique(), "arm"),
        counted(len(planned_repetitions(study["repetitions"])), "repetition"),
        counted(len(trials), "trial"),
    ]
    return in_words(parts) + _partial_note(config)


def _partial_note(config: Mapping[str, Any]) -> str:
    partial = config.get("partial")
    if not partial:
        return ""
    return (
        f". PARTIAL REPORT: only {partial['finished']:,} of "
        f"{counted(partial['planned'], 'search', 'searches')} are finished so far"
    )


def study_method(config: Mapping[str, Any]) -> list[str]:
    """Say how a trial is trained, for how long, and when it is measured."""
    budget, split = config["budget"], config["split"]
    bounds = [counted(budget["steps"], "training step")]
    if budget["epochs"] is not None:
        bounds.append(f"{budget['epochs']:g} epochs")
    if budget["seconds"] is not None:
        bounds.append(f"{budget['seconds']:g} s of training")
    first = ", whichever ends first" if len(bounds) > 1 else ""
    sample = config["grid"].get(SAMPLE)
    sampled = [
        f"Of each grid at most {counted(sample, 'configuration')} {'was' if sample == 1 else 'were'} "
        "searched, drawn at random with the study's seed: the same in all arms and repetitions."
    ]
    return [
        f"{percent(split['test_fraction'])} of each data set is held out for the test. A trial is "
        f"one configuration of the grid: {counted(split['folds'], 'model')}, one for each fold of "
        "a cross validation on the rest, trained side by side on one core. A training step fits "
        "one mini-batch into one model with the estimator's partial_fit; scikit-learn's linear models "
        "are updated on one sample of the mini-batch at a time.",
        *(sampled if sample is not None else []),
        f"A trial may use {in_words(bounds, 'or')} of each model{first}. After every "
        f"{counted(budget['window_steps'], 'step')}, which make a window, the models are evaluated "
        "and the system metrics are read, while a mini-batch is still in memory; only then may a "
        f"rule stop the trial. The first {counted(budget['warmup_steps'], 'step')} do not count "
        "towards step time.",
    ]


STUDY = Subject(
    name="study",
    tables=(DATASETS_TABLE, ALGORITHMS_TABLE, METRICS_TABLE),
    method=lambda data: study_method(data.config),
)
