"""The report's explorer: its reader moves a limit and sees what it would have saved and lost.

The numbers are rows of the replay, put into words here; the script in the page picks the row and
hands it to a Vega-Lite chart, whose library is in the page too.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import vl_convert
from markupsafe import Markup

from sysstop.report.figures.palette import PALETTE
from sysstop.report.rendering import render, script
from sysstop.report.wording import capitalised, counted, number, pair_label, percent, spoken
from sysstop.study.hyperparameters import Levels
from sysstop.study.keys import REPLICATE, RULE
from sysstop.study.rules import rule_at

MOST_LIMITS = 40
KEPT_COLOUR, STOPPED_COLOUR = PALETTE[0], PALETTE[3]
TEXT_COLOUR = "#1c1c1c"
# Arms take their limit from this quantile unless the config says otherwise, so the reader starts near it.
FIRST_PLACE = 0.75
# How far below the best score the axis goes, as a multiple of the distance to the lower quartile.
SCORE_REACH = 3
LABEL_WIDTH_PIXELS, CHART_WIDTH_PIXELS = 52, 600


def explorer_html(
    replay: pd.DataFrame,
    signals: pd.DataFrame,
    algorithms: Mapping[str, Mapping],
    levels: Levels,
) -> Markup:
    """Return the explorer as a fragment of HTML that needs nothing but itself.

    Parameters
    ----------
    replay
        One row per data set, algorithm, repetition, rule, metric and limit, as in
        results/tables/replay.parquet. Only limits on system metrics are shown.
    signals
        One row per data set, algorithm, repetition, rule, metric and trial of the baseline, with
        its configuration, its score and the largest signal that a limit is compared with, as in
        results/tables/signals.parquet.
    algorithms
        The config's section, with the task of each algorithm.
    levels
        The study's hyperparameters.
    """
    studies = explorer_studies(replay, signals, algorithms, levels)
    shown = [study for of_pair in studies.values() for study in of_pair.values()]
    data = {
        "studies": studies,
        "specification": explorer_chart(levels),
        "firstPlace": FIRST_PLACE,
        "margin": LABEL_WIDTH_PIXELS + 30,
    }
    return render(
        "explorer.html.jinja",
        pairs=list(studies),
        repetitions=sorted({name for of_pair in studies.values() for name in of_pair}, key=int),
        quantities=list(dict.fromkeys(name for study in shown for name in study["quantities"])),
        colour=KEPT_COLOUR,
        data=script(json.dumps(data, separators=(",", ":"), allow_nan=False)),
        vega=script(vl_convert.javascript_bundle()),
    )


def explorer_studies(
    replay: pd.DataFrame,
    signals: pd.DataFrame,
    algorithms: Mapping[str, Mapping],
    levels: Levels,
) -> dict[str, dict[str, Any]]:
    """Return what the page shows by data set with algorithm, and by repetition.

    A study has its trials and quantities; a quantity is what a limit is set on and has its limits.
    These are columns: those of texts hold the numbers of the tables' rows as a reader sees them,
    those of numbers are for drawing and hold null where there is nothing to draw.
    """
    replay, signals = _with_quantity(replay), _with_quantity(signals)
    trials_of = dict(iter(signals.groupby(REPLICATE)))
    studies: dict[str, dict[str, Any]] = {}
    by_study = replay.groupby(REPLICATE, sort=False)
    for (dataset, algorithm, repetition), rows in by_study:
        of_study = trials_of[dataset, algorithm, repetition]
        of_pair = studies.setdefault(pair_label(dataset, algorithm), {})
        of_pair[str(repetition)] = _study(algorithms[algorithm]["task"], rows, of_study, levels)
    return studies


def thinned(rows: pd.DataFrame, most: int = MOST_LIMITS) -> pd.DataFrame:
    """Return at most so many rows, evenly spread in the order of their limits, with both ends."""
    rows = rows.sort_values("limit")
    kept = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    return rows.iloc[kept]


def _with_quantity(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of limits on system metrics, with a column that names what is limited."""
    named = [(names, rule_at(*names)) for names in _rules_in(table)]
    labels = {names: rule.axis_label for names, rule in named if rule.limits_system_metric}
    names = [*zip(table["rule"], table["metric"], strict=True)]
    table = table.assign(quantity=[labels.get(name, "") for name in names])
    return table[table["quantity"] != ""]


def _rules_in(table: pd.DataFrame) -> Iterable[tuple[str, str]]:
    return table[RULE].drop_duplicates().itertuples(index=False, name=None)


def _study(
    task: str, replay: pd.DataFrame, signals: pd.DataFrame, levels: Levels
) -> dict[str, Any]:
    trials = signals.drop_duplicates("trial_id").set_index("trial_id")
    scores = trials["score"].astype(float)
    drawn_scores, bottom_note = _within_reach(scores)
    quantities = {}
    for quantity, rows in replay.groupby("quantity", sort=False):
        of_quantity = signals[signals["quantity"] == quantity].set_index("trial_id")
        largest = of_quantity["largest_signal"].reindex(trials.index).astype(float)
        rows = thinned(rows)
        limits = rows["limit"].to_numpy()
        undrawn = int((~(np.isfinite(scores) & np.isfinite(largest) & (largest > 0))).sum())
        undrawn_note = f"Not drawn: {counted(undrawn, 'trial')} without score or reading."
        quantities[str(quantity)] = {
            "limits": _limits(rows),
            "trials": {
                "reading": _positive(largest),
                # By number, as the drawn values are rounded.
                "limits_below": (limits < largest.to_numpy()[:, None]).sum(axis=1).tolist(),
            },
            "note": " ".join(filter(None, [undrawn_note if undrawn else "", bottom_note])),
        }
    classifies = task == "classification"
    return {
        "score": "accuracy" if classifies else "minus RMSE",
        "regret": "accuracy" if classifies else "RMSE",
        "trials": {
            "score": _drawn(drawn_scores),
            "score_text": [number(score) for score in scores],
            **{name: _values(trials[name]) for name in levels},
        },
        "quantities": quantities,
    }


def _values(values: pd.Series) -> list[float | str | None]:
    """Return a hyperparameter's values; null where the algorithm has no such hyperparameter."""
    return [
        None if missing else value for value, missing in zip(values, values.isna(), strict=True)
    ]


def _limits(rows: pd.DataFrame) -> dict[str, list]:
    rule, metric = next(iter(_rules_in(rows)))
    return {
        "limit": _positive(rows["limit"]),
        # More digits than elsewhere, to distinguish neighbours.
        "limit_text": [rule_at(rule, metric, limit).limit_text(5) for limit in rows["limit"]],
        "stopped_text": [
            f"{stopped:,} of {counted(trials, 'trial')}"
            for stopped, trials in zip(rows["trials_stopped"], rows["trials"], strict=True)
        ],
        "saved_time_percent": _drawn(100 * rows["saved_time_fraction"]),
        "saved_time_text": [percent(fraction) for fraction in rows["saved_time_fraction"]],
        "saved_steps_text": [percent(fraction) for fraction in rows["saved_steps_fraction"]],
        "best_score": _drawn(rows["best_score"]),
        "best_score_text": [number(score) for score in rows["best_score"]],
        "regret": _drawn(rows["regret"]),
        "regret_text": [number(regret) for regret in rows["regret"]],
        "winner_stopped": rows["winner_stopped"].astype(int).tolist(),
    }


def _within_reach(scores: pd.Series) -> tuple[pd.Series, str]:
    """Return the scores as drawn, and what to say of those put at the bottom.

    A model that nearly diverged would otherwise press all others into one line.
    """
    finite = scores[np.isfinite(scores)]
    floor = finite.max() - SCORE_REACH * (finite.max() - finite.quantile(0.25))
    below = int((finite < floor).sum())
    if below == 0 or floor == finite.max():
        return scores, ""
    note = f"Drawn at the bottom: {counted(below, 'trial')} with a lower score."
    return scores.clip(lower=floor), note


def _drawn(values: Iterable[float]) -> list[float | None]:
    """Return numbers for drawing; JSON has no numbers that are not finite."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


def _positive(values: pd.Series) -> list[float | None]:
    """Return numbers for drawing on a logarithmic axis."""
    return _drawn(values.where(values > 0))


# What the page's script hands to the chart: tables by name, and words by name.
_TRIALS, _LIMITS, _HERE = (alt.NamedData(name) for name in ("trials", "limits", "here"))
_WORDS = ("quantity", "score", "regret")


def explorer_chart(levels: Levels) -> dict[str, Any]:
    """Return the chart's Vega-Lite specification, without data."""
    best = alt.Chart(_HERE).mark_rule(color=KEPT_COLOUR).encode(_height("best_score"))
    chart = (
        alt.vconcat(
            _panel(
                _trials(levels) + best + _limit(), 240, "'Score (' + score + '), line: best kept'"
            ),
            _panel(
                _curve("saved_time_percent") + _limit(), 110, "'Steady training time saved (%)'"
            ),
            _panel(_curve("regret") + _limit(), 110, "'Regret (' + regret + ')'"),
            title=alt.Title(
                alt.ExprRef("quantity + ', largest of a trial'"),
                orient="bottom",
                anchor="middle",
                offset=6,
                fontWeight="normal",
                fontSize=12,
            ),
            spacing=12,
        )
        .resolve_scale(x="shared")
        .add_params(*(alt.param(name=name, value="") for name in _WORDS))
        .configure(font="system-ui, sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=12,
            labelColor=TEXT_COLOUR,
            gridColor="#e5e5e5",
            domainColor="#767676",
            tickColor="#767676",
        )
        .configure_axisY(minExtent=LABEL_WIDTH_PIXELS, maxExtent=LABEL_WIDTH_PIXELS)
        .configure_legend(orient="top", labelFontSize=12, labelColor=TEXT_COLOUR)
        .configure_title(anchor="start", frame="group", fontSize=13, color=TEXT_COLOUR)
    )
    specification = chart.to_dict()
    # An address, if only of a schema: the page is to hold none.
    del specification["$schema"]
    return specification


def _panel(chart: alt.LayerChart, height: int, title: str) -> alt.LayerChart:
    return chart.properties(
        width=CHART_WIDTH_PIXELS, height=height, title=alt.Title(alt.ExprRef(title))
    )


def _reading(column: str) -> alt.X:
    axis = alt.Axis(format=",~r", tickCount=6, labelOverlap=True)
    return alt.X(f"{column}:Q", title=None, axis=axis).scale(type="log", nice=False, padding=14)


def _height(column: str) -> alt.Y:
    return alt.Y(f"{column}:Q", title=None)


def _trials(levels: Levels) -> alt.Chart:
    """Return the trials, one mark each; shapes distinguish them without colours."""
    states = ["kept", "stopped"]
    shapes = alt.Scale(domain=states, range=["circle", "M-1,-1L1,1M1,-1L-1,1"])
    colours = alt.Scale(domain=states, range=[KEPT_COLOUR, STOPPED_COLOUR])
    return (
        alt.Chart(_TRIALS)
        .mark_point(size=55, strokeWidth=1.8, opacity=0.9)
        .encode(
            _reading("reading"),
            _height("score").scale(zero=False, padding=10),
            alt.Color("state:N", title=None, scale=colours),
            alt.Shape("state:N", title=None, scale=shapes),
            tooltip=[
                *(
                    alt.Tooltip(
                        f"{name}:{'Q' if texts is None else 'N'}", title=capitalised(spoken(name))
                    )
                    for name, texts in levels.items()
                ),
                alt.Tooltip("score_text:N", title="Score"),
                alt.Tooltip("reading:Q", title="Largest reading", format=",.5~r"),
                alt.Tooltip("state:N", title="With this limit"),
            ],
        )
    )


def _curve(column: str) -> alt.LayerChart:
    """Return a column of the limits against the limit, with its value at the reader's limit."""
    height = _height(column).axis(tickCount=4).scale(zero=True)
    curve = alt.Chart(_LIMITS).mark_line(interpolate="step-after", color=KEPT_COLOUR)
    here = alt.Chart(_HERE).mark_point(filled=True, size=90, opacity=1, color=STOPPED_COLOUR)
    return alt.layer(*(chart.encode(_reading("limit"), height) for chart in (curve, here)))


def _limit() -> alt.Chart:
    return (
        alt.Chart(_HERE).mark_rule(color=TEXT_COLOUR, strokeDash=[5, 3]).encode(_reading("limit"))
    )
