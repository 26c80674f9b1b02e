"""Is a raw table usable? Each reason for refusing one comes with what its owner can do about it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from pandas.api import types

from sysstop.data.cells import (
    ALIKE,
    DECIMAL_COMMA,
    GROUPED_DIGITS,
    MISSING_MARKS,
    PERCENT_OR_CURRENCY,
    is_text,
    numbers_in,
    present_texts,
    strays_among_numbers,
)
from sysstop.run.errors import UserError, printable, shortened
from sysstop.run.machine import this_machine

TARGET = "target"

# Where the distinct values exceed this share of the rows, they are not classes or categories but
# measurements or identifiers. Fractional numbers are rarely class labels, so their share is lower.
MAX_DISTINCT_SHARE = 1 / 3
MAX_DISTINCT_SHARE_FRACTIONAL = 1 / 10

MAX_COLUMNS = 100_000
# The squares of larger numbers, summed over the rows, overflow.
LARGEST_VALUE = 1e100
AS_IF_INFINITE = f"(a number beyond {LARGEST_VALUE:g} counts as such)"
LONGEST_LISTED = 60

# Names that pandas, or Arrow for pandas, gives to the numbers of rows when a table is saved.
NAME_OF_ROW_NUMBERS = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")
# With fewer rows, whole numbers may be consecutive by chance.
FEWEST_NUMBERED_ROWS = 10


def check_memory(name: str, what: str, needed_bytes: float, remedy: str) -> None:
    """Raise UserError where something would take more memory than this machine has for us."""
    memory_bytes = this_machine().memory_bytes
    if needed_bytes > memory_bytes:
        raise UserError(
            f"Data set '{name}': {what} would take {needed_bytes / 2**30:.3g} GiB of memory or more; "
            f"this machine has {memory_bytes / 2**30:.3g} GiB. {remedy}."
        )


def check_column_names(name: str, columns: Sequence[str]) -> None:
    """Raise UserError where a column name is empty or given twice."""
    columns = pd.Index(columns)
    if len(columns) > MAX_COLUMNS:
        raise _unusable(
            name,
            f"{len(columns)} columns, more than the {MAX_COLUMNS} that are possible",
            "Remove columns, or check that a row is a sample and not a feature",
        )
    unnamed = [str(place) for place, empty in enumerate(columns.isna(), start=1) if empty]
    if unnamed:
        raise _unusable(
            name,
            f"no name in the header for column number {listed(unnamed)}",
            f'Leave it out by `datasets.{name}.drop: [""]` if it only numbers the rows, or name each '
            "column in the file",
        )
    repeated = columns[columns.duplicated()].unique()
    if len(repeated):
        raise _unusable(
            name,
            f"column names that are given more than once: {listed(repeated)}",
            "Rename or remove the duplicates in the file",
        )


def check_counts(name: str, table: pd.DataFrame, entry: Mapping) -> None:
    """Raise UserError where rows, features or classes differ from what the entry expects."""
    found = {"rows": len(table), "features": table.shape[1] - 1}
    if "classes" in entry:
        found["classes"] = table[TARGET].nunique()
    for key, count in found.items():
        if count != entry.get(key, count):
            raise UserError(
                f"Data set '{name}': found {count} {key}, expected {entry[key]} "
                f"(key `datasets.{name}.{key}`). Check that the source is the right one, then "
                "correct or remove the key."
            )


def check_table(name: str, table: pd.DataFrame, entry: Mapping, folds: int) -> None:
    """Raise UserError where no model can be trained on the table.

    `table` has its target in the column `target`. The checks apply to the table as it is after the
    treatments that the entry names (`missing`, `categorical`). Columns that its `keep` names may
    look like row numbers, identifiers, or numbers with stray texts.
    """
    check_column_names(name, table.columns)
    if table.shape[1] < 2:
        raise _unusable(
            name, "no feature columns, only the target", "Add at least one feature column"
        )
    if table.empty:
        raise _unusable(name, "no rows", "Check that the file holds more than its header")
    _check_row_numbers(name, table.drop(columns=TARGET), entry)
    _check_missing_target(name, table[TARGET], entry)
    _check_missing_features(name, table, entry)
    usable = without_dropped_rows(table, entry)
    _check_rows(name, len(usable), len(table), folds)
    if not _is_finite(usable[TARGET]):
        raise _unusable(
            name,
            f"infinite values in its target {AS_IF_INFINITE}",
            "Correct these rows in the file, or empty the cells and set "
            f"`datasets.{name}.missing` to `drop`",
        )
    _check_strays(name, usable, entry)
    if entry["task"] == "classification":
        _check_class_labels(name, usable[TARGET])
    else:
        _check_regression_target(name, usable[TARGET])
    if usable[TARGET].nunique() < 2:
        raise _unusable(
            name,
            f"only one value in the target: {usable[TARGET].iloc[0]}",
            "There is nothing to learn; check that the target is the right column",
        )
    features = usable.drop(columns=TARGET)
    _check_types(name, features, entry)
    _check_infinite(name, features)
    if all(features[column].nunique() <= 1 for column in features):
        raise _unusable(
            name,
            "the same value in every row of each feature column",
            "There is nothing to learn from; check the file",
        )


def without_dropped_rows(table: pd.DataFrame, entry: Mapping) -> pd.DataFrame:
    """Return the table without its incomplete rows where the entry says `missing: drop`."""
    return table.dropna() if entry.get("missing") == "drop" else table


def column_kind(column: pd.Series) -> Literal["number", "category", "time", "other"]:
    """Return how a feature column can be used: as it is, encoded, or (time, other) not at all."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        kind = column_kind(column.cat.categories.to_series())
        return "category" if kind == "number" else kind
    if types.is_numeric_dtype(column) and not types.is_complex_dtype(column):
        return "number"
    content = types.infer_dtype(column, skipna=True)
    if content in {"string", "boolean", "empty"}:
        return "category"
    if content in {"date", "time", "period"} or content.startswith(("datetime", "timedelta")):
        return "time"
    return "other"


def listed(values: Iterable, at_most: int = 8) -> str:
    """Return values as text, separated by commas and cut short where there are many."""
    values = [shortened(printable(str(value)), LONGEST_LISTED) for value in values]
    more = f" and {len(values) - at_most} more" if len(values) > at_most else ""
    return ", ".join(values[:at_most]) + more


def _unusable(name: str, found: str, remedy: str) -> UserError:
    return UserError(f"Data set '{name}' cannot be used: it has {found}. {remedy}.")


def _check_missing_target(name: str, target: pd.Series, entry: Mapping) -> None:
    missing = int(target.isna().sum())
    if missing and entry.get("missing") != "drop":
        raise _unusable(
            name,
            f"no target in {missing} of {len(target)} rows",
            "A target is never imputed: "
            f"complete the column, or leave these rows out with `datasets.{name}.missing: drop`",
        )


def _check_missing_features(name: str, table: pd.DataFrame, entry: Mapping) -> None:
    missing = table.drop(columns=TARGET).isna().sum()
    missing = missing[missing > 0]
    empty = missing.index[missing == len(table)]
    if len(empty):
        raise _unusable(
            name,
            f"feature columns without any value: {listed(empty)}",
            "Remove these columns from the file",
        )
    if len(missing) and "missing" not in entry:
        columns = listed(f"{column} ({rows} rows)" for column, rows in missing.items())
        raise _unusable(
            name,
            f"missing values in the feature columns {columns}",
            f"Set `datasets.{name}.missing` to `drop` (leave incomplete rows out) or `impute` "
            "(the training part's median or most frequent value)",
        )


def _check_rows(name: str, usable: int, rows: int, folds: int) -> None:
    if usable < folds:
        dropped = f" ({rows - usable} of {rows} dropped, `missing: drop`)" if usable < rows else ""
        raise _unusable(
            name,
            f"{usable} rows{dropped}, fewer than the {folds} folds of the cross validation",
            "Add rows, "
            + (f"set `datasets.{name}.missing` to `impute`, " if dropped else "")
            + "or lower `split.folds`",
        )


def _check_class_labels(name: str, target: pd.Series) -> None:
    if column_kind(target) not in {"number", "category"}:
        raise _unusable(
            name,
            "class labels that are neither numbers nor text",
            "Convert the target column to numbers or to text, or name another one",
        )
    distinct = target.nunique()
    fractional = types.is_float_dtype(target) and bool((target % 1 != 0).any())
    allowed_share = MAX_DISTINCT_SHARE_FRACTIONAL if fractional else MAX_DISTINCT_SHARE
    if distinct > allowed_share * len(target):
        values = "fractional numbers" if fractional else "values"
        raise _unusable(
            name,
            f"{distinct} different {values} in the {len(target)} rows of its target",
            "It looks like a regression target or an identifier, not like classes: "
            f"set `datasets.{name}.task` to `regression`, or name another target column",
        )


def _check_regression_target(name: str, target: pd.Series) -> None:
    if column_kind(target) != "number":
        raise _unusable(
            name,
            f"a regression target that is not numeric (for example '{target.iloc[0]}')",
            f"Set `datasets.{name}.task` to `classification`, or name a numeric target column",
        )


def _check_types(name: str, features: pd.DataFrame, entry: Mapping) -> None:
    kinds = {column: column_kind(features[column]) for column in features}
    times = [column for column, kind in kinds.items() if kind == "time"]
    if times:
        raise _unusable(
            name,
            f"dates or times in the feature columns {listed(times)}",
            "Replace them by numbers that mean something to a linear model, such as days since a "
            "date or the hour of the day, or remove them",
        )
    others = [column for column, kind in kinds.items() if kind == "other"]
    if others:
        raise _unusable(
            name,
            f"neither numbers nor text in the feature columns {listed(others)}",
            "Convert these columns to numbers or to text, or remove them",
        )
    categories = [column for column, kind in kinds.items() if kind == "category"]
    if categories and "categorical" not in entry:
        raise _unusable(
            name,
            f"text instead of numbers in the feature columns {listed(categories)}",
            f"Set `datasets.{name}.categorical` to `one_hot` (a 0/1 column per category) or "
            "`ordinal` (the category's place in sorted order), or leave the columns out by "
            f"`datasets.{name}.drop`",
        )
    identifiers = [
        column
        for column in categories
        if column not in (entry.get("keep") or ())
        and features[column].nunique() > MAX_DISTINCT_SHARE * len(features)
    ]
    if identifiers:
        raise _unusable(
            name,
            f"a different text in almost every row of the feature columns {listed(identifiers)}",
            "These look like identifiers, not categories: leave the columns out by "
            f"`datasets.{name}.drop`, or use them all the same by `datasets.{name}.keep`",
        )


def _check_row_numbers(name: str, features: pd.DataFrame, entry: Mapping) -> None:
    """Refuse columns that number the rows: in a sorted file they reveal the target."""
    found = {}
    for column in features:
        if column in (entry.get("keep") or ()):
            continue
        if NAME_OF_ROW_NUMBERS.fullmatch(column):
            found[column] = "the name that row numbers get when a table is saved"
        elif numbers_rows(features[column]):
            found[column] = f"{listed(features[column].iloc[:3])}, ..."
    if found:
        raise _unusable(
            name,
            "row numbers in the feature columns "
            + listed(f"{column} ({reason})" for column, reason in found.items()),
            "They say where a row is and not what it is, so a model that learns them is useless "
            f"elsewhere: leave the columns out by `datasets.{name}.drop: [{quoted(found)}]`, or use "
            f"them all the same by `datasets.{name}.keep`",
        )


def numbers_rows(column: pd.Series) -> bool:
    """Return whether a column's values number its rows.

    They do if they are whole numbers and each is one more (or each is one less) than that of the
    row before, from whatever start, or if they are the numbers 0 to n-1 or 1 to n of n rows in any
    order. Sorted measurements are not mistaken for row numbers, because they have ties, gaps or
    fractions; a year or rank without any must be named in `keep`.
    """
    if len(column) < FEWEST_NUMBERED_ROWS or column_kind(column) != "number":
        return False
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.isfinite(values).all() or (values % 1 != 0).any():
        return False
    steps = np.diff(values)
    if (steps == 1).all() or (steps == -1).all():
        return True
    first = values.min()
    return first in (0, 1) and bool((np.sort(values) == first + np.arange(len(values))).all())


def quoted(values: Iterable[str]) -> str:
    """Return strings as a config lists them, cut short if there are many."""
    return listed(f'"{value}"' for value in values)


def _check_strays(name: str, table: pd.DataFrame, entry: Mapping) -> None:
    """Refuse text among numbers, and numbers in a notation that is not read as a number."""
    notation = {"decimal": entry.get("decimal") or ".", "thousands": entry.get("thousands")}
    found, texts = [], []
    for column in table:
        values = table[column]
        known_as = entry.get("target", TARGET) if column == TARGET else column
        if known_as in (entry.get("keep") or ()) or not is_text(values):
            continue
        strays = strays_among_numbers(values, **notation)
        if column == TARGET and entry["task"] == "classification":
            # Class labels may be numbers and text; a mark of a missing value is hardly a label.
            strays = strays[strays.index.str.casefold().isin(MISSING_MARKS)]
        if len(strays):
            listing = listed((f"'{text}'" for text in strays.index), 3)
            found.append(f"{known_as} ({listing} in {strays.sum()} of {len(values)} rows)")
            texts += strays.index.to_list()
    if found:
        raise _unusable(
            name,
            f"texts among the numbers of the columns {listed(found)}",
            " ".join(_remedies_of_strays(name, pd.Series(texts)))
            + f" Leave such columns out by `datasets.{name}.drop`, or use them with all their texts as "
            f"categories by `datasets.{name}.keep`",
        )
    _check_numbers_saved_as_text(name, table.drop(columns=TARGET), entry, notation)


def _remedies_of_strays(name: str, texts: pd.Series) -> Iterator[str]:
    grouped = texts.str.fullmatch(GROUPED_DIGITS)
    comma = texts.str.fullmatch(DECIMAL_COMMA) & ~grouped
    signed = texts.str.fullmatch(PERCENT_OR_CURRENCY)
    key = f"datasets.{name}"
    if comma.any():
        yield f'Set `{key}.decimal: ","` for numbers with a decimal comma.'
    if grouped.any():
        found = re.search(r"\D", texts[grouped].iloc[0].lstrip("+-"))[0]
        sign = next((plain for plain, alike in ALIKE.items() if found in alike), found)
        yield (
            f'Set `{key}.thousands: "{sign}"` for numbers with groups of digits'
            + (' (or `decimal: ","` if it is a decimal comma).' if sign == "," else ".")
        )
    if signed.any():
        yield "Write percentages and amounts of money as plain numbers."
    point = numbers_in(texts).notna()
    if point.any():
        yield "Write all numbers of the file with the same decimal sign."
    others = texts[~(grouped | comma | signed | point)].drop_duplicates()
    if len(others):
        yield (
            "Where a text stands for a missing value, leave the cell empty or set "
            f"`{key}.missing_values: [{quoted(others)}]`."
        )


def _check_numbers_saved_as_text(
    name: str, features: pd.DataFrame, entry: Mapping, notation: Mapping
) -> None:
    """Refuse what only a typed file can hold: numbers stored as text that are not categories."""
    found = [
        column
        for column in features
        if column not in (entry.get("keep") or ())
        and not isinstance(features[column].dtype, pd.CategoricalDtype)
        and is_text(features[column])
        and numbers_in(present_texts(features[column]), **notation).notna().all()
    ]
    if found:
        raise _unusable(
            name,
            f"numbers that are saved as text in the feature columns {listed(found)}",
            f'Set `datasets.{name}.decimal: "{notation["decimal"]}"` to have such columns read as '
            f"numbers, or name them in `datasets.{name}.keep` to use them as categories",
        )


def _check_infinite(name: str, features: pd.DataFrame) -> None:
    infinite = [column for column in features if not _is_finite(features[column])]
    if infinite:
        raise _unusable(
            name,
            f"infinite values in the feature columns {listed(infinite)} {AS_IF_INFINITE}",
            "Correct them in the file, or empty the cells and set "
            f"`datasets.{name}.missing` to `drop` or `impute`",
        )


def _is_finite(column: pd.Series) -> bool:
    """Return whether numbers are finite and not too large; missing values do not count."""
    if not types.is_float_dtype(column):
        return True
    sizes = np.abs(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return bool(np.fmax.reduce(sizes, initial=0.0) <= LARGEST_VALUE)
