"""RQ2: how much of the baseline's steady training time each study saved, against its regret."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.outcomes import (
    NONE_LEFT,
    STOPPED,
    outcome_handle,
    outcome_marker,
    outcome_of,
)
from sysstop.report.figures.style import (
    arm_colours,
    arm_markers,
    legend_below,
    message_figure,
    new_figure,
    styled,
)
from sysstop.report.wording import arm_order, number
from sysstop.study.studies import BASELINE_ARM

FIGURE = FigureKind(
    name="tradeoff",
    title="Saving against regret",
    category="RQ2",
    caption=(
        "Each marker is one study: how much of the baseline's steady training time it saved, and "
        "by how much its best score is worse. Good arms lie to the lower right. Open markers are "
        "studies in which the arm stopped the baseline's best trial, crosses at the top studies "
        "without any trial left. Regret is in units of accuracy for classification; for "
        "regression it is relative to the baseline's error, because target units of different "
        "data sets cannot share an axis."
    ),
    tables=("budget",),
)


@styled
def draw(budget: pd.DataFrame) -> Figure:
    """Draw saving against regret, a point per study, a panel per task.

    The regret of a classification is in units of accuracy, that of a regression in percent of the
    baseline's RMSE, because target units of different data sets cannot share an axis.
    """
    studies = budget[(budget["arm"] != BASELINE_ARM) & budget["baseline_best_score"].notna()]
    if studies.empty:
        return message_figure("Only the baseline arm was run, so there is nothing to compare.")
    arms = arm_order(studies["arm"])
    tasks = sorted(studies["task"].unique())
    figure = new_figure(3.9, width_inches=4.2 * len(tasks) + 0.3 if len(tasks) > 1 else 5.5)
    panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    colours, markers = arm_colours(arms), arm_markers(arms)
    in_percent = FuncFormatter(lambda value, _: number(100 * value))
    for task, axes in zip(tasks, panels, strict=True):
        axes.axhline(0, color="0.6", linewidth=0.8)
        axes.axvline(0, color="0.6", linewidth=0.8)
        for _, study in studies[studies["task"] == task].iterrows():
            outcome = outcome_of(study)
            relative = task == "regression"
            regret = study["regret"] / (abs(study["baseline_best_score"]) if relative else 1.0)
            axes.plot(
                study["steady_saved_fraction"],
                1.0 if outcome == NONE_LEFT else regret,
                color=colours[study["arm"]],
                markersize=6.5,
                alpha=0.85,
                clip_on=False,
                transform=axes.get_xaxis_transform() if outcome == NONE_LEFT else axes.transData,
                **outcome_marker(outcome, colours[study["arm"]], markers[study["arm"]]),
            )
        axes.margins(0.08)
        axes.set(
            title=task.capitalize(),
            xlabel="Steady training time saved (%)",
            ylabel="Regret (accuracy)",
        )
        axes.xaxis.set_major_formatter(in_percent)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        if task == "regression":
            axes.set_ylabel("Regret (% of the baseline's RMSE)")
            axes.yaxis.set_major_formatter(in_percent)
    legend = {
        arm: Line2D([], [], linestyle="none", color=colours[arm], marker=markers[arm], markersize=6)
        for arm in arms
    }
    legend_below(figure, legend | {text: outcome_handle(text) for text in (STOPPED, NONE_LEFT)})
    return figure
