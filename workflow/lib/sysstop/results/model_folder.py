"""A model as MLflow stores it: a folder that describes its rows, its environment and its code.

It is kept in skops' format, whose reader makes objects of trusted classes only; a class that skops cannot
keep is pickled instead, by cloudpickle, and then loading the model runs whatever the pickle says.
"""

import ast
import sys
import tempfile
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import mlflow.sklearn
import numpy as np
import pandas as pd
import skops.io
from mlflow.models import ModelSignature, infer_signature
from mlflow.types.schema import AnyType, ColSpec, DataType, Schema
from sklearn.pipeline import Pipeline

from sysstop.data.cells import is_text

NEEDED = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy")
# By the kind of a column's type. MLflow takes no whole numbers for a column of fractions.
CELL_TYPES = {"b": DataType.boolean, "i": DataType.long, "f": DataType.double}


@dataclass(frozen=True)
class Serialization:
    """How the model's objects are kept."""

    format: str
    """skops, or cloudpickle where skops cannot keep them"""
    trusted_types: list[str]
    """classes and functions that the reader has to trust besides those that skops knows"""


def save_model(
    folder: Path,
    pipeline: Pipeline,
    code: Mapping[str, str],
    packages: Set[str],
    *,
    cells: pd.DataFrame,
    example: pd.DataFrame,
) -> Serialization:
    """Write a fitted pipeline as an MLflow model into a folder that is not there yet.

    `code` is the text of each module that goes along, by its name; `packages` are those that the
    pipeline's classes are imported from, besides scikit-learn. `cells` is a table with the columns of
    the rows that the model takes, for their types, and `example` such a row.
    """
    example = example.astype({name: cells[name].dtype for name in _whole_columns(cells)})
    signature = ModelSignature(
        inputs=Schema([ColSpec(_cell_type(cells[name]), name) for name in cells]),
        outputs=infer_signature(model_output=pipeline.predict(example)).outputs,
    )
    serialization = _serialization(pipeline)
    with tempfile.TemporaryDirectory() as temporary:
        files = [Path(temporary, f"{name}.py") for name in code]
        for file, text in zip(files, code.values(), strict=True):
            file.write_text(text, encoding="utf-8")
        mlflow.sklearn.save_model(
            pipeline,
            str(folder),
            serialization_format=serialization.format,
            skops_trusted_types=serialization.trusted_types or None,
            signature=signature,
            input_example=example,
            code_paths=[str(file) for file in files] or None,
            pip_requirements=_requirements(serialization.format, code.values(), packages),
        )
    return serialization


def predictions(folder: Path, rows: pd.DataFrame) -> np.ndarray:
    """Return what the model in a folder, read from there, predicts for rows."""
    return mlflow.sklearn.load_model(str(folder)).predict(rows)


def _whole_columns(cells: pd.DataFrame) -> list[str]:
    """Return the columns that hold nothing but whole numbers, or nothing but true and false."""
    return [name for name in cells if _cell_type(cells[name]) in (DataType.boolean, DataType.long)]


def _cell_type(column: pd.Series) -> DataType | AnyType:
    """Return what MLflow checks of a column's cells; anything goes where it knows no such type."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in CELL_TYPES:
        return CELL_TYPES[column.dtype.kind]
    is_category = isinstance(column.dtype, pd.CategoricalDtype)
    return DataType.string if is_text(column) and not is_category else AnyType()


def _serialization(pipeline: Pipeline) -> Serialization:
    try:
        content = skops.io.dumps(pipeline)
        trusted = skops.io.get_untrusted_types(data=content)
        skops.io.loads(content, trusted=trusted)
    except Exception as error:  # a class of the user's own may raise anything here
        print(f"Pickled, because skops cannot keep the model: {error}", file=sys.stderr)
        return Serialization("cloudpickle", [])
    return Serialization("skops", trusted)


def _requirements(serializer: str, texts: Iterable[str], packages: Set[str]) -> list[str]:
    """Return the distributions that a model needs, in the versions that it was made with."""
    needed = {*NEEDED, serializer}
    imported = packages | {name for text in texts for name in _imported(text)}
    if imported:
        known = metadata.packages_distributions()
        needed.update(name for package in imported for name in known.get(package, ()))
    return [f"{name}=={metadata.version(name)}" for name in sorted(needed)]


def _imported(text: str) -> set[str]:
    """Return the packages that a module's text imports."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
