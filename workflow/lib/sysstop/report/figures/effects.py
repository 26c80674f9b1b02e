"""RQ1: how much of each system metric each hyperparameter explains."""

import math

import pandas as pd
import seaborn
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.style import message_figure, new_figure, styled
from sysstop.report.wording import (
    MISSING,
    SIGNIFICANCE_LEVEL,
    algorithm_label,
    capitalised,
    spoken,
    whole_percent,
)
from sysstop.study.keys import PAIR
from sysstop.study.metrics import METRIC_BY_NAME, steady_system_metrics

FIGURE = FigureKind(
    name="effects",
    title="Share of variance explained",
    category="RQ1",
    subject="effects",
    caption=(
        "How much of a system metric's variance each hyperparameter explains beyond the others (omega "
        "squared, of logarithms except for CPU; times are steady). Numbers in brackets cannot be told "
        "from noise (adjusted p value of 0.05 or more). A pale column says that a hyperparameter does "
        "not change what training costs."
    ),
    tables=("effects",),
)

COLUMNS = 4


@styled
def draw(effects: pd.DataFrame) -> Figure:
    """Draw a map per data set and algorithm: metric x hyperparameter, shade = share of variance.

    Shares whose adjusted p value is not below `SIGNIFICANCE_LEVEL` stand in brackets.
    """
    pairs = list(effects.groupby(PAIR, sort=False))
    if effects["effect_size"].isna().all():
        return message_figure("Too few trials of the baseline completed to show effects.")
    columns = min(COLUMNS, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    figure = new_figure(2.35 * rows + 0.7, width_inches=1.6 + 1.75 * columns + 0.6)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    metrics = [name for name in steady_system_metrics() if name in set(effects["metric"])]
    hyperparameters = list(dict.fromkeys(effects["hyperparameter"]))
    for axes, ((dataset, algorithm), of_pair) in zip(panels.flat, pairs, strict=False):
        of_pair = of_pair.set_index(["metric", "hyperparameter"])
        share = of_pair["effect_size"].unstack().reindex(metrics, columns=hyperparameters)
        shown = of_pair["p_adjusted"].unstack().reindex(metrics, columns=hyperparameters)
        texts = share.map(whole_percent)
        texts = texts.where(shown < SIGNIFICANCE_LEVEL, "(" + texts + ")")
        seaborn.heatmap(
            share,
            ax=axes,
            vmin=0,
            vmax=1,
            cmap="Blues",
            annot=texts.where(share.notna(), MISSING),
            fmt="",
            annot_kws={"fontsize": 8},
            linewidths=0.5,
            cbar=False,
            yticklabels=[METRIC_BY_NAME[name].label for name in metrics],
            xticklabels=[capitalised(spoken(name)) for name in hyperparameters],
        )
        if share.isna().all(axis=None):
            axes.text(0.5, 0.5, "too few trials\ncompleted", ha="center", transform=axes.transAxes)
        axes.grid(visible=False)
        axes.set(xlabel="", ylabel="", title=f"{dataset}\n{algorithm_label(algorithm)}")
        axes.tick_params(axis="x", rotation=30, length=0)
        axes.tick_params(axis="y", rotation=0, length=0)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    for axes in panels.flat[len(pairs) :]:
        axes.set_visible(False)
    colours = figure.colorbar(panels[0, 0].collections[0], ax=panels, shrink=0.9 / rows, pad=0.01)
    colours.set_label("Share of variance explained (%)")
    colours.ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    colours.outline.set_visible(False)
    return figure
