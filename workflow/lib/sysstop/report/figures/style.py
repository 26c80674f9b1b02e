"""What all figures share: fonts, colours, axes, legends and how they are written."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox

from sysstop.report.figures.palette import PALETTE
from sysstop.report.wording import arm_order, number

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8.5,
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
# Of figures that stand beside text, and are still legible on a telephone.
NARROW_INCHES = 4.7
LABEL_POINTS = 8.5
LABEL_LINE_POINTS = 1.25 * LABEL_POINTS
# Half of a mark that has a label, and how many lines away from it the label may stand.
MARK_POINTS = 4.0
LABEL_LINES = 8
BASELINE_COLOUR = "#595959"
MARKERS = "oDsv^P*Xd<>"
# An axis spans at least this share of its values, so that mere noise does not look like an effect.
LEAST_SPAN = 0.02
# Values that differ by more than this factor are shown on a logarithmic axis.
LOG_FROM_FACTOR = 10.0

LINE_LENGTH = 20

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


def wrapped(label: str) -> str:
    """Return an axis label in lines that fit the side of a small panel."""
    return textwrap.fill(label, LINE_LENGTH)


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
    logarithmic(axes, which, values)


def logarithmic(axes: Axes, which: Literal["x", "y"], values: pd.Series) -> None:
    """Make an axis of positive values logarithmic, with plain numbers."""
    low, high = values.min(), values.max()
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low / 1.25, high * 1.25)})
    decades = np.log10(high / low)
    factors = (1, 2, 5) if decades <= 1.2 else (1, 3) if decades <= 2.5 else (1,)
    stride = max(1, round(decades / 4))
    powers = np.arange(np.floor(np.log10(low)), np.log10(high) + 1, stride)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    _set_ticks(axes.xaxis if which == "x" else axes.yaxis, ticks)


def name_axis(axes: Axes, which: Literal["x", "y"], label: str) -> None:
    """Label an axis whose scale is set, and say so if that is logarithmic."""
    scale = axes.get_xscale() if which == "x" else axes.get_yscale()
    axes.set(**{f"{which}label": f"{label}\nlog scale" if scale == "log" else label})


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


def draw_medians(
    axes: Axes, of_one: pd.DataFrame, level: str, metric: str, colour: str, **line: str
) -> pd.Series:
    """Draw and return the median of a metric at each level; a band holds 80 % of the trials there."""
    quantiles = of_one.groupby(level)[metric].quantile([0.1, 0.5, 0.9]).unstack()
    axes.fill_between(quantiles.index, quantiles[0.1], quantiles[0.9], color=colour, alpha=0.2)
    axes.plot(quantiles.index, quantiles[0.5], color=colour, **line)
    return quantiles[0.5]


def band_handle() -> dict[str, Patch]:
    """Return the entry of such a band in a legend."""
    return {"80 % of the trials": Patch(color="0.3", alpha=0.2)}


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Return the places, in their order, moved as little as needed to be a gap apart.

    They are kept between 0 and 1 as far as there is room.
    """
    order = np.argsort(places, kind="stable")
    moved = np.array(places, dtype=float)[order] - gap * np.arange(len(places))
    # With the gaps taken out they must not fall: what does is pooled into its mean.
    blocks: list[list[float]] = []
    for place in moved:
        blocks.append([place])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    level = [np.mean(block) for block in blocks for _ in block]
    steps = gap * np.arange(len(places))
    room = max(0.0, 1 - gap * len(places))
    result = np.empty(len(places))
    result[order] = np.clip(level, gap / 2, gap / 2 + room) + steps
    return list(result)


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]], panel_inches: float) -> None:
    """Write labels (height, text, colour) right of a panel whose scales are set, none on another."""
    x = axes.get_xlim()[1]
    heights = [_in_axes(axes, x, y)[1] for y, _, _ in ends]
    for height, (_, text, colour) in zip(spread(heights, _line(panel_inches)), ends, strict=True):
        axes.annotate(
            text,
            (1, height),
            (6, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            va="center",
            fontsize=LABEL_POINTS,
            color=colour,
            annotation_clip=False,
        )


def label_points(axes: Axes, points: Sequence[tuple[float, float, str, str]]) -> None:
    """Write labels (x, y, text, colour) beside points of a panel whose scales are set.

    Each stands as near to its point as it can without covering a point or another label, joined to it
    by a line.
    """
    figure = axes.get_figure()
    figure.draw_without_rendering()  # so that sizes are known
    renderer = FigureCanvasAgg(figure).get_renderer()
    inside = axes.get_window_extent()
    marks = axes.transData.transform([point[:2] for point in points])
    margin = MARK_POINTS * figure.dpi / 72
    taken = [Bbox([mark - margin, mark + margin]) for mark in marks]
    for x, y, text, colour in sorted(points):
        label = axes.annotate(
            text,
            (x, y),
            xytext=(0, 0),
            textcoords="offset points",
            va="center",
            fontsize=LABEL_POINTS,
            color=colour,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5},
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6},
        )
        for place, side in _label_places():
            label.set_position(place)
            label.set_horizontalalignment(side)
            label.update_positions(renderer)
            box = Text.get_window_extent(label)  # without the line
            fits = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0
            if fits and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def _label_places() -> Iterator[tuple[tuple[float, float], str]]:
    """Yield where a label may stand, in points from its point, and how it is aligned; nearest first."""
    for line in range(LABEL_LINES):
        for up in (1, -1) if line else (1,):
            for side, away in (("left", 1), ("right", -1)):
                yield (2 * MARK_POINTS * away, LABEL_LINE_POINTS * line * up), side


def _in_axes(axes: Axes, x: float, y: float) -> tuple[float, float]:
    return tuple(axes.transAxes.inverted().transform(axes.transData.transform((x, y))))


def _line(panel_inches: float) -> float:
    """Return the height of a line of a label as a share of a panel's."""
    return LABEL_LINE_POINTS / 72 / panel_inches


def legend_below(figure: Figure, handles: Mapping[str, object], columns: int = 4) -> None:
    """Put a legend (label to handle) below the figure's panels, where it covers nothing."""
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=min(columns, len(handles)),
        columnspacing=1.2,
    )


def handles_of(panels: Iterable[Axes]) -> dict[str, object]:
    """Return the labelled artists of some panels by their label, each label once."""
    return {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
