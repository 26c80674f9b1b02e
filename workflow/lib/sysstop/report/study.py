"""The tables of the source study and of the results, for LaTeX documents and for the report.

Each function returns a table with heads for readers; `latex` and `display` turn it into text.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from sysstop.analysis.budgets import arm_summary
from sysstop.report.wording import (
    MISSING,
    SIGNIFICANCE_LEVEL,
    algorithm_label,
    arm_label,
    arm_order,
    capitalised,
    counted,
    metric_label,
    number,
    percent,
    spoken,
    tenths,
    whole_percent,
    with_unit,
)
from sysstop.study.algorithms import ALGORITHMS
from sysstop.study.arms import NO_RULE, stopped_is_candidate
from sysstop.study.keys import HYPERPARAMETERS, PAIR
from sysstop.study.metrics import METRIC_BY_NAME, METRICS, metric_names
from sysstop.study.rules import RULES

# More rows than fit on a page; LaTeX breaks such a table if it is a `longtable`.
ROWS_PER_PAGE = 40


def read_split_summaries(split_folders: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return the summary of each data set's split by the data set's name."""
    splits = [json.loads((Path(folder) / "split.json").read_text()) for folder in split_folders]
    return {split["name"]: split["summary"] for split in splits}


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


def algorithm_table(config: Mapping[str, Any]) -> pd.DataFrame:
    """Return the study's algorithms: name, task, loss and the grid of each hyperparameter."""
    grid = {capitalised(spoken(name)): _grid_text(config["grid"][name]) for name in HYPERPARAMETERS}
    rows = [
        {
            "Algorithm": ALGORITHMS[name].label,
            "Task": ALGORITHMS[name].task,
            "Loss": ALGORITHMS[name].loss_label,
            **grid,
        }
        for name in config["study"]["algorithms"]
    ]
    return pd.DataFrame(rows)


def _grid_text(values: object) -> str:
    if values == "powers_of_two":
        return "2, 4, 8, ... up to the rows that a fold model trains on"
    return ", ".join(map(number, values))


def arm_table(config: Mapping[str, Any]) -> pd.DataFrame:
    """Return the study's arms: name, when each stops a trial, and whether such a trial may win."""
    rows = []
    for name in arm_order(config["study"]["arms"]):
        arm = config["arms"][name]
        may_win = "yes" if stopped_is_candidate(arm) else "no"
        rows.append(
            {
                "Arm": arm_label(name),
                "Stops a trial": capitalised(arm_description(arm)),
                "A stopped trial may be chosen": MISSING if arm["rule"] == NO_RULE else may_win,
            }
        )
    return pd.DataFrame(rows)


def arm_description(arm: Mapping[str, Any]) -> str:
    """Return when an arm of the config stops a trial, as the end of a sentence."""
    if arm["rule"] == NO_RULE:
        return "never: trains it to the end of its budget"
    rule = RULES[arm["rule"]]
    metric = METRIC_BY_NAME[arm.get("metric", getattr(rule, "metric", None))]
    if "patience" in arm:
        improvement = arm.get("min_improvement", 0)
        by = f" by more than {number(improvement)}" if improvement else ""
        return (
            f"once its {metric.label.lower()} has not fallen{by} for more than "
            f"{counted(arm['patience'], 'window')}"
        )
    if "quantile" in arm:
        limit = f"what {percent(arm['quantile'])} of the baseline's completed trials stay within"
    else:
        limit = with_unit(arm["limit"], metric.unit)
    predicted = "predicted " if rule.name.startswith("predicted") else ""
    return f"as soon as its {predicted}{metric_label(metric.name)} exceeds {limit}"


def budget_summary(budget: pd.DataFrame) -> pd.DataFrame:
    """Return what each arm saved and lost, as means over the repetitions (see `budgets`).

    With several repetitions the saving of time has its 95 % interval, which makes the column text.
    The baseline comes first among the arms of a data set and algorithm.
    """
    place = {arm: at for at, arm in enumerate(arm_order(budget["arm"]))}
    in_order = budget.sort_values(
        [*PAIR, "arm"],
        key=lambda column: column.map(place) if column.name == "arm" else column,
    )
    summary = arm_summary(in_order)
    winners_stopped = (summary["winner_stopped"] * summary["repetitions"]).round().astype(int)
    return pd.DataFrame(
        {
            "Data set": summary["dataset"],
            "Algorithm": summary["algorithm"].map(algorithm_label),
            "Arm": summary["arm"].map(arm_label),
            "Trials stopped (%)": 100 * summary["trials_stopped"] / summary["trials"],
            "Training time (s)": summary["train_time_s"],
            "Time saved (%)": _with_interval(summary, "saved_fraction"),
            "Noise floor (%)": 100 * summary["noise_floor"],
            "Steps saved (%)": 100 * summary["saved_steps_fraction"],
            "Winner stopped": [
                f"{stopped} of {repetitions}"
                for stopped, repetitions in zip(
                    winners_stopped, summary["repetitions"], strict=True
                )
            ],
            "Best score": summary["best_score"],
            "Regret": summary["regret"].round(12),  # a mean of nothing may be off by 1e-17
            "Test regret": summary["test_regret"].round(12),
        }
    )


def _with_interval(summary: pd.DataFrame, fraction: str) -> pd.Series:
    """Return a fraction in percent, as "31 (25 to 36)" where there are several repetitions."""
    columns = [100 * summary[name] for name in (fraction, f"{fraction}_low", f"{fraction}_high")]
    if (summary["repetitions"] == 1).all():
        return columns[0]
    texts = []
    for value, low, high in zip(*columns, strict=True):
        text = tenths(value)
        known = not pd.isna(low) and low < high
        texts.append(f"{text} ({tenths(low)} to {tenths(high)})" if known else text)
    return pd.Series(texts, summary.index)


def effect_digest(effects: pd.DataFrame) -> pd.DataFrame:
    """Return a row per data set, algorithm and metric, and a column per hyperparameter.

    A cell holds the share of variance in percent, its 95 % interval, and the direction if the
    adjusted p value is below `SIGNIFICANCE_LEVEL`.
    """
    texts = effects.assign(text=[_effect_text(effect) for effect in effects.itertuples()])
    keys = [*PAIR, "metric"]
    by_metric = texts.groupby(keys, sort=False)
    digest = texts.pivot(index=keys, columns="hyperparameter", values="text")
    digest = digest.loc[list(by_metric.groups), HYPERPARAMETERS].reset_index()
    heads = {name: f"{capitalised(spoken(name))} (%)" for name in HYPERPARAMETERS}
    digest = digest.rename(
        columns={"dataset": "Data set", "algorithm": "Algorithm", "metric": "Metric", **heads}
    )
    digest["Algorithm"] = digest["Algorithm"].map(algorithm_label)
    digest["Metric"] = [METRIC_BY_NAME[metric].label for metric in digest["Metric"]]
    digest.insert(3, "Trials", by_metric["n"].max().to_numpy())
    return digest


def _effect_text(effect: Any) -> str:
    if pd.isna(effect.effect_size):
        return "one value only" if effect.levels == 1 else MISSING
    shares = (effect.effect_size, effect.effect_low, effect.effect_high)
    share, low, high = (whole_percent(value) for value in shares)
    text = f"{share} ({low} to {high})"
    if not effect.p_adjusted < SIGNIFICANCE_LEVEL:
        return text
    return f"{text}, {'rises' if effect.rank_correlation > 0 else 'falls'}"


def noise_digest(noise: pd.DataFrame) -> pd.DataFrame:
    """Return a row per data set and algorithm, and a column for the noise floor of each metric."""
    keys = ["dataset", "algorithm", "repeated_trials"]
    digest = (100 * noise.pivot(index=keys, columns="metric", values="floor")).reset_index()
    heads = {"dataset": "Data set", "repeated_trials": "Repeated trials"}
    columns = {name: f"{METRIC_BY_NAME[name].label} (%)" for name in metric_names("system")}
    digest.insert(1, "Algorithm", digest.pop("algorithm").map(algorithm_label))
    return digest.reindex(columns=["dataset", "Algorithm", "repeated_trials", *columns]).rename(
        columns=heads | columns
    )


def cost_table(cost_model: pd.DataFrame) -> pd.DataFrame:
    """Return the cost model of each data set and algorithm (see `effects.cost_model`)."""
    return pd.DataFrame(
        {
            "Data set": cost_model["dataset"],
            "Algorithm": cost_model["algorithm"].map(algorithm_label),
            "Fixed cost of a step (ms)": cost_model["fixed_ms"],
            "Cost per sample (µs)": cost_model["per_sample_us"],
            "Half of a step is fixed at batch size": cost_model["half_batch_size"].replace(
                np.inf, np.nan
            ),
            "R squared": cost_model["r_squared"],
            "Trials": cost_model["n"],
        }
    )


def display(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with every value as text: numbers in three digits, gaps as a dash."""
    return table.apply(lambda column: column.astype(object).map(_cell_text))


def _cell_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value)


def numeric_columns(table: pd.DataFrame) -> list[bool]:
    """Tell for each column whether it holds numbers, which are aligned on the right."""
    return [is_numeric_dtype(dtype) and not is_bool_dtype(dtype) for dtype in table.dtypes]


def latex(table: pd.DataFrame) -> str:
    r"""Return a table as LaTeX for \input, which needs the package booktabs.

    A table longer than a page is a `longtable`, which needs the package of that name.
    """
    styler = display(table).style.hide(axis="index")
    styler = styler.format(escape="latex").format_index(escape="latex", axis="columns")
    return styler.to_latex(
        hrules=True,
        column_format="".join("r" if numeric else "l" for numeric in numeric_columns(table)),
        environment="longtable" if len(table) > ROWS_PER_PAGE else None,
    )
