"""Readings of the same trial in wall time and in steady time."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sysstop.analysis.noise import FLOOR_QUANTILE, repeated_readings
from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.style import (
    BASELINE_COLOUR,
    PALETTE,
    legend_below,
    message_figure,
    new_figure,
    styled,
)
from sysstop.report.wording import algorithm_label, percent
from sysstop.study.keys import PAIR, REPLICATE

FIGURE = FigureKind(
    name="steady",
    title="The same trials read again, in wall time and in steady time",
    category="RQ2",
    subject="noise",
    caption=(
        "Each arm runs every trial again, and until a rule stops it nothing differs but what else the "
        "machine does. So the first window of a trial is read once in each arm, here as a multiple of "
        "the mean of these readings. The thin line holds 95 % of the readings of all trials, the thick "
        "one half of them; the number is what 95 % stay within. What is left in steady time is its noise."
    ),
    tables=("windows",),
)

WALL, STEADY = "step_time_ms", "steady_step_time_ms"
LABELS = {WALL: "wall time", STEADY: "steady time"}
COLOURS = {WALL: BASELINE_COLOUR, STEADY: PALETTE[0]}
SHIFTS = {WALL: -0.18, STEADY: 0.18}
NARROW_TICKS = (0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)
WIDE_TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@styled
def draw(windows: pd.DataFrame) -> Figure:
    """Draw how far readings of the same trial are apart: two lines per data set and algorithm."""
    readings = repeated_readings(windows, (WALL, STEADY))
    if readings.empty:
        return message_figure("No trial ran in several arms, so no reading was repeated.")
    pairs = list(readings.groupby(PAIR, sort=False))
    figure = new_figure(0.5 * len(pairs) + 1.3)
    axes = figure.subplots()
    axes.axvline(1, color="0.6", linewidth=0.8)
    for at, (_, of_pair) in enumerate(pairs):
        shown = median_trial(of_pair, WALL)
        for name, shift in SHIFTS.items():
            _draw_spread(axes, of_pair[name], shown[name], at + shift, COLOURS[name])
    axes.set_yticks(
        range(len(pairs)),
        [f"{dataset} · {algorithm_label(algorithm)}" for (dataset, algorithm), _ in pairs],
    )
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Step time of a window as a multiple of the mean of its readings, log scale")
    _scale(axes)
    legend_below(figure, _legend())
    return figure


def median_trial(readings: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the readings of the trial whose spread in a metric is the median of all trials'."""
    spread = readings.groupby([*REPLICATE, "trial_id"])[metric].std().sort_values()
    keys = spread.index[len(spread) // 2]
    return readings[(readings[[*REPLICATE, "trial_id"]] == list(keys)).all(axis=1)]


def _draw_spread(
    axes: Axes, of_all: pd.Series, of_one: pd.Series, height: float, colour: str
) -> None:
    low, first, third, high = of_all.quantile([0.025, 0.25, 0.75, 0.975])
    axes.plot([low, high], [height, height], color=colour, linewidth=1.2)
    axes.plot([first, third], [height, height], color=colour, linewidth=5, alpha=0.35)
    axes.plot(of_one, [height] * len(of_one), ".", color=colour, markersize=5)
    within = (of_all - 1).abs().quantile(FLOOR_QUANTILE)
    axes.annotate(
        f"±{percent(within)}",
        (1.01, height),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=8,
        color=colour,
    )


def _scale(axes: Axes) -> None:
    """Make the axis logarithmic, so that half and double lie equally far from 1."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    low, high = min(low, 0.9), max(high, 1.1)
    axes.set_xlim(low, high)
    ticks = NARROW_TICKS if high < 4 * low else WIDE_TICKS
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend() -> dict[str, object]:
    lines = {
        label: Line2D([], [], color=COLOURS[name], linewidth=1.6) for name, label in LABELS.items()
    }
    return lines | {
        "readings of one trial": Line2D([], [], color="0.3", linestyle="none", marker=".")
    }
