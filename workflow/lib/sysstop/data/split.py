"""A data set split and ready for training: what it holds, and how it is stored and loaded."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
)


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
    class_labels: list[str]
    """The label of each class code; empty for a regression"""
    feature_names: list[str]
    summary: dict = field(default_factory=dict)
    """How the split was made: counts, seed, stratification, treatments"""

    @property
    def folds(self) -> int:
        """The number of folds, k."""
        return len(self.feature_mean) - 1

    @property
    def fold_train_rows(self) -> int:
        """The rows that every fold model has at least to train on."""
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
        "feature_names": split.feature_names,
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
    return Split(**description, **arrays)


def read_summary(folder: Path) -> dict:
    """Return how a split was made (`Split.summary`), without its arrays."""
    return json.loads((Path(folder) / "split.json").read_text())["summary"]


def read_split_summaries(folders: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return how each of these splits was made (`Split.summary`), by the data set's name."""
    splits = [json.loads((Path(folder) / "split.json").read_text()) for folder in folders]
    return {split["name"]: split["summary"] for split in splits}
