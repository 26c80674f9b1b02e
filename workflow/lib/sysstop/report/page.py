"""Render the report: one HTML page that needs nothing but itself."""

from collections.abc import Sequence

from sysstop.report import budget, effects, noise, prediction, recommendation, replay, replay_check
from sysstop.report.answer import Answer
from sysstop.report.arms import ARMS_METHOD, arm_limits
from sysstop.report.explorer import explorer_html
from sysstop.report.figures.registry import ReportFigure
from sysstop.report.hosts import host_limitations
from sysstop.report.limitations import grid_limitations, incomplete_trials
from sysstop.report.rendering import render
from sysstop.report.study import study_method, study_size
from sysstop.report.tables import PROVENANCE_TABLES, RESULT_TABLES, STUDY_TABLES
from sysstop.report.text_tables import ReportData, html_table


def render_report(data: ReportData, figures: Sequence[ReportFigure]) -> str:
    """Return the report as an HTML page.

    Parameters
    ----------
    data
        The tables trials, budget, effects, noise, cost_model, environment, replay, replay_summary,
        signals, replay_check, prediction, prediction_saving and recommendations, with the study's
        config and where its data came from.
    figures
        The figures in the order in which they appear.
    """
    results = [html_table(table, data) for table in RESULT_TABLES]
    page = render(
        "report.html.jinja",
        subtitle=study_size(data.config, data.tables["trials"]),
        rq1=effects.answer_rq1(data.tables["effects"], data.tables["cost_model"]),
        rq2=_answer_rq2(data),
        explorer=explorer_html(data.tables["replay"], data.tables["signals"]),
        figures={
            question: [figure for figure in figures if figure.category == question]
            for question in ("RQ1", "RQ2")
        },
        result_tables=[table for table in results if table.rows],
        study_tables=[html_table(table, data) for table in STUDY_TABLES],
        method=[
            *study_method(data.config),
            ARMS_METHOD,
            effects.EFFECTS_METHOD,
            replay.REPLAY_METHOD,
        ],
        limitations=_limitations(data),
        provenance_tables=[html_table(table, data) for table in PROVENANCE_TABLES],
    )
    return str(page)


def _answer_rq2(data: ReportData) -> Answer:
    tables = data.tables
    limits = arm_limits(tables["trials"])
    live = budget.answer_rq2(tables["budget"], tables["noise"], data.config, limits)
    sentences = [live.paragraph, *replay.replay_sentences(tables["replay_summary"])]
    points = [
        ("Against random stopping", replay.random_stopping(tables["replay_summary"])),
        ("Live search against replay", replay_check.live_check(tables["replay_check"])),
        (
            "Prediction",
            prediction.predictions(tables["prediction"], tables["prediction_saving"]),
        ),
        (
            "For an application",
            recommendation.recommended(tables["recommendations"], data.config["constraints"]),
        ),
    ]
    supported = [(name, text) for name, text in points if text]
    return Answer(" ".join(sentences), [*live.points, *supported])


def _limitations(data: ReportData) -> list[str]:
    trials, environment = data.tables["trials"], data.tables["environment"]
    return [
        *budget.budget_limitations(data.tables["budget"], data.config),
        *noise.noise_limitations(trials, environment),
        effects.EFFECTS_LIMITATION,
        replay.REPLAY_LIMITATION,
        *grid_limitations(trials, data.tables["budget"]),
        *incomplete_trials(trials),
        *host_limitations(trials, environment),
    ]
