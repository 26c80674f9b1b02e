"""RQ2: the learning curves of the trials, and where each arm stopped them."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.style import (
    arm_colours,
    legend_below,
    message_figure,
    name_axis,
    new_figure,
    scale_to_values,
    styled,
)
from sysstop.report.wording import algorithm_label, arm_label, arm_order
from sysstop.study.metrics import METRIC_BY_NAME
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM

FIGURE = FigureKind(
    name="courses",
    title="Which trials were stopped",
    category="RQ2",
    subject="budget",
    caption=(
        "A line is a trial of the first repetition. Coloured ones were stopped at the dot, grey ones were "
        "not, the black one is the full search's best. A limit stops trials whatever their loss: look at "
        "how low the dots lie."
    ),
    tables=("windows", "trials"),
    per_dataset=True,
)

X, Y = "steady_train_time_s", "val_loss"


@styled
def draw(windows: pd.DataFrame, trials: pd.DataFrame) -> Figure:
    """Draw validation loss over steady training time, one data set: algorithms x stopping arms.

    Every line is a trial of the first repetition; the baseline's best trial is drawn in black.
    """
    windows, trials = (table[table["repetition"] == 1] for table in (windows, trials))
    arms = [arm for arm in arm_order(trials["arm"]) if arm != BASELINE_ARM]
    completed = trials[(trials["arm"] == BASELINE_ARM) & (trials["status"] == Status.COMPLETED)]
    if not arms or completed.empty:
        return message_figure(
            "Only the baseline arm was run, so no trial was stopped."
            if not arms
            else "No trial of the baseline completed, so there are no curves to compare."
        )
    algorithms = sorted(completed["algorithm"].unique())
    figure = new_figure(2.0 * len(algorithms) + 0.9, width_inches=max(5.0, 1.9 * len(arms) + 0.8))
    panels = figure.subplots(len(algorithms), len(arms), sharex=True, sharey="row", squeeze=False)
    for algorithm, row in zip(algorithms, panels, strict=True):
        of_algorithm = windows[windows["algorithm"] == algorithm]
        usual = _curves_of(of_algorithm, completed[completed["algorithm"] == algorithm])
        best = completed[completed["algorithm"] == algorithm].nlargest(1, "score")
        for arm, axes in zip(arms, row, strict=True):
            stopped = trials[
                (trials["algorithm"] == algorithm)
                & (trials["arm"] == arm)
                & (trials["status"] == Status.STOPPED)
            ]
            curves = _curves_of(of_algorithm, stopped)
            colour = arm_colours(arms)[arm]
            _draw_lines(axes, of_algorithm[of_algorithm["arm"] == arm], "0.8", 0.5)
            _draw_lines(axes, _curves_of(of_algorithm, best), "black", 1.4)
            _draw_lines(axes, curves, colour, 0.7)
            ends = curves.groupby("trial_id").tail(1)
            axes.plot(ends[X], ends[Y], linestyle="none", marker="o", markersize=3, color=colour)
        scale_to_values(row[0], "y", usual[Y])
        name_axis(row[0], "y", f"{algorithm_label(algorithm)}\n{METRIC_BY_NAME[Y].label}")
        row[0].set_ylim(0.93 * usual[Y].min(), 1.1 * usual[Y].quantile(0.99))
    scale_to_values(panels[0, 0], "x", windows[X])
    panels[0, 0].set_xlim(0.9 * windows[X].min(), 1.1 * windows[X].max())
    for arm, axes in zip(arms, panels[0], strict=True):
        axes.set_title(arm_label(arm), color=arm_colours(arms)[arm])
    for axes in panels[-1]:
        name_axis(axes, "x", f"Training time ({METRIC_BY_NAME[X].unit})")
    figure.suptitle(trials["dataset"].iloc[0])
    legend_below(
        figure,
        {
            "not stopped": Line2D([], [], color="0.8"),
            "stopped at the dot": Line2D([], [], color="0.4", marker="o", linewidth=0.7),
            "baseline's best trial": Line2D([], [], color="black"),
        },
    )
    return figure


def _curves_of(windows: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    return windows.merge(trials[["algorithm", "arm", "trial_id"]])


def _draw_lines(axes: Axes, windows: pd.DataFrame, colour: str, width: float) -> None:
    lines = [np.column_stack([curve[X], curve[Y]]) for _, curve in windows.groupby("trial_id")]
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=width))
