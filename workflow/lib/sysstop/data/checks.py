"""Is a raw table usable? Each reason for refusing one comes with what its owner can do about it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import psutil
from pandas.api import types

from sysstop.run.errors import UserError, printable, shortened

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


def check_memory(name: str, what: str, needed_bytes: float, remedy: str) -> None:
    """Raise UserError where something would take more memory than this machine has."""
    memory_bytes = psutil.virtual_memory().total
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
            "Name each column in the file, or remove it if it only numbers the rows",
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
    treatments that the entry names (`missing`, `categorical`).
    """
    check_column_names(name, table.columns)
    if table.shape[1] < 2:
        raise _unusable(
            name, "no feature columns, only the target", "Add at least one feature column"
        )
    if table.empty:
        raise _unusable(name, "no rows", "Check that the file holds more than its header")
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
            f"text instead of numbers in the feature columns {listed(categories)}"
            + _hint_at_stray_text(features[categories]),
            f"Set `datasets.{name}.categorical` to `one_hot` (a 0/1 column per category) or "
            "`ordinal` (the category's place in sorted order), or remove the columns",
        )
    identifiers = [
        column
        for column in categories
        if features[column].nunique() > MAX_DISTINCT_SHARE * len(features)
    ]
    if identifiers:
        raise _unusable(
            name,
            f"a different text in almost every row of the feature columns {listed(identifiers)}",
            "These look like identifiers, not categories: remove the columns",
        )


def _hint_at_stray_text(columns: pd.DataFrame) -> str:
    """Point at text such as '?' in columns of numbers, the usual mark of a missing value."""
    hints = []
    for column in columns:
        values = columns[column].dropna()
        not_numbers = values[pd.to_numeric(values, errors="coerce").isna()]
        if 0 < len(not_numbers) < len(values) / 2:
            hints.append(f"{column} holds numbers and {listed(map(repr, not_numbers.unique()), 3)}")
    return f" ({'; '.join(hints)}: leave the cell empty where a value is missing)" if hints else ""


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
