"""RQ1: each system metric against each hyperparameter."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sysstop.report.figures.style import (
    draw_medians,
    handles_of,
    legend_below,
    message_figure,
    new_figure,
    scale_to_levels,
    scale_to_values,
    styled,
)
from sysstop.report.wording import capitalised, spoken
from sysstop.study.keys import HYPERPARAMETERS
from sysstop.study.metrics import METRICS
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM


def completed_baseline(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that show a configuration's full cost: of the baseline, and completed."""
    return trials[(trials["arm"] == BASELINE_ARM) & (trials["status"] == Status.COMPLETED)]


@styled
def response_figure(trials: pd.DataFrame) -> Figure:
    """Draw the trials of one data set: a row per system metric, a column per hyperparameter."""
    completed = completed_baseline(trials)
    if completed.empty:
        return message_figure("No trial of the baseline completed, so there is nothing to show.")
    metrics = [metric for metric in METRICS if metric.kind == "system"]
    algorithms = sorted(completed["algorithm"].unique())
    figure = new_figure(1.35 * len(metrics) + 0.9)
    panels = figure.subplots(
        len(metrics), len(HYPERPARAMETERS), sharex="col", sharey="row", squeeze=False
    )
    for metric, row in zip(metrics, panels, strict=True):
        for hyperparameter, axes in zip(HYPERPARAMETERS, row, strict=True):
            shifts = 0.014 * (np.arange(len(algorithms)) - (len(algorithms) - 1) / 2)
            for algorithm, shift in zip(algorithms, shifts, strict=True):
                of_algorithm = completed[completed["algorithm"] == algorithm]
                draw_medians(
                    axes,
                    of_algorithm[metric.name],
                    of_algorithm[hyperparameter],
                    algorithm=algorithm,
                    shift=shift,
                    line=True,
                )
        scale_to_values(row[0], "y", completed[metric.name])
        row[0].set_ylabel(metric.axis_label.replace(" (", "\n("))
    for hyperparameter, axes in zip(HYPERPARAMETERS, panels[-1], strict=True):
        scale_to_levels(axes, completed[hyperparameter])
        unit = " (samples)" if hyperparameter == "batch_size" else ""
        axes.set_xlabel(capitalised(spoken(hyperparameter)) + unit)
    figure.align_ylabels(panels[:, 0])
    figure.suptitle(trials["dataset"].iloc[0])
    legend_below(figure, handles_of(panels[0, :1]))
    return figure
