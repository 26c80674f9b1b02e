"""A subject of the report: what is known of it, in one declaration that the page asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sysstop.report.text_tables import ReportData, ReportTable


@dataclass(frozen=True)
class KeyNumber:
    """A number with its unit, what it means, and the id of the row, table or figure behind it."""

    value: str
    meaning: str
    evidence: str


@dataclass(frozen=True)
class Headline:
    """The answer to a research question in a sentence or two, and a handful of numbers."""

    text: str
    numbers: Sequence[KeyNumber] = ()


@dataclass(frozen=True)
class Answer:
    """What a subject says to its question: a claim, its reasons, and points of name and text."""

    paragraph: str
    points: Sequence[tuple[str, str]] = ()
    claim: str = ""
    """The paragraph in one short sentence; empty for the subject's title."""


@dataclass(frozen=True)
class Subject:
    """A subject of the report: its tables and its sentences."""

    name: str
    """What figures name to stand beneath it (`FigureKind.subject`)."""
    title: str = ""
    tables: tuple[ReportTable, ...] = ()
    question: Literal["RQ1", "RQ2", ""] = ""
    """The research question that it helps to answer, if any."""
    headline: Callable[[ReportData], Headline] | None = None
    """Returns the answer to that question in short; one subject has it for each question."""
    answer: Callable[[ReportData], Answer] = lambda data: Answer("")
    """Returns what it says to that question; a point without text is left out."""
    method: Callable[[ReportData], Sequence[str]] = lambda data: ()
    """Returns paragraphs on how it was studied."""
    limitations: Callable[[ReportData], Sequence[str]] = lambda data: ()
    """Returns what limits its results."""
