"""RQ2: what each arm used and saved of the budget, beside what that cost in model quality."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sysstop.report.figures.style import (
    arm_colours,
    arm_markers,
    legend_below,
    message_figure,
    new_figure,
    styled,
)
from sysstop.report.wording import algorithm_label, arm_label, arm_order, number
from sysstop.study.keys import PAIR
from sysstop.study.studies import BASELINE_ARM

KEPT, STOPPED, NONE_LEFT = "best trial kept", "best trial stopped", "no model left"
REGRET_LABEL = {"classification": "Regret (accuracy)", "regression": "Regret (RMSE)"}


@styled
def budget_figure(budget: pd.DataFrame) -> Figure:
    """Draw two panels per data set and algorithm, a row per arm: budget used and saved, and regret.

    Bars are means over repetitions of the training time in percent of the baseline's; each dot is
    one study.
    """
    pairs = list(budget.groupby(PAIR, sort=False))
    arms = arm_order(budget["arm"])
    across = 1 if len(pairs) <= 3 else 2
    down = math.ceil(len(pairs) / across)
    figure = new_figure(
        (0.85 + 0.23 * len(arms)) * down + 0.6, width_inches=7.5 if across == 1 else 9.9
    )
    panels = figure.subplots(down, 2 * across, squeeze=False, width_ratios=[3, 2] * across).reshape(
        -1, 2
    )
    for (budget_axes, regret_axes), ((dataset, algorithm), of_pair) in zip(
        panels, pairs, strict=False
    ):
        _draw_budget(budget_axes, of_pair, arms)
        _draw_regret(regret_axes, of_pair, arms)
        budget_axes.set_title(f"{dataset} · {algorithm_label(algorithm)}", loc="left")
    for axes in panels[len(pairs) :].flat:
        axes.set_visible(False)
    for budget_axes, _ in panels[max(0, len(pairs) - across) : len(pairs)]:
        budget_axes.set_xlabel("Training time (% of the full budget)")
    legend_below(figure, _legend(), columns=5)
    return figure


def _legend() -> dict[str, object]:
    return {
        "used": Patch(facecolor="0.4"),
        "saved": Patch(facecolor="0.92", edgecolor="0.6", linewidth=0.6),
        **{text: _dot(text) for text in (KEPT, STOPPED, NONE_LEFT)},
    }


def _dot(outcome: str) -> Line2D:
    return Line2D(
        [], [], linestyle="none", color="0.3", markersize=6, **_marker(outcome, "0.3", "o")
    )


def _marker(outcome: str, colour: str, marker: str) -> dict[str, object]:
    return {
        KEPT: {"marker": marker, "markerfacecolor": colour},
        STOPPED: {"marker": marker, "markerfacecolor": "white"},
        NONE_LEFT: {"marker": "x", "markeredgewidth": 2},
    }[outcome]


def _outcome(study: pd.Series) -> str:
    if pd.isna(study["regret"]):
        return NONE_LEFT
    return STOPPED if study["winner_stopped"] else KEPT


def _draw_budget(axes: Axes, of_pair: pd.DataFrame, arms: list[str]) -> None:
    colours = arm_colours(arms)
    for at, arm in enumerate(arms):
        studies = of_pair[of_pair["arm"] == arm]
        if studies.empty:
            axes.text(1, at, "not run", va="center", fontsize=8)
            continue
        used = 100 * (1 - studies["saved_fraction"])
        mean = used.mean()
        axes.barh(
            at,
            max(0.0, 100 - mean),
            left=mean,
            height=0.62,
            color="0.92",
            edgecolor="0.6",
            linewidth=0.6,
        )
        axes.barh(at, mean, height=0.62, color=colours[arm])
        if len(studies) > 1 and arm != BASELINE_ARM:
            axes.plot(used, np.full(len(used), at), ".", color="black", markersize=3.5)
        label = f"{number(studies['train_time_s'].mean())} s"
        axes.annotate(
            label, (max(100, mean), at), (4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_yticks(range(len(arms)), [arm_label(arm) for arm in arms])
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlim(0, 1.17 * max(100.0, 100 * (1 - of_pair["saved_fraction"].min())))
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.grid(visible=False, axis="y")


def _draw_regret(axes: Axes, of_pair: pd.DataFrame, arms: list[str]) -> None:
    colours, markers = arm_colours(arms), arm_markers(arms)
    task = of_pair["task"].iloc[0]
    axes.axvline(0, color="0.6", linewidth=0.8)
    if of_pair["baseline_best_score"].isna().all():
        message = "nothing to\ncompare with"
        axes.text(0.5, 0.5, message, ha="center", fontsize=8, transform=axes.transAxes)
        of_pair = of_pair.iloc[:0]
    for at, arm in enumerate(arms):
        if arm == BASELINE_ARM:
            continue
        studies = of_pair[of_pair["arm"] == arm]
        offsets = (
            np.linspace(-0.18, 0.18, len(studies)) if len(studies) > 1 else np.zeros(len(studies))
        )
        for offset, (_, study) in zip(offsets, studies.iterrows(), strict=True):
            outcome = _outcome(study)
            axes.plot(
                1.0 if outcome == NONE_LEFT else study["regret"],
                at + offset,
                color=colours[arm],
                markersize=6,
                clip_on=False,
                transform=axes.get_yaxis_transform() if outcome == NONE_LEFT else axes.transData,
                **_marker(outcome, colours[arm], markers[arm]),
            )
    axes.set_xlabel(REGRET_LABEL[task])
    axes.set_yticks(range(len(arms)), [])
    axes.set_ylim(len(arms) - 0.5, -0.5)
    # With 0 among them, so that an axis without any regret keeps a scale.
    regrets = [0.0, *of_pair["regret"].dropna()]
    width = max(regrets) - min(regrets)
    if width:
        axes.set_xlim(min(regrets) - 0.05 * width, max(regrets) + 0.15 * width)
        axes.xaxis.set_major_locator(MaxNLocator(2))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    else:
        axes.set_xlim(-0.05, 1.0)
        axes.set_xticks([0.0], ["0"])
    axes.grid(visible=False, axis="y")


@styled
def tradeoff_figure(budget: pd.DataFrame) -> Figure:
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
            outcome = _outcome(study)
            relative = task == "regression"
            regret = study["regret"] / (abs(study["baseline_best_score"]) if relative else 1.0)
            axes.plot(
                study["saved_fraction"],
                1.0 if outcome == NONE_LEFT else regret,
                color=colours[study["arm"]],
                markersize=6.5,
                alpha=0.85,
                clip_on=False,
                transform=axes.get_xaxis_transform() if outcome == NONE_LEFT else axes.transData,
                **_marker(outcome, colours[study["arm"]], markers[study["arm"]]),
            )
        axes.margins(0.08)
        axes.set(
            title=task.capitalize(), xlabel="Training time saved (%)", ylabel="Regret (accuracy)"
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
    legend_below(figure, legend | {text: _dot(text) for text in (STOPPED, NONE_LEFT)})
    return figure
