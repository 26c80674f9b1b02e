"""A subject of the report: what is known of it, in one declaration that the page asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sysstop.report.text_tables import ReportData, ReportTable


@dataclass(frozen=True)
class Answer:
    """An answer: its paragraph and its points, each a name and a sentence or more."""

    paragraph: str
    points: list[tuple[str, str]]


@dataclass(frozen=True)
class Subject:
    """A subject of the report: its tables and its sentences."""

    tables: tuple[ReportTable, ...] = ()
    question: Literal["RQ1", "RQ2", ""] = ""
    """The research question that it helps to answer, if any."""
    answer: Callable[[ReportData], Answer] = lambda data: Answer("", [])
    """Returns what it says to that question; a point without text is left out."""
    method: Callable[[ReportData], Sequence[str]] = lambda data: ()
    """Returns paragraphs on how it was studied."""
    limitations: Callable[[ReportData], Sequence[str]] = lambda data: ()
    """Returns what limits its results."""


def joint_answer(question: str, subjects: Sequence[Subject], data: ReportData) -> Answer:
    """Return the answer to a research question from all subjects that help to answer it."""
    answers = [subject.answer(data) for subject in subjects if subject.question == question]
    paragraphs = [answer.paragraph for answer in answers if answer.paragraph]
    points = [(name, text) for answer in answers for name, text in answer.points if text]
    return Answer(" ".join(paragraphs), points)
