"""RQ2: how much of the baseline's steady training time each study saved, against its regret."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.outcomes import NONE_LEFT, outcome_handles, outcome_marker, outcome_of
from sysstop.report.figures.regret import (
    REGRET_LABELS,
    draw_noise,
    noise_handle,
    scale_to_regret,
)
from sysstop.report.figures.style import (
    NARROW_INCHES,
    arm_colours,
    arm_markers,
    label_points,
    legend_below,
    message_figure,
    new_figure,
    styled,
)
from sysstop.report.regret import comparable_regret, regret_noise
from sysstop.report.wording import arm_label, arm_order
from sysstop.study.studies import BASELINE_ARM

FIGURE = FigureKind(
    name="tradeoff",
    title="Saving against regret",
    category="RQ2",
    subject="budget",
    caption=(
        "A mark is a search with a stopping rule. To the right more time is saved, further up the best "
        "model left is worse. In the grey bands noise hides whether there is a saving, or a loss."
    ),
    tables=("budget",),
)

PANEL_INCHES = 1.6


@styled
def draw(budget: pd.DataFrame) -> Figure:
    """Draw saving against regret, a mark per study and one per arm, a panel per task.

    The regret of a classification is in percentage points of accuracy, that of a regression in
    percent of the baseline's RMSE. Grey bands are the noise of the saving (the largest
    `steady_noise_floor`) and of the regret (`regret.regret_noise`).
    """
    studies = budget[(budget["arm"] != BASELINE_ARM) & budget["baseline_best_score"].notna()]
    if studies.empty:
        return message_figure("Only the baseline arm was run, so there is nothing to compare.")
    studies = studies.assign(
        saved=100 * studies["steady_saved_fraction"], lost=100 * comparable_regret(studies)
    )
    tasks = sorted(studies["task"].unique())
    figure = new_figure(PANEL_INCHES * len(tasks) + 1.0, width_inches=NARROW_INCHES)
    panels = figure.subplots(len(tasks), 1, sharex=True, squeeze=False)[:, 0]
    noise = 100 * regret_noise(budget)
    low, high = studies["saved"].min(), studies["saved"].max()
    margin = 0.06 * (high - low or 1.0)
    panels[0].set_xlim(min(low, -2.0) - margin, max(high, 2.0) + margin)
    labels = []
    for task, axes in zip(tasks, panels, strict=True):
        of_task = studies[studies["task"] == task]
        axes.axhline(0, color="0.6", linewidth=0.8)
        axes.axvline(0, color="0.6", linewidth=0.8)
        draw_noise(axes, "x", 100 * of_task["steady_noise_floor"].max())
        draw_noise(axes, "y", noise.get(task, np.nan))
        scale_to_regret(axes, "y", of_task["lost"], ticks=4)
        labels.append(_draw_studies(axes, of_task))
        axes.set_ylabel(REGRET_LABELS[task])
        axes.set_title(task.capitalize(), loc="left")
    panels[-1].set_xlabel("Steady training time saved (%)")
    legend_below(figure, _legend(studies), columns=3)
    for axes, of_panel in zip(panels, labels, strict=True):
        label_points(axes, of_panel)
    return figure


def _draw_studies(axes: Axes, studies: pd.DataFrame) -> list[tuple[float, float, str, str]]:
    """Draw the marks of studies and arms; return the label of each arm, as `label_points` takes it."""
    arms = arm_order(studies["arm"])
    colours, markers = arm_colours(arms), arm_markers(arms)
    labels = []
    for arm in arms:
        of_arm = studies[studies["arm"] == arm]
        for _, study in of_arm.iterrows():
            outcome = outcome_of(study)
            top = outcome == NONE_LEFT
            axes.plot(
                study["saved"],
                1.0 if top else study["lost"],
                color=colours[arm],
                **({"markersize": 5, "alpha": 0.55} if len(of_arm) > 1 else {"markersize": 7}),
                clip_on=False,
                transform=axes.get_xaxis_transform() if top else axes.transData,
                **outcome_marker(outcome, colours[arm], markers[arm]),
            )
        middle = of_arm["saved"].median(), of_arm["lost"].median()
        if len(of_arm) > 1 and not np.isnan(middle[1]):
            axes.plot(
                *middle,
                color=colours[arm],
                marker=markers[arm],
                markersize=9,
                markeredgecolor="white",
                zorder=4,
            )
        labels.append((*np.nan_to_num(middle), arm_label(arm), colours[arm]))
    return labels


def _legend(studies: pd.DataFrame) -> dict[str, object]:
    handles: dict[str, object] = dict(outcome_handles(studies))
    if studies.duplicated(["task", "arm"]).any():
        handles["median of the arm"] = Line2D(
            [], [], linestyle="none", color="0.3", marker="o", markersize=8
        )
    return handles | noise_handle()
