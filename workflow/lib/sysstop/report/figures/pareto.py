"""For an application: which configurations no other beats in both score and a system metric."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.style import (
    algorithm_colours,
    handles_of,
    legend_below,
    message_figure,
    name_axis,
    new_figure,
    scale_to_values,
    styled,
    wrapped,
)
from sysstop.report.wording import algorithm_label, with_unit
from sysstop.study.metrics import METRICS, Metric, steady_system_metrics

FIGURE = FigureKind(
    name="pareto",
    title="Score against system metrics",
    category="RQ2",
    subject="recommendation",
    caption=(
        "What does more of the score cost? A dot is a configuration of the full search: better further "
        "up, cheaper further left. On the coloured front none is as good for less; where the front is "
        "level, a costlier configuration buys hardly any score. The star is the configuration to use."
    ),
    tables=("pareto",),
    config=("constraints", "algorithms"),
    per_dataset=True,
)

OTHER_COLOUR = "0.72"
LIMIT_COLOUR = "#b2182b"
COLUMNS = 6
MOST_TICKS = 3


@styled
def draw(
    pareto: pd.DataFrame,
    constraints: Mapping[str, float],
    algorithms: Mapping[str, Mapping],
) -> Figure:
    """Draw score against each system metric for one data set: a row per algorithm in each block.

    Scores are drawn so that up is better: accuracy, or RMSE on a reversed axis. `pareto` is a
    `recommendations.pareto_table`, `constraints` the largest value by metric of the config, whose
    `algorithms` these are.
    """
    if pareto.empty:
        return message_figure("No configuration completed in every repetition of the baseline.")
    shown = {*steady_system_metrics(), *constraints}
    metrics = [metric for metric in METRICS if metric.name in shown]
    blocks = [metrics[at : at + COLUMNS] for at in range(0, len(metrics), COLUMNS)]
    count = pareto["algorithm"].nunique()
    figure = new_figure(len(blocks) * (1.9 * count + 0.55) + 0.4, width_inches=9.9)
    for block, part in zip(
        blocks, figure.subfigures(len(blocks), squeeze=False)[:, 0], strict=True
    ):
        panels = part.subplots(count, COLUMNS, sharex="col", sharey="row", squeeze=False)
        for axes in panels[:, len(block) :].flat:
            axes.remove()
        _draw_block(panels[:, : len(block)], block, pareto, constraints, algorithms)
    figure.suptitle(pareto["dataset"].iloc[0])
    legend_below(figure, _legend(pareto, constraints) | handles_of(figure.axes), columns=6)
    return figure


def _draw_block(
    panels: np.ndarray,
    metrics: Sequence[Metric],
    pareto: pd.DataFrame,
    constraints: Mapping[str, float],
    algorithms: Mapping[str, Mapping],
) -> None:
    """Draw a row per algorithm and a column for each of these metrics."""
    for algorithm, row in zip(sorted(pareto["algorithm"].unique()), panels, strict=True):
        of_algorithm = _with_quality(pareto[pareto["algorithm"] == algorithm])
        regression = algorithms[algorithm]["task"] == "regression"
        colour = algorithm_colours(algorithms)[algorithm]
        for metric, axes in zip(metrics, row, strict=True):
            of_metric = of_algorithm[of_algorithm["metric"] == metric.name]
            _draw_configurations(axes, of_metric.dropna(subset="value"), colour)
        scale_to_values(row[0], "y", of_algorithm["quality"])
        if regression:
            row[0].invert_yaxis()
        quality_label = "RMSE (reversed)" if regression else "Accuracy"
        row[0].set_ylabel(f"{algorithm_label(algorithm)}\n{quality_label}")
    for metric, column in zip(metrics, panels.T, strict=True):
        values = pareto.loc[pareto["metric"] == metric.name, "value"]
        column[0].xaxis.set_major_locator(MaxNLocator(3))
        scale_to_values(column[0], "x", values)
        _thin_out_ticks(column[0])
        name_axis(column[-1], "x", wrapped(metric.axis_label))
        if metric.name in constraints:
            _draw_limit(column, constraints[metric.name], metric.unit)


def best_configuration(pareto: pd.DataFrame) -> pd.DataFrame:
    """Return the one row with the best score within the constraints, of equal ones the first.

    No row if no configuration keeps the constraints.
    """
    within = pareto[pareto["within_constraints"]]
    return within.sort_values("score", ascending=False, kind="stable").head(1)


def _with_quality(pareto: pd.DataFrame) -> pd.DataFrame:
    """Add `quality`, the score as it is drawn, and `is_outlier`, whether it is far worse than most.

    Outliers lie beyond Tukey's outer fence and are drawn on it, as they would flatten all others.
    """
    quartiles = pareto["score"].quantile([0.25, 0.75])
    fence = quartiles[0.25] - 3 * (quartiles[0.75] - quartiles[0.25])
    return pareto.assign(
        quality=pareto["score"].clip(lower=fence).abs(), is_outlier=pareto["score"] < fence
    )


def _draw_configurations(axes: Axes, configurations: pd.DataFrame, colour: str) -> None:
    front = configurations[configurations["on_front"]].sort_values("value")
    axes.plot(front["value"], front["quality"], color=colour, drawstyle="steps-post", linewidth=1.2)
    kinds = configurations.groupby(["on_front", "within_constraints", "is_outlier"])
    for (on_front, within, is_outlier), of_kind in kinds:
        axes.plot(
            of_kind["value"],
            of_kind["quality"],
            **_marker(colour if on_front else OTHER_COLOUR, within, is_outlier),
        )
    best = best_configuration(configurations)
    axes.plot(best["value"], best["quality"], **_best_marker())


def _draw_limit(column: Sequence[Axes], limit: float, unit: str) -> None:
    """Draw a limit in every panel of a metric; name it above them if it lies beyond."""
    low, high = column[0].get_xlim()
    text = f"limit {with_unit(limit, unit)}"
    if low <= limit <= high:
        for axes in column:
            axes.axvline(
                limit, color=LIMIT_COLOUR, linestyle="--", linewidth=1.1, zorder=1.5, label="limit"
            )
            axes.set_xlim(low, high)
    else:
        text = f"{text} \N{RIGHTWARDS ARROW}" if limit > high else f"\N{LEFTWARDS ARROW} {text}"
    column[0].set_title(
        text, color=LIMIT_COLOUR, fontsize=8, loc="left" if limit < low else "right", pad=4
    )


def _thin_out_ticks(axes: Axes) -> None:
    """Drop every other tick of the x axis where a narrow panel has no room for all."""
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    if len(ticks) > MOST_TICKS:
        axes.xaxis.set_major_locator(FixedLocator(ticks[::2]))


def _marker(colour: str, within: bool, is_outlier: bool = False) -> dict[str, object]:
    return {
        "linestyle": "none",
        "marker": "v" if is_outlier else "o",
        "markersize": 5.5 if is_outlier else 4.5,
        "color": colour,
        "markerfacecolor": colour if within else "white",
    }


def _best_marker() -> dict[str, object]:
    return {
        "linestyle": "none",
        "marker": "*",
        "markersize": 10,
        "color": "black",
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
        "zorder": 4,
    }


def _legend(pareto: pd.DataFrame, constraints: Mapping[str, float]) -> dict[str, object]:
    best = "best score within the limits" if constraints else "best score"
    handles = {
        "Pareto front": Line2D([], [], **_marker("0.2", True) | {"linestyle": "-"}),
        "other configuration": Line2D([], [], **_marker(OTHER_COLOUR, True)),
        best: Line2D([], [], **_best_marker()),
    }
    if not pareto["within_constraints"].all():
        handles["beyond a limit"] = Line2D([], [], **_marker("0.2", False))
    if any(_with_quality(part)["is_outlier"].any() for _, part in pareto.groupby("algorithm")):
        handles["far worse"] = Line2D([], [], **_marker(OTHER_COLOUR, True, is_outlier=True))
    return handles
