"""How regrets are drawn: in points of accuracy or percent of the RMSE, with what is noise in grey."""

from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sysstop.report.wording import number

REGRET_LABELS = {"classification": "Accuracy lower by (points)", "regression": "RMSE higher by (%)"}
# A smaller range, in percent or points, would make a catastrophe of noise.
LEAST_RANGE = 1.0
NOISE_BAND = {"color": "0.5", "alpha": 0.18, "linewidth": 0}


def draw_noise(axes: Axes, which: Literal["x", "y"], noise: float) -> None:
    """Draw the band around zero of an axis in which noise hides what there is; none if it is unknown."""
    if noise > 0:
        span = axes.axvspan if which == "x" else axes.axhspan
        span(-noise, noise, **NOISE_BAND, zorder=0.5)


def noise_handle() -> dict[str, Patch]:
    """Return the entry of such a band in a legend."""
    return {"noise": Patch(**NOISE_BAND)}


def scale_to_regret(axes: Axes, which: Literal["x", "y"], lost: pd.Series, ticks: int) -> None:
    """Scale an axis to regrets, in percent or points, with zero among them and so many ticks at most."""
    known = [0.0, *lost.dropna()]
    low, high = min(known), max(*known, LEAST_RANGE)
    margins = low - 0.1 * (high - low), high + 0.15 * (high - low)
    axes.set(**{f"{which}lim": margins})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
