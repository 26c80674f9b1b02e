"""A data set split and ready for training: what it holds, and how it is stored and loaded."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sysstop.study.studies import rows_of_fold_model

ARRAYS = (
    "train_features",
    "train_target",
    "test_features",
    "test_target",
    "fold_of_row",
    "feature_mean",
    "feature_scale",
    "target_mean",
    "target_scale",
    "test_rows",
)

Cell = str | float | bool
"""A label or category as the raw table has it."""


@dataclass(frozen=True)
class Column:
    """A feature column of the raw table and how it becomes features, as the training part has it."""

    name: str
    encoding: Literal["number", "one_hot", "ordinal"]
    usual: Cell
    """the training part's median, or most frequent category"""
    categories: list[Cell] = field(default_factory=list)
    """those of the training part, sorted; none for numbers"""

    @property
    def feature_names(self) -> list[str]:
        """The features that it becomes."""
        if self.encoding == "one_hot":
            return [f"{self.name}={category}" for category in self.categories]
        return [self.name]


@dataclass(frozen=True)
class Split:
    """A data set ready for training: unscaled arrays, folds and the statistics to scale them by.

    n is the number of training rows, m of test rows, d of features after encoding, k of folds.
    Row i < k of the statistics is fitted on the training rows outside fold i, row k on the whole
    training part; no statistic has seen the rows it is validated or tested on.
    """

    name: str
    task: str
    """classification or regression"""
    train_features: np.ndarray
    """n x d, float64, C order"""
    train_target: np.ndarray
    """n; class codes 0..c-1 (int64), or float64 for a regression"""
    test_features: np.ndarray
    """m x d, float64, C order"""
    test_target: np.ndarray
    """m, as train_target"""
    fold_of_row: np.ndarray
    """n, int16: the fold 0..k-1 that validates on this training row"""
    feature_mean: np.ndarray
    """(k+1) x d"""
    feature_scale: np.ndarray
    """(k+1) x d: standard deviation, 1 where a feature is constant"""
    target_mean: np.ndarray
    """k+1; 0 for a classification"""
    target_scale: np.ndarray
    """k+1; 1 for a classification"""
    test_rows: np.ndarray
    """m: the place of each row of the test part in the raw table"""
    class_values: list[Cell]
    """The label of each class code as the raw table has it; empty for a regression"""
    columns: list[Column]
    """The raw table's feature columns in its order, which is that of the features"""
    summary: dict = field(default_factory=dict)
    """How the split was made: counts, seed, stratification, treatments"""

    @property
    def class_labels(self) -> list[str]:
        """The label of each class code as text; empty for a regression."""
        return [str(value) for value in self.class_values]

    @property
    def feature_names(self) -> list[str]:
        """The names of the features after encoding."""
        return [name for column in self.columns for name in column.feature_names]

    @property
    def folds(self) -> int:
        """The number of folds, k."""
        return len(self.feature_mean) - 1

    @property
    def fold_train_rows(self) -> int:
        """The smallest number of rows that any fold model trains on."""
        return rows_of_fold_model(len(self.fold_of_row), self.folds)

    def fold_rows(self, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the training and the validation rows of a fold, as indices of the training part.

        Fold k, one past the last, stands for the whole training part and validates on no row.
        """
        validates = self.fold_of_row == fold
        return np.flatnonzero(~validates), np.flatnonzero(validates)


def write_split(split: Split, folder: Path) -> None:
    """Write the arrays as .npy files and everything else as split.json; whole or not at all."""
    folder = Path(folder)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for array in ARRAYS:
        np.save(part / f"{array}.npy", getattr(split, array), allow_pickle=False)
    description = {
        "name": split.name,
        "task": split.task,
        "summary": split.summary,
        "class_labels": split.class_labels,
        "class_values": split.class_values,
        "feature_names": split.feature_names,
        "columns": [asdict(column) for column in split.columns],
    }
    (part / "split.json").write_text(json.dumps(description, indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def load_split(folder: Path) -> Split:
    """Return a split written by `write_split`.

    The arrays are read-only and memory-mapped, so that all workers of a host share one copy.
    """
    folder = Path(folder)
    description = json.loads((folder / "split.json").read_text())
    arrays = {array: np.load(folder / f"{array}.npy", mmap_mode="r") for array in ARRAYS}
    return Split(
        name=description["name"],
        task=description["task"],
        summary=description["summary"],
        class_values=description["class_values"],
        columns=[Column(**column) for column in description["columns"]],
        **arrays,
    )


def read_summary(folder: Path) -> dict:
    """Return how a split was made (`Split.summary`), without its arrays."""
    return json.loads((Path(folder) / "split.json").read_text())["summary"]


def read_split_summaries(folders: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return how each of these splits was made (`Split.summary`), by the data set's name."""
    splits = [json.loads((Path(folder) / "split.json").read_text()) for folder in folders]
    return {split["name"]: split["summary"] for split in splits}
