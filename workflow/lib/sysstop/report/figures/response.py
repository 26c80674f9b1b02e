"""RQ1: each system metric against each hyperparameter."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.medians import completed_baseline, draw_medians
from sysstop.report.figures.style import (
    handles_of,
    legend_below,
    message_figure,
    new_figure,
    scale_to_levels,
    scale_to_values,
    styled,
    wrapped,
)
from sysstop.report.wording import capitalised, spoken
from sysstop.results.tables import in_grid_order, own_hyperparameters
from sysstop.study.hyperparameters import BATCH_SIZE, Levels
from sysstop.study.metrics import METRIC_BY_NAME, steady_system_metrics

FIGURE = FigureKind(
    name="response",
    title="System metrics against hyperparameters",
    category="RQ1",
    caption=(
        "Each row is a system metric (times are steady), each column a hyperparameter, each colour "
        "an algorithm. "
        "Points are medians over all completed trials of the full-budget baseline that share the "
        "value on the horizontal axis; bars reach from their 10 % to their 90 % quantile, so they "
        "also hold what the other hyperparameters do. Where the medians stay level, the "
        "hyperparameter makes no difference. Where trials diverged, mostly at large learning "
        "rates, the medians of those left over can shift without any effect; the shares of "
        "variance compare like with like. Compare step time with time per sample: what a batch "
        "costs depends on which of the two counts."
    ),
    tables=("trials",),
    config=("algorithms", "hyperparameters"),
    per_dataset=True,
)


@styled
def draw(
    trials: pd.DataFrame, algorithms: Mapping[str, Mapping], hyperparameters: Levels
) -> Figure:
    """Draw the trials of one data set: a row per system metric, a column per hyperparameter.

    `algorithms` are the config's. Values of `hyperparameters` that are no numbers stand side by
    side, in the order of the grid.
    """
    completed = completed_baseline(trials)
    if completed.empty:
        return message_figure("No trial of the baseline completed, so there is nothing to show.")
    metrics = [METRIC_BY_NAME[name] for name in steady_system_metrics()]
    completed = in_grid_order(completed, hyperparameters)
    drawn = sorted(completed["algorithm"].unique())
    names = own_hyperparameters(completed, hyperparameters)
    figure = new_figure(1.35 * len(metrics) + 0.9)
    panels = figure.subplots(len(metrics), len(names), sharex="col", sharey="row", squeeze=False)
    for metric, row in zip(metrics, panels, strict=True):
        for hyperparameter, axes in zip(names, row, strict=True):
            shifts = 0.014 * (np.arange(len(drawn)) - (len(drawn) - 1) / 2)
            for algorithm, shift in zip(drawn, shifts, strict=True):
                of_algorithm = completed[completed["algorithm"] == algorithm]
                if of_algorithm[hyperparameter].isna().all():
                    continue
                draw_medians(
                    axes,
                    of_algorithm[metric.name],
                    of_algorithm[hyperparameter],
                    algorithm=algorithm,
                    algorithms=algorithms,
                    shift=shift,
                    line=True,
                )
        scale_to_values(row[0], "y", completed[metric.name])
        row[0].set_ylabel(wrapped(metric.axis_label))
    for hyperparameter, axes in zip(names, panels[-1], strict=True):
        texts = hyperparameters[hyperparameter]
        if texts is None:
            scale_to_levels(axes, completed[hyperparameter].dropna())
        else:
            axes.set_xticks(range(len(texts)), texts)
        unit = " (samples)" if hyperparameter == BATCH_SIZE else ""
        axes.set_xlabel(capitalised(spoken(hyperparameter)) + unit)
    figure.align_ylabels(panels[:, 0])
    figure.suptitle(trials["dataset"].iloc[0])
    legend_below(figure, handles_of(panels[0]))
    return figure
