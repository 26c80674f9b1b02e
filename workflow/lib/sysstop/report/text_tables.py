"""The report's tables: how one is declared, and how it becomes HTML or LaTeX."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from sysstop.report.wording import MISSING, number

# More rows than fit on a page; LaTeX breaks such a table if it is a `longtable`.
ROWS_PER_PAGE = 40


@dataclass(frozen=True)
class ReportData:
    """What the report is made from."""

    tables: Mapping[str, pd.DataFrame]
    """The tables in results/tables by name."""
    config: Mapping[str, Any]
    split_summaries: Mapping[str, Mapping[str, Any]]
    """The summary of each data set's split by the data set's name (`data.splitting.make_split`)."""
    provenance: Sequence[Mapping[str, Any]] = ()
    """Where each data set came from, as `data.sources.fetch_table` returns it."""


@dataclass(frozen=True)
class ReportTable:
    """A table of the report, for the page and for LaTeX alike."""

    name: str
    title: str
    digest: Callable[[ReportData], pd.DataFrame]
    """Returns the table with headings for readers."""
    note: str | Callable[[ReportData], str] = ""
    """How to read the table."""
    sources: tuple[str, ...] = ()
    """The tables in results/tables that it is made from."""
    in_papers: bool = True
    """Whether it is written for LaTeX documents too."""


@dataclass(frozen=True)
class HtmlTable:
    """A table of the report as text: headings, which columns hold numbers, and rows."""

    title: str
    note: str
    headings: list[str]
    numeric: list[bool]
    rows: list[list[str]]


def html_table(table: ReportTable, data: ReportData) -> HtmlTable:
    """Return a table as text with its title and a note on how to read it."""
    digest = table.digest(data)
    return HtmlTable(
        title=table.title,
        note=table.note if isinstance(table.note, str) else table.note(data),
        headings=[str(column) for column in digest.columns],
        numeric=numeric_columns(digest),
        rows=display(digest).to_numpy().tolist(),
    )


def display(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with every value as text: numbers in three digits, gaps as a dash."""
    return table.apply(lambda column: column.astype(object).map(_cell_text))


def _cell_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value)


def numeric_columns(table: pd.DataFrame) -> list[bool]:
    """Return for each column whether it holds numbers, which are aligned on the right."""
    return [is_numeric_dtype(dtype) and not is_bool_dtype(dtype) for dtype in table.dtypes]


def latex(table: pd.DataFrame) -> str:
    r"""Return a table as LaTeX for \input, which needs the package booktabs.

    A table longer than a page is a `longtable`, which needs the package of that name.
    """
    styler = display(table).style.hide(axis="index")
    styler = styler.format(escape="latex").format_index(escape="latex", axis="columns")
    return styler.to_latex(
        hrules=True,
        column_format="".join("r" if numeric else "l" for numeric in numeric_columns(table)),
        environment="longtable" if len(table) > ROWS_PER_PAGE else None,
    )


def counts_of(table: pd.DataFrame, part: str, whole: str) -> list[str]:
    """Return for each row how many of the whole a part is, both of them columns: "3 of 4"."""
    return [f"{a:,} of {b:,}" for a, b in zip(table[part], table[whole], strict=True)]
