"""RQ1: what a training step costs, beside what a sample costs, against the batch size."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.medians import completed_baseline, draw_medians
from sysstop.report.figures.style import (
    algorithm_colours,
    handles_of,
    legend_below,
    message_figure,
    new_figure,
    scale_to_levels,
    scale_to_values,
    styled,
)
from sysstop.study.metrics import METRIC_BY_NAME

FIGURE = FigureKind(
    name="cost",
    title="Cost per step and per sample",
    category="RQ1",
    caption=(
        "The same measurements seen twice: on the left the steady time of one training step, on "
        "the right that time divided by the batch size. Points are medians of the baseline's "
        "completed trials, bars reach from their 10 % to their 90 % quantile. The lines are the "
        "cost model, a fixed cost per step plus a cost per sample. Left of the dotted line most "
        "of a step is fixed cost; right of it the samples dominate, and larger batches make "
        "samples hardly cheaper. A limit on step time stops the batches that are cheapest per "
        "sample."
    ),
    tables=("trials", "cost_model"),
)

TIMES = ("steady_step_time_ms", "steady_sample_time_us")


@styled
def draw(trials: pd.DataFrame, cost_model: pd.DataFrame) -> Figure:
    """Draw a row per data set: steady step time and time per sample, with the cost model's lines.

    The model is step time = fixed cost + batch size x cost per sample. A dotted line marks the
    batch size at which both parts are equal, where it lies within the grid.
    """
    completed = completed_baseline(trials)
    if completed.empty:
        return message_figure("No trial of the baseline completed, so there is no cost to show.")
    datasets = list(dict.fromkeys(completed["dataset"]))
    figure = new_figure(2.1 * len(datasets) + 0.8)
    panels = figure.subplots(len(datasets), 2, squeeze=False)
    for dataset, row in zip(datasets, panels, strict=True):
        of_dataset = completed[completed["dataset"] == dataset]
        for name, axes in zip(TIMES, row, strict=True):
            for algorithm, of_algorithm in of_dataset.groupby("algorithm"):
                draw_medians(
                    axes,
                    of_algorithm[name],
                    of_algorithm["batch_size"],
                    algorithm=algorithm,
                    shift=0,
                    line=False,
                )
            scale_to_levels(axes, of_dataset["batch_size"])
            scale_to_values(axes, "y", of_dataset[name])
            axes.set_ylabel(METRIC_BY_NAME[name].axis_label)
            axes.autoscale(False)
            _draw_model(axes, name, cost_model[cost_model["dataset"] == dataset], of_dataset)
        row[0].set_title(dataset, loc="left")
    for axes in panels[-1]:
        axes.set_xlabel("Batch size (samples)")
    model_handles = {
        "cost model": Line2D([], [], color="0.4", linewidth=1),
        "fixed cost is half of a step": Line2D([], [], color="0.4", linestyle=":"),
    }
    if cost_model["fixed_ms"].isna().all():
        model_handles = {}
    legend_below(figure, handles_of(panels[:, 0]) | model_handles, columns=3)
    return figure


def _draw_model(axes: Axes, name: str, models: pd.DataFrame, trials: pd.DataFrame) -> None:
    smallest, largest = trials["batch_size"].min(), trials["batch_size"].max()
    batch_sizes = np.geomspace(smallest, largest, 100)
    for model in models.itertuples():
        colour = algorithm_colours()[model.algorithm]
        step_ms = model.fixed_ms + model.per_sample_us * batch_sizes / 1e3
        values = step_ms if name == TIMES[0] else 1e3 * step_ms / batch_sizes
        axes.plot(batch_sizes, values, color=colour, linewidth=1)
        if smallest < model.half_batch_size < largest:
            axes.axvline(model.half_batch_size, color=colour, linestyle=":", linewidth=1)
