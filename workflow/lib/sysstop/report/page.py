"""Render the report: one HTML page that needs nothing but itself."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sysstop.report.explorer import explorer_html
from sysstop.report.rendering import render
from sysstop.report.study import study_size
from sysstop.report.subject import joint_answer
from sysstop.report.subjects import PROVENANCE, RESULTS, STUDIED, SUBJECTS, tables_of
from sysstop.report.text_tables import ReportData, html_table
from sysstop.report.wording import in_words


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure: the research question it belongs to, its title and the tables it shows."""

    question: str
    title: str
    tables: tuple[str, ...]


FIGURE_KINDS = {
    "response": FigureKind("RQ1", "System metrics against hyperparameters", ("trials",)),
    "effects": FigureKind("RQ1", "Share of variance explained", ("effects",)),
    "cost": FigureKind("RQ1", "Cost per step and per sample", ("trials", "cost_model")),
    "budget": FigureKind("RQ2", "Budget used, budget saved and regret", ("budget",)),
    "tradeoff": FigureKind("RQ2", "Saving against regret", ("budget",)),
    "courses": FigureKind("RQ2", "Which trials were stopped", ("windows", "trials")),
    "replay": FigureKind("RQ2", "Saving and regret of every rule", ("replay", "replay_summary")),
    "prediction": FigureKind("RQ2", "Error of early predictions", ("prediction",)),
    "pareto": FigureKind("RQ2", "Score against system metrics", ("pareto",)),
}
"""The figures by name, in the order of the report.

The name stands in the names of the script, of the caption's file and of the figure itself.
"""


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report: its kind, its SVG file, its caption and the data set if it has one."""

    kind: str
    svg: Path
    caption: str
    dataset: str = ""

    @property
    def title(self) -> str:
        """The figure's title, with its data set."""
        title = FIGURE_KINDS[self.kind].title
        return f"{title}: {self.dataset}" if self.dataset else title

    @property
    def source(self) -> str:
        """Which table and which script the figure comes from."""
        tables = in_words(
            [f"results/tables/{table}.parquet" for table in FIGURE_KINDS[self.kind].tables]
        )
        return f"Made from {tables} by workflow/scripts/figure_{self.kind}.py."

    @property
    def data_address(self) -> str:
        """The SVG as a data URI: as an image of its own, its ids cannot clash with another's."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.read_bytes()).decode()


def report_figures(svgs: Iterable[Path], captions: Iterable[Path]) -> list[ReportFigure]:
    """Return the figures of these files in the order of `FIGURE_KINDS`.

    A figure is named `rq1_<kind>.svg`, or `rq1_<kind>/<data set>.svg` where there is one for each
    data set; its caption is the text of `<kind>.rst`.
    """
    text_of = {file.stem: _one_line(file.read_text()) for file in map(Path, captions)}
    figures = []
    for svg in map(Path, svgs):
        for kind, description in FIGURE_KINDS.items():
            name = f"{description.question.lower()}_{kind}"
            if name == svg.parent.name:
                figures.append(ReportFigure(kind, svg, text_of[kind], dataset=svg.stem))
            elif name == svg.stem and svg.parent.name == "figures":
                figures.append(ReportFigure(kind, svg, text_of[kind]))
    return sorted(figures, key=lambda figure: list(FIGURE_KINDS).index(figure.kind))


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace(" %", "\u00a0%")


def render_report(data: ReportData, figures: Sequence[ReportFigure]) -> str:
    """Return the report as an HTML page.

    Parameters
    ----------
    data
        The tables trials, budget, effects, noise, cost_model, environment, replay, replay_summary,
        signals, replay_check, prediction, prediction_saving and recommendations, with the study's
        config and where its data came from.
    figures
        The figures in the order in which they appear; captions are plain text.
    """
    results = [html_table(table, data) for table in tables_of(RESULTS)]
    page = render(
        "report.html.jinja",
        subtitle=study_size(data.config, data.tables["trials"]),
        rq1=joint_answer("RQ1", SUBJECTS, data),
        rq2=joint_answer("RQ2", SUBJECTS, data),
        explorer=explorer_html(data.tables["replay"], data.tables["signals"]),
        figures={
            question: [
                figure for figure in figures if FIGURE_KINDS[figure.kind].question == question
            ]
            for question in ("RQ1", "RQ2")
        },
        result_tables=[table for table in results if table.rows],
        study_tables=[html_table(table, data) for table in tables_of(STUDIED)],
        method=[text for subject in SUBJECTS for text in subject.method(data)],
        limitations=[text for subject in SUBJECTS for text in subject.limitations(data)],
        provenance_tables=[html_table(table, data) for table in PROVENANCE.tables],
    )
    return str(page)
