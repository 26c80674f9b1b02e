"""RQ2: what every stopping rule saves against what it loses as its limit moves, in replay."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.regret import LEAST_RANGE, REGRET_LABELS
from sysstop.report.figures.style import legend_below, message_figure, new_figure, styled
from sysstop.report.wording import algorithm_label, number
from sysstop.study.keys import PAIR, RULE
from sysstop.study.rules import RuleStyle, rule_at

FIGURE = FigureKind(
    name="replay",
    title="Saving and regret of every rule",
    category="RQ2",
    subject="replay",
    caption=(
        "Every rule at every limit, replayed on the full search. On the left, what each rule saves at most "
        "without any regret; a filled dot says that stopping as many trials at random would have lost "
        "more. On the right, how regret grows as a rule is made to save more; curves end where the panel "
        "does. The best limit is known only in hindsight, so a dot is a bound."
    ),
    tables=("replay", "replay_summary"),
    config=("algorithms",),
    per_dataset=True,
)

# A knee that saves less would cover a word at the axis.
NEAR_PERCENT = 20.0


@styled
def draw(
    replay: pd.DataFrame, replay_summary: pd.DataFrame, algorithms: Mapping[str, Mapping]
) -> Figure:
    """Draw the replay of one data set: a row per algorithm, rules ranked and their curves.

    The first panel of a row ranks the rules by the largest saving without regret, the others show
    regret against saving, means over the repetitions at the same limit, a panel per family of rules.
    Regrets are in percentage points of accuracy or in percent of the baseline's RMSE. `replay` is a `replay.replay_table` and
    `replay_summary` its `replay.replay_summary`; `algorithms` are the config's.
    """
    if replay_summary.empty:
        return message_figure("No trial of the baseline completed, so there is nothing to replay.")
    replay, replay_summary = in_percent(replay, replay_summary, algorithms)
    points = mean_points(replay)
    drawn = sorted(replay["algorithm"].unique())
    families = rule_families(replay)
    figure = new_figure(2.45 * len(drawn) + 0.95, width_inches=9.9)
    panels = figure.subplots(
        len(drawn),
        1 + len(families),
        squeeze=False,
        width_ratios=[1.15, *(1 for _ in families)],
    )
    for algorithm, (ranking, *curves) in zip(drawn, panels, strict=True):
        marks = with_random_at_free(
            replay_summary[replay_summary["algorithm"] == algorithm], points
        )
        of_algorithm = points[points["algorithm"] == algorithm]
        ranking.set_title(algorithm_label(algorithm), loc="left", fontweight="bold")
        _draw_ranking(ranking, marks)
        for family, axes in zip(families.values(), curves, strict=True):
            _draw_family(axes, family, of_algorithm, marks)
            axes.set_ylim(*_regret_span(of_algorithm, marks))
        curves[0].set_ylabel(REGRET_LABELS[algorithms[algorithm]["task"]])
        for axes in curves[1:]:
            axes.tick_params(labelleft=False)
    for (title, family), axes in zip(families.items(), panels[0, 1:], strict=True):
        axes.set_title(title, color=next(iter(family.values())).colour)
    for axes in panels[-1]:
        axes.set_xlabel("Time saved (%)")
    figure.suptitle(replay_summary["dataset"].iloc[0])
    legend_below(figure, _legend(), columns=5)
    return figure


def in_percent(
    replay: pd.DataFrame, summary: pd.DataFrame, algorithms: Mapping[str, Mapping]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return replay and summary with their regrets in points of accuracy or percent of the RMSE."""
    best = (replay["best_score"] + replay["regret"]).groupby(replay["algorithm"]).median().abs()
    factors = {
        name: 100.0 if algorithms[name]["task"] == "classification" else 100.0 / best[name]
        for name in replay["algorithm"].unique()
    }

    def scaled(table: pd.DataFrame) -> pd.DataFrame:
        regrets = [name for name in table if name.endswith("regret")]
        by_row = table["algorithm"].map(factors)
        return table.assign(**{name: table[name] * by_row for name in regrets})

    return scaled(replay), scaled(summary)


def rule_families(replay: pd.DataFrame) -> dict[str, dict[tuple[str, str], RuleStyle]]:
    """Return how the rules of a replay are drawn, by rule and metric, in each family of rules."""
    families: dict[str, dict[tuple[str, str], RuleStyle]] = {}
    for names in replay[RULE].drop_duplicates().itertuples(index=False, name=None):
        rule = rule_at(*names)
        families.setdefault(rule.family, {})[names] = rule.style
    return families


def mean_points(replay: pd.DataFrame) -> pd.DataFrame:
    """Return the points of each rule's curve: means over the repetitions at the same limit.

    A limit that leaves no model in any repetition has no regret and is not on the curve, as in
    `replay.replay_summary`.
    """
    points = replay.groupby([*PAIR, *RULE, "limit"], sort=True).agg(
        saved=("saved_time_fraction", "mean"),
        regret=("regret", lambda values: values.mean(skipna=False)),
        random_regret=("random_regret", "mean"),
    )
    return points.reset_index()


def with_random_at_free(summary: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return the summary with what random stopping loses at each rule's free limit.

    `free_random_regret` and `free_beats_random`; the rule that saves most comes first.
    """
    keys = [*PAIR, *RULE]
    at_free = points.rename(columns={"limit": "free_limit", "random_regret": "free_random_regret"})
    marks = summary.merge(
        at_free[[*keys, "free_limit", "free_random_regret"]], on=[*keys, "free_limit"], how="left"
    )
    marks["free_beats_random"] = marks["free_regret"] < marks["free_random_regret"]
    return marks.sort_values(
        ["free_saved_time_fraction", "knee_saved_time_fraction"], ascending=False, kind="stable"
    )


def _regret_span(points: pd.DataFrame, marks: pd.DataFrame) -> tuple[float, float]:
    """Return the regrets to show: beyond the knees curves are of no use and only flatten the rest."""
    regrets = points["regret"].dropna()
    if regrets.empty:
        return 0.0, LEAST_RANGE
    useful = marks[["knee_regret", "knee_random_regret", "free_random_regret"]]
    highest = min(regrets.max(), 1.6 * np.nanmax([0.0, *useful.to_numpy().ravel()]))
    highest = max(highest, LEAST_RANGE)
    lowest = min(0.0, regrets.min())
    height = highest - lowest
    return lowest - 0.07 * height, lowest + 1.05 * height


def _draw_ranking(axes: Axes, marks: pd.DataFrame) -> None:
    if marks.empty:
        axes.text(0.5, 0.5, "no trial completed", ha="center", transform=axes.transAxes)
    for at, mark in enumerate(marks.itertuples()):
        style = rule_at(mark.rule, mark.metric).style
        saved = 100 * mark.free_saved_time_fraction
        if np.isnan(saved):
            knee = 100 * mark.knee_saved_time_fraction
            text_at = knee if knee < NEAR_PERCENT else 0
            axes.annotate(
                "none", (text_at, at), (7, 0), textcoords="offset points", va="center", fontsize=7.5
            )
        else:
            axes.plot([0, saved], [at, at], color=style.colour, linestyle=_linestyle(style))
            axes.plot(saved, at, **_free_marker(style.colour, mark.free_beats_random))
        axes.plot(100 * mark.knee_saved_time_fraction, at, **_knee_marker(style.colour))
    styles = [rule_at(*names).style for names in marks[RULE].itertuples(index=False, name=None)]
    axes.set_yticks(range(len(marks)), [style.label for style in styles])
    for label, style in zip(axes.get_yticklabels(), styles, strict=True):
        label.set_color(style.colour)
    axes.set_ylim(len(marks) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    _scale_saving(axes)


def _draw_family(
    axes: Axes,
    family: dict[tuple[str, str], RuleStyle],
    points: pd.DataFrame,
    marks: pd.DataFrame,
) -> None:
    axes.axhline(0, color="0.35", linewidth=0.8, zorder=1)
    for (rule, metric), style in family.items():
        curve = points[(points["rule"] == rule) & (points["metric"] == metric)]
        curve = curve.dropna(subset="regret")
        line = {"linestyle": _linestyle(style), "marker": "." if len(curve) == 1 else ""}
        axes.plot(100 * curve["saved"], curve["regret"], color=style.colour, **line)
        for mark in marks[(marks["rule"] == rule) & (marks["metric"] == metric)].itertuples():
            axes.plot(
                100 * mark.knee_saved_time_fraction,
                mark.knee_regret,
                **_knee_marker(style.colour),
            )
            axes.plot(
                100 * mark.free_saved_time_fraction,
                mark.free_regret,
                **_free_marker(style.colour, mark.free_beats_random),
            )
    _scale_saving(axes)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _linestyle(style: RuleStyle) -> object:
    return (0, (3.2, 1.4)) if style.dashed else "-"


def _scale_saving(axes: Axes) -> None:
    axes.set_xlim(-2, 102)
    axes.set_xticks([0, 25, 50, 75, 100])


def _free_marker(colour: str, beats_random: bool) -> dict[str, object]:
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": 6,
        "color": colour,
        "markerfacecolor": colour if beats_random else "white",
        "zorder": 4,
    }


def _knee_marker(colour: str) -> dict[str, object]:
    return {
        "linestyle": "none",
        "marker": "D",
        "markersize": 4.2,
        "color": colour,
        "markerfacecolor": "white",
        "zorder": 3.5,
    }


def _legend() -> dict[str, object]:
    return {
        "largest saving without regret": Line2D([], [], **_free_marker("0.2", True)),
        "the same, no better than random": Line2D([], [], **_free_marker("0.2", False)),
        "knee": Line2D([], [], **_knee_marker("0.2")),
    }
