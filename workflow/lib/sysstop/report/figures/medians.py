"""Medians of the baseline's completed trials, with how far single trials lie from them."""

from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes

from sysstop.report.figures.style import algorithm_colours, algorithm_markers
from sysstop.report.wording import algorithm_label


def draw_medians(
    axes: Axes,
    values: pd.Series,
    levels: pd.Series,
    *,
    algorithm: str,
    algorithms: Iterable[str],
    shift: float,
    line: bool,
) -> None:
    """Draw the median at each level with a bar from the 10 % to the 90 % quantile.

    `algorithms` are those of the study, which fix the colours. `shift` moves the points sideways by that share of the axis, so that algorithms do not cover
    each other.
    """
    quantiles = values.groupby(levels).quantile([0.1, 0.5, 0.9]).unstack()
    at = quantiles.index.to_numpy(dtype=float)
    if at[0] > 0:
        at = at * (at[-1] / at[0]) ** shift
    low, median, high = (quantiles[share].to_numpy() for share in (0.1, 0.5, 0.9))
    axes.errorbar(
        at,
        median,
        yerr=[median - low, high - median],
        color=algorithm_colours(algorithms)[algorithm],
        marker=algorithm_markers(algorithms)[algorithm],
        linestyle="-" if line else "none",
        elinewidth=0.9,
        capsize=1.8,
        label=algorithm_label(algorithm),
    )
