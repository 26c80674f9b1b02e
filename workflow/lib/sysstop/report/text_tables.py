"""The report's tables: how one is declared, and how it becomes HTML or LaTeX."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from sysstop.report.wording import MISSING, number

# More rows than fit on a page; LaTeX breaks such a table if it is a `longtable`.
ROWS_PER_PAGE = 40
# Between the parts of a row's name.
NAME_JOINT = " · "


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
    naming: int = 1
    """How many of its first columns name a row; the page shows them as one."""


@dataclass(frozen=True)
class HtmlTable:
    """A table of the report as text: headings, which columns hold numbers, and rows.

    The first cell of a row is its name.
    """

    name: str
    title: str
    note: str
    headings: list[str]
    numeric: list[bool]
    rows: list[list[str]]

    def row_id(self, row: Sequence[str]) -> str:
        """Return the id of a row in the page, to which claims link."""
        return row_id(self.name, row[0])


def row_id(table: str, row: str) -> str:
    """Return the id in the page of the row of this name in the table of that name."""
    return f"{table}-{re.sub(r'[^a-z0-9]+', '-', row.lower()).strip('-')}"


def html_table(table: ReportTable, data: ReportData) -> HtmlTable:
    """Return a table as text with its title and a note on how to read it."""
    digest = table.digest(data)
    texts = display(digest).to_numpy().tolist()
    headings = [str(column) for column in digest.columns]
    naming = table.naming
    return HtmlTable(
        name=table.name,
        title=table.title,
        note=table.note if isinstance(table.note, str) else table.note(data),
        headings=[NAME_JOINT.join(headings[:naming]), *headings[naming:]],
        numeric=[False, *numeric_columns(digest)[naming:]],
        rows=[[NAME_JOINT.join(row[:naming]), *row[naming:]] for row in texts],
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


def two_digits(values: pd.Series) -> pd.Series:
    """Return numbers rounded to two significant digits, for readings that noise blurs beyond."""
    return values.map(lambda value: float(f"{value:.2g}"))


def whole_percents(fractions: pd.Series) -> pd.Series:
    """Return fractions in whole percent, which is as far as noise lets a saving be read."""
    return (100 * fractions).round() + 0.0  # no minus before a zero


def counts_of(table: pd.DataFrame, part: str, whole: str) -> list[str]:
    """Return for each row how many of the whole a part is, both of them columns: "3 of 4"."""
    return [f"{a:,} of {b:,}" for a, b in zip(table[part], table[whole], strict=True)]
