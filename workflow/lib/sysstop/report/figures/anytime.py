"""RQ2: the best model found by the time that a share of the budget is used, by arm."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sysstop.analysis.anytime import anytime_summary
from sysstop.report.anytime import KINDS, RANDOM_SEARCH, anytime_arms, searcher_label
from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.style import (
    arm_colours,
    label_ends,
    legend_below,
    message_figure,
    new_figure,
    styled,
)
from sysstop.report.wording import arm_order
from sysstop.study.arms import arm_kind
from sysstop.study.studies import BASELINE_ARM

FIGURE = FigureKind(
    name="anytime",
    title="Best model at the same budget",
    category="RQ2",
    subject="anytime",
    caption=(
        "How good the best model is that an arm has found by the time that it has used so much of the "
        "baseline's steady training time, its trials in random order; further down is better. 0 is the "
        "full search's best model, 1 its median one, a worse one or none. Lines are means over data sets "
        "and algorithms. Bands are their 95 % intervals, over the repetitions if there is one such pair."
    ),
    tables=("anytime",),
    config=("arms",),
)

PANEL_INCHES = 2.3
LINES = {"none": "-", "system": "-", "quality": (0, (4, 1.5)), "both": (0, (4, 1.2, 1, 1.2))}
BAND_ALPHA = 0.13


@styled
def draw(anytime: pd.DataFrame, arms: dict) -> Figure:
    """Draw the mean normalised regret against the budget used: a panel per task, a line per arm."""
    anytime = anytime_arms(anytime, arms)
    summaries = {
        task: summary
        for task, of_task in anytime.groupby("task")
        if not (summary := anytime_summary(of_task)).empty
    }
    if not summaries:
        return message_figure(
            "No completed trial is better than another, so there is nothing to compare."
        )
    figure = new_figure(PANEL_INCHES * len(summaries) + 1.0, width_inches=6.0)
    panels = figure.subplots(len(summaries), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (task, summary) in zip(panels, summaries.items(), strict=True):
        _draw_curves(axes, summary, arms)
        axes.set_title(task.capitalize(), loc="left")
        axes.set_ylabel("Normalised regret")
    panels[-1].set_xlabel("Steady training time used (% of the full budget)")
    kinds = {arm_kind(arms[arm]) for arm in anytime["arm"].unique()}
    legend_below(figure, _legend(kinds, summaries), columns=3)
    return figure


def _draw_curves(axes: Axes, summary: pd.DataFrame, arms: dict) -> None:
    names = arm_order(summary["arm"])
    colours = arm_colours(names)
    ends = []
    for arm in names:
        curve = summary[summary["arm"] == arm]
        used = 100 * curve["budget_fraction"]
        low, high = (curve[f"normalised_regret_{end}"] for end in ("low", "high"))
        axes.fill_between(used, low, high, color=colours[arm], alpha=BAND_ALPHA, linewidth=0)
        axes.plot(
            used,
            curve["normalised_regret"],
            color=colours[arm],
            linestyle=LINES[arm_kind(arms[arm])],
            linewidth=2.2 if arm == BASELINE_ARM else 1.4,
        )
        ends.append((curve["normalised_regret"].iloc[-1], searcher_label(arm), colours[arm]))
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=1)
    axes.set_xlim(0, 100)
    label_ends(axes, ends, PANEL_INCHES)


def _legend(kinds: set[str], summaries: dict[str, pd.DataFrame]) -> dict[str, object]:
    handles: dict[str, object] = {
        RANDOM_SEARCH: Line2D([], [], color=arm_colours([])[BASELINE_ARM], linewidth=2.2)
    }
    handles |= {
        label: Line2D([], [], color="0.3", linestyle=LINES[kind])
        for kind, label in KINDS.items()
        if kind in kinds
    }
    if any(summary["normalised_regret_low"].notna().any() for summary in summaries.values()):
        handles["95 % interval"] = Patch(color="0.3", alpha=BAND_ALPHA)
    return handles
