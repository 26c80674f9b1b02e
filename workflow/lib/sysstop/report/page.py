"""Render the report: one HTML page that needs nothing but itself."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from sysstop.report import budget, effects, noise, prediction, recommendation, replay, replay_check
from sysstop.report.answer import Answer
from sysstop.report.arms import ARMS_METHOD
from sysstop.report.explorer import explorer_html
from sysstop.report.hosts import host_limitations
from sysstop.report.limitations import grid_limitations, incomplete_trials
from sysstop.report.study import study_method, study_size
from sysstop.report.tables import PROVENANCE_TABLES, RESULT_TABLES, STUDY_TABLES
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


def render_report(data: ReportData, figures: Sequence[ReportFigure], template: Path) -> str:
    """Return the report as an HTML page.

    Parameters
    ----------
    data
        The tables trials, budget, effects, noise, cost_model, environment, replay, replay_summary,
        signals, replay_check, prediction, prediction_saving and recommendations, with the study's
        config and where its data came from.
    figures
        The figures in the order in which they appear; captions are plain text.
    template
        The Jinja template of the page.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    results = [html_table(table, data) for table in RESULT_TABLES]
    return environment.get_template(template.name).render(
        subtitle=study_size(data.config, data.tables["trials"]),
        rq1=effects.answer_rq1(data.tables["effects"], data.tables["cost_model"]),
        rq2=_answer_rq2(data),
        explorer=explorer_html(data.tables["replay"], data.tables["signals"]),
        figures={
            question: [
                figure for figure in figures if FIGURE_KINDS[figure.kind].question == question
            ]
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


def _answer_rq2(data: ReportData) -> Answer:
    tables = data.tables
    live = budget.answer_rq2(tables["budget"], tables["noise"], data.config)
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
