"""RQ1: each system metric against each hyperparameter that changes it."""

import math
from collections.abc import Iterable, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sysstop.report.baseline import completed_baseline
from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.style import (
    algorithm_colours,
    algorithm_markers,
    band_handle,
    draw_medians,
    handles_of,
    legend_below,
    message_figure,
    name_axis,
    new_figure,
    scale_to_levels,
    scale_to_values,
    styled,
)
from sysstop.report.found import found_effects
from sysstop.report.wording import algorithm_label, capitalised, in_words, spoken
from sysstop.results.tables import in_grid_order
from sysstop.study.hyperparameters import BATCH_SIZE, Levels
from sysstop.study.metrics import METRIC_BY_NAME, steady_system_metrics

FIGURE = FigureKind(
    name="response",
    title="What was found to change, against what changes it",
    category="RQ1",
    subject="effects",
    caption=(
        "A panel is a system metric and a hyperparameter that was found to change it for at least one "
        "algorithm; all others are flat and left out. Lines are medians of the baseline's completed "
        "trials, bands hold 80 % of them: noise, and what the other hyperparameters do."
    ),
    tables=("trials", "effects"),
    config=("algorithms", "hyperparameters"),
    per_dataset=True,
)

COLUMNS = 3


@styled
def draw(
    trials: pd.DataFrame,
    effects: pd.DataFrame,
    algorithms: Mapping[str, Mapping],
    hyperparameters: Levels,
) -> Figure:
    """Draw the trials of one data set: a panel for each metric and hyperparameter with an effect.

    `effects` are an `effects.effect_table`, `algorithms` the config's. Values of `hyperparameters`
    that are no numbers stand side by side, in the order of the grid.
    """
    completed = completed_baseline(trials)
    if completed.empty:
        return message_figure("No trial of the baseline completed, so there is nothing to show.")
    found = found_effects(effects[effects["metric"].isin(steady_system_metrics())])
    shown = list(dict.fromkeys(zip(found["hyperparameter"], found["metric"], strict=True)))
    if not shown:
        return message_figure("No hyperparameter was found to change any system metric.")
    completed = in_grid_order(completed, hyperparameters)
    columns = min(COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(1.9 * rows + 0.8, width_inches=2.7 * columns + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, metric) in zip(panels, shown, strict=False):
        _draw_panel(axes, completed, name, metric, algorithms)
        texts = hyperparameters[name]
        if texts is None:
            scale_to_levels(axes, completed[name].dropna())
        else:
            axes.set_xticks(range(len(texts)), texts)
        scale_to_values(axes, "y", completed[metric])
        axes.set_title(METRIC_BY_NAME[metric].label, loc="left")
        name_axis(axes, "y", METRIC_BY_NAME[metric].unit)
        axes.set_xlabel(capitalised(spoken(name)) + (" (samples)" if name == BATCH_SIZE else ""))
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    figure.suptitle(f"{trials['dataset'].iloc[0]}\n{_left_out(effects, shown)}", fontsize=9)
    legend_below(figure, handles_of(panels) | band_handle())
    return figure


def _draw_panel(
    axes: Axes, completed: pd.DataFrame, name: str, metric: str, algorithms: Iterable[str]
) -> None:
    colours, markers = algorithm_colours(algorithms), algorithm_markers(algorithms)
    for algorithm, of_algorithm in completed.groupby("algorithm"):
        if of_algorithm[name].isna().all():
            continue
        draw_medians(
            axes,
            of_algorithm,
            name,
            metric,
            colours[algorithm],
            marker=markers[algorithm],
            label=algorithm_label(algorithm),
        )


def _left_out(effects: pd.DataFrame, shown: Iterable[tuple[str, str]]) -> str:
    """Say which hyperparameters were not found to change anything."""
    absent = [name for name in effects["hyperparameter"].unique() if name not in dict(shown)]
    if not absent:
        return "All hyperparameters change something."
    return f"Not drawn, as no effect was found: {in_words([spoken(name) for name in absent])}"
