"""What a figure declares about itself."""

from dataclasses import dataclass
from typing import Literal, get_args

Category = Literal["RQ1", "RQ2"]
"""The research questions."""


@dataclass(frozen=True)
class FigureKind:
    """What a figure's module declares as `FIGURE`, next to its function `draw`.

    The registry reads the declaration without running the module, so every value is a literal.

    Attributes
    ----------
    name
        What its rule, `figure_<name>`, and its files are called.
    title
        The title, without a data set.
    category
        The research question that it helps to answer.
    caption
        How to read the figure, in plain text.
    tables
        The tables of results/tables that it shows. `draw` takes them as arguments of these names.
    config
        The sections of the config that it needs. `draw` takes them as arguments, too.
    subject
        The name of the report's subject beneath which it stands; empty for the last fold of its
        question, which holds all that belong to none.
    per_dataset
        Whether there is one for each data set, of that data set's rows alone.
    """

    name: str
    title: str
    category: Category
    caption: str
    tables: tuple[str, ...]
    config: tuple[str, ...] = ()
    subject: str = ""
    per_dataset: bool = False

    def __post_init__(self) -> None:
        if self.category not in get_args(Category):
            raise ValueError(f"category {self.category!r} is neither RQ1 nor RQ2")

    @property
    def path(self) -> str:
        """The path in results/figures, without suffix and with `{dataset}` for a data set's name."""
        stem = f"{self.category.lower()}_{self.name}"
        return f"{stem}/{{dataset}}" if self.per_dataset else stem
