"""RQ2: what each arm used and saved of the budget, beside what that cost in model quality."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.outcomes import (
    NONE_LEFT,
    outcome_handles,
    outcome_marker,
    outcome_of,
)
from sysstop.report.figures.regret import (
    REGRET_LABELS,
    draw_noise,
    noise_handle,
    scale_to_regret,
)
from sysstop.report.figures.style import (
    arm_colours,
    arm_markers,
    legend_below,
    new_figure,
    styled,
)
from sysstop.report.regret import comparable_regret, regret_noise
from sysstop.report.wording import algorithm_label, arm_label, arm_order, number
from sysstop.study.keys import PAIR
from sysstop.study.studies import BASELINE_ARM

FIGURE = FigureKind(
    name="budget",
    title="Budget used, budget saved and regret",
    category="RQ2",
    subject="budget",
    caption=(
        "On the left the steady training time that each arm used, in percent of the full budget's and in "
        "seconds: the mean over repetitions, which are black dots. On the right what that cost, a mark "
        "for each repetition; further right is worse. After a limit a stopped trial is lost; after the "
        "plateau rule it may still be chosen."
    ),
    tables=("budget",),
)


@styled
def draw(budget: pd.DataFrame) -> Figure:
    """Draw two panels per data set and algorithm, a row per arm: budget used and saved, and regret.

    Bars are means over repetitions of the steady training time in percent of the baseline's; each dot is
    one study.
    """
    arms, noise = arm_order(budget["arm"]), 100 * regret_noise(budget)
    budget = budget.assign(lost=100 * comparable_regret(budget))
    pairs = list(budget.groupby(PAIR, sort=False))
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
        _draw_regret(regret_axes, of_pair, arms, noise)
        budget_axes.set_title(f"{dataset} · {algorithm_label(algorithm)}", loc="left")
    for axes in panels[len(pairs) :].flat:
        axes.set_visible(False)
    for budget_axes, _ in panels[max(0, len(pairs) - across) : len(pairs)]:
        budget_axes.set_xlabel("Steady training time (% of the full budget)")
    legend_below(figure, _legend(budget), columns=6)
    return figure


def _legend(budget: pd.DataFrame) -> dict[str, object]:
    stopping = budget[(budget["arm"] != BASELINE_ARM) & budget["baseline_best_score"].notna()]
    return {
        "used": Patch(facecolor="0.4"),
        "saved": Patch(facecolor="0.92", edgecolor="0.6", linewidth=0.6),
        **outcome_handles(stopping),
        **noise_handle(),
    }


def _draw_budget(axes: Axes, of_pair: pd.DataFrame, arms: list[str]) -> None:
    colours = arm_colours(arms)
    for at, arm in enumerate(arms):
        studies = of_pair[of_pair["arm"] == arm]
        if studies.empty:
            axes.text(1, at, "not run", va="center", fontsize=8)
            continue
        used = 100 * (1 - studies["steady_saved_fraction"])
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
        label = f"{number(studies['steady_train_time_s'].mean())} s"
        axes.annotate(
            label, (max(100, mean), at), (4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_yticks(range(len(arms)), [arm_label(arm) for arm in arms])
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlim(0, 1.17 * max(100.0, 100 * (1 - of_pair["steady_saved_fraction"].min())))
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.grid(visible=False, axis="y")


def _draw_regret(axes: Axes, of_pair: pd.DataFrame, arms: list[str], noise: pd.Series) -> None:
    colours, markers = arm_colours(arms), arm_markers(arms)
    task = of_pair["task"].iloc[0]
    axes.axvline(0, color="0.6", linewidth=0.8)
    draw_noise(axes, "x", noise.get(task, np.nan))
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
            outcome = outcome_of(study)
            axes.plot(
                1.0 if outcome == NONE_LEFT else study["lost"],
                at + offset,
                color=colours[arm],
                markersize=6,
                clip_on=False,
                transform=axes.get_yaxis_transform() if outcome == NONE_LEFT else axes.transData,
                **outcome_marker(outcome, colours[arm], markers[arm]),
            )
    axes.set_xlabel(REGRET_LABELS[task])
    axes.set_yticks(range(len(arms)), [])
    axes.set_ylim(len(arms) - 0.5, -0.5)
    scale_to_regret(axes, "x", of_pair["lost"], ticks=3)
    axes.grid(visible=False, axis="y")
