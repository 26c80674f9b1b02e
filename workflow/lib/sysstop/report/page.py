"""Render the report: one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from sysstop.report.explorer import explorer_html
from sysstop.report.figures.registry import ReportFigure
from sysstop.report.recommendation import ADVICE_TABLE
from sysstop.report.rendering import render
from sysstop.report.study import study_size
from sysstop.report.subject import Answer, Headline
from sysstop.report.subjects import BACKGROUND, EVIDENCE, STUDIED, SUBJECTS, tables_of
from sysstop.report.text_tables import HtmlTable, ReportData, ReportTable, html_table

QUESTIONS = {
    "RQ1": "Which hyperparameters decide what training costs?",
    "RQ2": "What does early stopping save and lose?",
}
# The figure that stands beside the answer to each question, by its name.
PICTURES = {"RQ1": "cost", "RQ2": "tradeoff"}


@dataclass(frozen=True)
class FigureGroup:
    """The figures of one kind: one, or one for each data set, of which the page shows one at a time."""

    name: str
    figures: Sequence[ReportFigure]

    @property
    def first(self) -> ReportFigure:
        """The figure that is shown first, and tells what all of them have in common."""
        return self.figures[0]


@dataclass(frozen=True)
class Question:
    """A research question with its answer in short and the picture beside it."""

    name: str
    text: str
    headline: Headline
    picture: FigureGroup | None


@dataclass(frozen=True)
class Evidence:
    """What one subject says to a question: a fold of the page."""

    name: str
    question: str
    title: str
    answer: Answer
    figures: Sequence[FigureGroup]
    tables: Sequence[HtmlTable]


def answers_in_short(data: ReportData) -> str:
    """Return the answer to each question as plain text, a line each."""
    return "".join(
        f"{subject.question}: {subject.headline(data).text}\n"
        for subject in EVIDENCE
        if subject.headline
    )


def render_report(data: ReportData, figures: Sequence[ReportFigure]) -> str:
    """Return the report as an HTML page.

    Parameters
    ----------
    data
        The tables trials, budget, anytime, effects, noise, cost_model, environment, replay,
        replay_summary, signals, replay_check, prediction, prediction_saving and recommendations,
        with the study's config and where its data came from.
    figures
        The figures in the order in which they appear.
    """
    groups = figure_groups(figures)
    pictures = {
        question: group
        for question, name in PICTURES.items()
        for group in groups
        if group.name == name
    }
    left = [group for group in groups if group not in pictures.values()]
    page = render(
        "report.html.jinja",
        subtitle=study_size(data.config, data.tables["trials"]),
        questions=[
            Question(
                subject.question,
                QUESTIONS[subject.question],
                subject.headline(data),
                pictures.get(subject.question),
            )
            for subject in EVIDENCE
            if subject.headline
        ],
        advice=html_table(ADVICE_TABLE, data),
        explorer=explorer_html(
            data.tables["replay"],
            data.tables["signals"],
            data.config["algorithms"],
            data.config["hyperparameters"],
        ),
        evidence=[*_evidence(data, left), *_unclaimed(left)],
        study_tables=[html_table(table, data) for table in tables_of(STUDIED)],
        method=[text for subject in SUBJECTS for text in subject.method(data)],
        limitations=[text for subject in SUBJECTS for text in subject.limitations(data)],
        background_tables=_filled(tables_of(BACKGROUND), data),
    )
    return str(page)


def figure_groups(figures: Sequence[ReportFigure]) -> list[FigureGroup]:
    """Return the figures by kind, in their order."""
    by_name: dict[str, list[ReportFigure]] = {}
    for figure in figures:
        by_name.setdefault(figure.kind.name, []).append(figure)
    return [FigureGroup(name, of_kind) for name, of_kind in by_name.items()]


def _evidence(data: ReportData, groups: Sequence[FigureGroup]) -> list[Evidence]:
    return [
        Evidence(
            subject.name,
            subject.question,
            subject.title,
            subject.answer(data),
            [group for group in groups if group.first.kind.subject == subject.name],
            _filled(subject.tables, data),
        )
        for subject in EVIDENCE
    ]


def _unclaimed(groups: Sequence[FigureGroup]) -> list[Evidence]:
    """Return a fold for each question with the figures that belong to no subject, if there are any."""
    known = {subject.name for subject in EVIDENCE}
    left = [group for group in groups if group.first.kind.subject not in known]
    return [
        Evidence(f"more-{question.lower()}", question, "More figures", Answer(""), of_question, [])
        for question in QUESTIONS
        if (of_question := [g for g in left if g.first.category == question])
    ]


def _filled(tables: Sequence[ReportTable], data: ReportData) -> list[HtmlTable]:
    shown = [html_table(table, data) for table in tables]
    return [table for table in shown if table.rows]
