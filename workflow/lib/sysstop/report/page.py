"""Render the report: one HTML page that needs nothing but itself."""

import re
from collections.abc import Sequence

from sysstop.report.explorer import explorer_html
from sysstop.report.figures.registry import ReportFigure
from sysstop.report.rendering import render
from sysstop.report.study import study_size
from sysstop.report.subject import joint_answer
from sysstop.report.subjects import PROVENANCE, RESULTS, STUDIED, SUBJECTS, tables_of
from sysstop.report.text_tables import ReportData, html_table

END_OF_SENTENCE = r"(?<=\.) (?=[A-Z])"


def answers_in_short(data: ReportData) -> str:
    """Return the first sentence of the answer to each question, as plain text, a line each."""
    answers = {question: joint_answer(question, SUBJECTS, data) for question in ("RQ1", "RQ2")}
    return "".join(
        f"{question}: {re.split(END_OF_SENTENCE, answer.paragraph)[0]}\n"
        for question, answer in answers.items()
    )


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
    results = [html_table(table, data) for table in tables_of(RESULTS)]
    page = render(
        "report.html.jinja",
        subtitle=study_size(data.config, data.tables["trials"]),
        rq1=joint_answer("RQ1", SUBJECTS, data),
        rq2=joint_answer("RQ2", SUBJECTS, data),
        explorer=explorer_html(
            data.tables["replay"],
            data.tables["signals"],
            data.config["algorithms"],
            data.config["hyperparameters"],
        ),
        figures={
            question: [figure for figure in figures if figure.category == question]
            for question in ("RQ1", "RQ2")
        },
        result_tables=[table for table in results if table.rows],
        study_tables=[html_table(table, data) for table in tables_of(STUDIED)],
        method=[text for subject in SUBJECTS for text in subject.method(data)],
        limitations=[text for subject in SUBJECTS for text in subject.limitations(data)],
        provenance_tables=[html_table(table, data) for table in PROVENANCE.tables],
    )
    return str(page)
