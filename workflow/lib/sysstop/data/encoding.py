"""How the feature columns of a raw table become numbers; fitted on its training part only."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sysstop.data.checks import TARGET, column_kind
from sysstop.data.split import Cell, Column
from sysstop.run.errors import UserError


def fit_columns(
    name: str, table: pd.DataFrame, train_rows: np.ndarray, entry: Mapping
) -> list[Column]:
    """Return how each feature column of a table becomes features, in the table's order.

    Raises `UserError` where a column has no value at all in the training part.
    """
    columns = []
    for column in table.columns.drop(TARGET):
        values = table[column].iloc[train_rows]
        present = values.dropna()
        if present.empty:
            raise UserError(
                f"Data set '{name}': the feature column '{column}' has no value in the training "
                "part that could be imputed. Remove the column, or set "
                f"`datasets.{name}.missing` to `drop`."
            )
        if column_kind(table[column]) == "category":
            categories = plain_cells(np.unique(_as_categories(present)))
            usual = plain_cells(present.mode().iloc[:1])[0]
            columns.append(Column(column, entry["categorical"], usual, categories))
        else:
            columns.append(Column(column, "number", float(present.astype(np.float64).median())))
    return columns


def encoded(column: Column, values: pd.Series, *, impute: bool) -> np.ndarray:
    """Return a column's features, rows x its features.

    A category unknown to the training part becomes -1 (ordinal) or zeros (one_hot).
    """
    if column.encoding == "number":
        values = values.astype(np.float64)
    if impute and values.hasnans:
        values = values.fillna(column.usual)
    if column.encoding == "number":
        return values.to_numpy()[:, np.newaxis]
    known = pd.Index(np.array(column.categories, dtype=object))
    codes = known.get_indexer(_as_categories(values))[:, np.newaxis]
    return codes == np.arange(len(known)) if column.encoding == "one_hot" else codes


def plain_cells(values: Any) -> list[Cell]:
    """Return a column's cells as Python's own values, which JSON can hold."""
    return [cell.item() if isinstance(cell, np.generic) else cell for cell in values]


def _as_categories(values: pd.Series) -> np.ndarray:
    """Return plain values, so that categories sort by value, whatever pandas stores."""
    return values.to_numpy(dtype=object)
