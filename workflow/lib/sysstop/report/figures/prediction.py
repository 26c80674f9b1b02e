"""RQ2: how early a trial's final training time, memory and step time can be predicted."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sysstop.analysis.prediction import WINDOWS_SEEN
from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.style import (
    algorithm_colours,
    legend_below,
    message_figure,
    new_figure,
    styled,
)
from sysstop.report.wording import algorithm_label, number
from sysstop.study.keys import PAIR
from sysstop.study.metrics import METRIC_BY_NAME, predicted_metrics, steady_system_metrics

FIGURE = FigureKind(
    name="prediction",
    title="Error of early predictions",
    category="RQ2",
    subject="prediction",
    caption=(
        "How well do the first windows predict what a trial will cost in the end? A thin line is a data "
        "set and an algorithm; the error is in percent of the final value. Above is the error of the "
        "median trial, below what 90 % of the trials stay within. Training time is extrapolated, the "
        "other metrics are predicted to stay as they are. Errors below 0.1 % are drawn there."
    ),
    tables=("prediction",),
    config=("algorithms",),
)

# Below this an error does not matter; a logarithmic axis has to end somewhere.
LEAST_ERROR_PERCENT = 0.1
MEDIAN_LINE = {
    "color": "black",
    "linewidth": 2.0,
    "marker": "o",
    "markersize": 4.5,
    "clip_on": False,
}
ERROR_LABELS = {
    "median_error": "Median error\n(%), log scale",
    "error_90": "90 % stay within\n(%), log scale",
}


@styled
def draw(prediction: pd.DataFrame, algorithms: Mapping[str, Mapping]) -> Figure:
    """Draw the error of the predictions against the windows seen: two rows, a column per metric.

    A thin line is a data set and algorithm, the black one the median of several. Errors are shares of the
    final value in percent; those below `LEAST_ERROR_PERCENT` are drawn there. `prediction` is a
    `prediction.prediction_table`, `algorithms` are the config's.
    """
    if prediction.empty:
        return message_figure("No trial of the baseline completed with more than one window.")
    shown = set(prediction["metric"]).intersection(steady_system_metrics())
    metrics = [name for name in predicted_metrics() if name in shown]
    prediction = prediction[prediction["metric"].isin(metrics)]
    figure = new_figure(4.6, width_inches=0.9 + 1.8 * len(metrics))
    panels = figure.subplots(
        len(ERROR_LABELS), len(metrics), sharex=True, sharey=True, squeeze=False
    )
    colours = algorithm_colours(algorithms)
    highest = 100 * prediction[list(ERROR_LABELS)].max(axis=None)
    for error, row in zip(ERROR_LABELS, panels, strict=True):
        for metric, axes in zip(metrics, row, strict=True):
            _draw_errors(axes, prediction[prediction["metric"] == metric], error, colours)
        row[0].set_ylabel(ERROR_LABELS[error])
    _scale(panels[0, 0], prediction["windows_seen"].max(), highest)
    for metric, top, bottom in zip(metrics, panels[0], panels[-1], strict=True):
        top.set_title(METRIC_BY_NAME[metric].label)
        bottom.set_xlabel("Windows seen, log scale")
    legend_below(figure, _legend(prediction, colours), columns=3)
    return figure


def _draw_errors(
    axes: Axes, prediction: pd.DataFrame, error: str, colours: Mapping[str, str]
) -> None:
    shown = (100 * prediction[error]).clip(lower=LEAST_ERROR_PERCENT)
    prediction = prediction.assign(shown=shown)
    for (_, algorithm), of_pair in prediction.groupby(PAIR):
        of_pair = of_pair.sort_values("windows_seen")
        axes.plot(
            of_pair["windows_seen"],
            of_pair["shown"],
            color=colours[algorithm],
            linewidth=0.8,
            marker=".",
            clip_on=False,
        )
    if _pairs(prediction) > 1:
        medians = prediction.groupby("windows_seen")["shown"].median()
        axes.plot(medians.index, medians, **MEDIAN_LINE)


def _scale(axes: Axes, most_windows: int, highest: float) -> None:
    """Scale the axes that all panels share: windows in powers of 2, errors in powers of 10."""
    axes.set_xscale("log", base=2)
    axes.set_xlim(WINDOWS_SEEN[0] / 1.2, most_windows * 1.2)
    axes.xaxis.set_major_locator(FixedLocator(WINDOWS_SEEN))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.set_yscale("log")
    axes.set_ylim(LEAST_ERROR_PERCENT, max(10.0, 1.3 * highest))
    axes.yaxis.set_major_locator(FixedLocator([LEAST_ERROR_PERCENT * 10**at for at in range(8)]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_error_text))


def _error_text(value: float, _: int) -> str:
    return f"≤ {number(value)}" if value <= LEAST_ERROR_PERCENT else number(value)


def _legend(prediction: pd.DataFrame, colours: Mapping[str, str]) -> dict[str, object]:
    algorithms = {
        algorithm_label(name): Line2D([], [], color=colours[name], linewidth=0.8)
        for name in sorted(prediction["algorithm"].unique())
    }
    if _pairs(prediction) == 1:
        return algorithms
    return {"median of all": Line2D([], [], **MEDIAN_LINE)} | algorithms


def _pairs(prediction: pd.DataFrame) -> int:
    return len(prediction[PAIR].drop_duplicates())
