"""RQ1: what a training step costs, above what a sample costs, against the batch size."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sysstop.report.baseline import (
    CHEAP_FACTOR,
    SAMPLE_TIME,
    STEP_TIME,
    cheap_batch_sizes,
    completed_baseline,
)
from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.style import (
    NARROW_INCHES,
    algorithm_colours,
    band_handle,
    draw_medians,
    label_ends,
    legend_below,
    logarithmic,
    message_figure,
    new_figure,
    scale_to_levels,
    styled,
)
from sysstop.report.wording import TIMES, algorithm_label, number
from sysstop.study.hyperparameters import BATCH_SIZE
from sysstop.study.keys import PAIR

FIGURE = FigureKind(
    name="cost",
    title="What a step and a sample cost, against the batch size",
    category="RQ1",
    subject="cost",
    caption=(
        "A line is the median of the full search's trials of one data set and algorithm, in steady time. "
        "Its band holds 80 % of them: noise, and what other hyperparameters do. Axes are logarithmic."
    ),
    tables=("trials",),
    config=("algorithms",),
)

LABELS = {STEP_TIME: "Time per step (ms)", SAMPLE_TIME: "Time per sample (µs)"}
PANEL_INCHES = 1.6


@styled
def draw(trials: pd.DataFrame, algorithms: Mapping[str, Mapping]) -> Figure:
    """Draw steady step time above steady time per sample, a line per data set and algorithm.

    A ring marks from which batch size on a sample costs at most `CHEAP_FACTOR` times the least.
    `algorithms` are the config's.
    """
    completed = completed_baseline(trials)
    if completed.empty:
        return message_figure("No trial of the baseline completed, so there is no cost to show.")
    colours = algorithm_colours(algorithms)
    figure = new_figure(2 * PANEL_INCHES + 1.0, width_inches=NARROW_INCHES)
    panels = figure.subplots(2, 1, sharex=True)
    for name, axes in zip((STEP_TIME, SAMPLE_TIME), panels, strict=True):
        scale_to_levels(axes, completed[BATCH_SIZE])
        logarithmic(axes, "y", completed[name])
        ends = _draw_pairs(axes, completed, name, colours)
        axes.set_ylabel(LABELS[name])
        label_ends(axes, ends, PANEL_INCHES)
    panels[-1].set_xlabel("Batch size (samples)")
    drawn = [name for name in algorithms if name in set(completed["algorithm"])]
    legend_below(figure, _legend({name: colours[name] for name in drawn}), columns=2)
    return figure


def _draw_pairs(
    axes: Axes, completed: pd.DataFrame, name: str, colours: Mapping[str, str]
) -> list[tuple[float, str, str]]:
    """Draw the lines; return where those of each data set end, its name and its colour."""
    cheap = cheap_batch_sizes(completed)
    ends: dict[str, list[tuple[float, str]]] = {}
    for (dataset, algorithm), of_pair in completed.groupby(PAIR):
        colour = colours[algorithm]
        medians = draw_medians(axes, of_pair, BATCH_SIZE, name, colour, marker=".")
        start = cheap[dataset, algorithm]
        axes.plot(start, medians[start], **_ring(colour))
        ends.setdefault(dataset, []).append((medians.iloc[-1], colour))
    return [
        (np.exp(np.mean(np.log([end for end, _ in of_dataset]))), dataset, _shared(of_dataset))
        for dataset, of_dataset in ends.items()
    ]


def _shared(of_dataset: list[tuple[float, str]]) -> str:
    colours = {colour for _, colour in of_dataset}
    return colours.pop() if len(colours) == 1 else "0.2"


def _ring(colour: str) -> dict[str, object]:
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": 8,
        "markeredgecolor": colour,
        "markerfacecolor": "none",
        "markeredgewidth": 1.6,
    }


def _legend(colours: Mapping[str, str]) -> dict[str, object]:
    factor = number(CHEAP_FACTOR)
    return {
        **{
            algorithm_label(name): Line2D([], [], color=colour, marker=".")
            for name, colour in colours.items()
        },
        f"from here on at most {factor} {TIMES} the least": Line2D([], [], **_ring("0.3")),
        **band_handle(),
    }
