"""What all figures share: fonts, colours, axes, legends and how they are written."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sysstop.report.figures.palette import PALETTE
from sysstop.report.wording import arm_order, number

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "figure.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    # The same tables make the same files: glyphs as paths, and ids from a fixed salt.
    "svg.fonttype": "path",
    "svg.hashsalt": "sysstop",
    "pdf.fonttype": 42,
    "text.parse_math": False,
}
WIDTH_INCHES = 8.0
BASELINE_COLOUR = "#595959"
MARKERS = "oDsv^P*Xd<>"
# An axis spans at least this share of its values, so that mere noise does not look like an effect.
LEAST_SPAN = 0.02
# Values that differ by more than this factor are shown on a logarithmic axis.
LOG_FROM_FACTOR = 10.0

# Matplotlib's own defaults below it, and not those of a user's matplotlibrc.
_COMPLETE_STYLE = ["default", STYLE]

styled = matplotlib.style.context(_COMPLETE_STYLE)
"""Decorator of the figure functions: what they draw follows the shared style."""


def save(figure: Figure, svg: Path, pdf: Path) -> None:
    """Write a figure as SVG and PDF, byte for byte the same each time."""
    with matplotlib.style.context(_COMPLETE_STYLE):
        figure.savefig(svg, metadata={"Date": None})
        figure.savefig(pdf, metadata={"CreationDate": None})


def new_figure(height_inches: float, width_inches: float = WIDTH_INCHES) -> Figure:
    """Return an empty figure whose parts never overlap."""
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08)
    return figure


def message_figure(message: str) -> Figure:
    """Return a figure that says why there is nothing to draw."""
    figure = new_figure(1.2)
    figure.text(0.5, 0.5, message, ha="center", va="center")
    return figure


def algorithm_colours(algorithms: Iterable[str]) -> dict[str, str]:
    """Return the colour of each of the study's algorithms, the same in every figure."""
    return {name: PALETTE[at % len(PALETTE)] for at, name in enumerate(algorithms)}


def algorithm_markers(algorithms: Iterable[str]) -> dict[str, str]:
    """Return the marker of each of the study's algorithms, the same in every figure."""
    return {name: MARKERS[at % len(MARKERS)] for at, name in enumerate(algorithms)}


def arm_colours(arms: Iterable[str]) -> dict[str, str]:
    """Return the colour of each arm; the baseline is grey."""
    baseline, *others = [BASELINE_COLOUR, *PALETTE[:7], *PALETTE[8:]]
    return {
        arm: others[(at - 1) % len(others)] if at else baseline
        for at, arm in enumerate(arm_order(["none", *arms]))
    }


def arm_markers(arms: Iterable[str]) -> dict[str, str]:
    """Return the marker of each arm."""
    return {arm: MARKERS[at % len(MARKERS)] for at, arm in enumerate(arm_order(["none", *arms]))}


def scale_to_values(axes: Axes, which: Literal["x", "y"], values: pd.Series) -> None:
    """Make an axis logarithmic, with plain numbers, if its values are positive and span decades.

    An axis whose values hardly differ is widened to `LEAST_SPAN` of them.
    """
    values = values[np.isfinite(values)]
    if not values.empty and np.ptp(values) < LEAST_SPAN * abs(values).max():
        middle = (values.max() + values.min()) / 2
        half = LEAST_SPAN / 2 * abs(values).max()
        axes.set(**{f"{which}lim": (middle - half, middle + half)})
    if values.empty or values.min() <= 0 or values.max() < LOG_FROM_FACTOR * values.min():
        return
    axes.set(**{f"{which}scale": "log"})
    first, last = np.floor(np.log10([values.min(), values.max()]))
    factors = (1, 3) if last - first <= 2 else (1,)
    stride = max(1, round((last - first) / 4))
    powers = np.arange(first, last + 2, stride)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    _set_ticks(axes.xaxis if which == "x" else axes.yaxis, ticks)


def scale_to_levels(axes: Axes, levels: Iterable[float]) -> None:
    """Make the x axis logarithmic for a hyperparameter, with ticks at as many levels as have room.

    A level of 0 is shown left of the others.
    """
    levels = np.unique(levels).astype(float)
    if levels[0] > 0:
        axes.set_xscale("log")
        places = np.log(levels)
    else:
        smallest = levels[levels > 0].min(initial=1.0)
        axes.set_xscale("symlog", linthresh=smallest)
        places = np.arcsinh(levels / smallest)
    room = np.ptp(places) / 5.5
    shown = [len(levels) - 1]
    for at in range(len(levels) - 2, -1, -1):
        if places[shown[-1]] - places[at] >= room:
            shown.append(at)
    _set_ticks(axes.xaxis, levels[shown])


def _set_ticks(axis: Axis, ticks: Iterable[float]) -> None:
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def legend_below(figure: Figure, handles: Mapping[str, object], columns: int = 4) -> None:
    """Put a legend (label to handle) below the figure's panels, where it covers nothing."""
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=min(columns, len(handles)),
    )


def handles_of(panels: Iterable[Axes]) -> dict[str, object]:
    """Return the labelled artists of some panels by their label, each label once."""
    return {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
