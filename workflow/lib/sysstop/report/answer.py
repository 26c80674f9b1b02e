"""The answer to a research question."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """An answer: its paragraph and its points, each a name and a sentence or more."""

    paragraph: str
    points: list[tuple[str, str]]
