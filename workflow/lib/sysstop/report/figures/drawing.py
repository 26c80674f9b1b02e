"""Draw any figure from the files of its tables."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure


def draw_figure(
    module: str, tables: Mapping[str, Path], config: Mapping[str, Any], dataset: str | None = None
) -> Figure:
    """Return the figure that a module draws.

    Importing the module by its name keeps the code behind one figure apart from the others'.

    Parameters
    ----------
    module
        The full name of a module with a `FIGURE` and a function `draw`.
    tables
        The parquet file of each table that the figure shows.
    config
        The sections of the config that it needs.
    dataset
        The data set to draw, if there is a figure for each.
    """
    drawing = importlib.import_module(module)
    rows = [("dataset", "==", dataset)] if drawing.FIGURE.per_dataset else None
    return drawing.draw(
        **{name: pd.read_parquet(tables[name], filters=rows) for name in drawing.FIGURE.tables},
        **{section: config[section] for section in drawing.FIGURE.config},
    )
