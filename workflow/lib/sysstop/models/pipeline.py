"""A refitted model with all that comes before and after it, as a pipeline of scikit-learn.

Its parts are not fitted to any data here: they get what the split has learned from the training part, so
that the pipeline does to a raw row exactly what was done to the rows that the model was trained on.
"""

import copy
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from sysstop.data.split import Column, Split
from sysstop.models import adapter
from sysstop.study.algorithms import Algorithm, estimator_class, own_module_name
from sysstop.trial.training import FoldModel


@dataclass(frozen=True)
class Predictor:
    """What predicts, and the code that it needs beyond installed packages."""

    pipeline: Pipeline
    """from a table with the raw table's columns to labels, or targets in their own unit"""
    code: Mapping[str, str]
    """the text of each module that is in no package, by its name"""
    packages: Set[str]
    """the packages, besides scikit-learn, that the estimator is imported from"""


def make_predictor(model: FoldModel, algorithm: Algorithm) -> Predictor:
    """Return a model that was refitted on the whole training part, for raw rows."""
    split = model.split
    code, packages = {}, set()
    trained = copy.deepcopy(model.model)
    package, _, _ = type(trained).__module__.partition(".")
    labels = np.array(split.class_values) if split.class_values else None
    if package != "sklearn":
        if package == own_module_name(algorithm.source):
            code[package] = algorithm.source
        else:
            packages.add(package)
        # By its text, which goes along, because whoever loads the model need not have this library.
        source = Path(adapter.__file__).read_text(encoding="utf-8")
        adapter_class = estimator_class(f"{Path(adapter.__file__).name}:Adapter", source)
        trained = adapter_class(trained, model.loss.method, labels)
        code[adapter_class.__module__] = source
    elif labels is not None:
        _name_classes(trained, labels)
    if labels is None:
        trained = _in_target_unit(trained, model.target_mean, model.target_scale)
    steps = [
        *_encoding(split),
        ("scaling", _scaler(model.mean, model.scale)),
        ("model", trained),
    ]
    return Predictor(Pipeline(steps), code, packages)


def usual_row(columns: Sequence[Column]) -> pd.DataFrame:
    """Return a made-up raw row: medians and most frequent categories of the training part."""
    return pd.DataFrame(
        {column.name: pd.Series([column.usual], dtype=_cell_type(column)) for column in columns}
    )


def _cell_type(column: Column) -> type:
    return float if column.encoding == "number" else object


def _encoding(split: Split) -> list[tuple[str, ColumnTransformer]]:
    """Return the steps from raw columns to features in the split's order."""
    usual = usual_row(split.columns)
    impute = split.summary["missing"] == "impute"
    numbers = [column for column in split.columns if column.encoding == "number"]
    categories = [column for column in split.columns if column.encoding != "number"]
    parts = []
    if numbers:
        # Fitted to the row of medians, whose medians they are.
        imputer = SimpleImputer(strategy="median") if impute else "passthrough"
        parts.append(("numbers", imputer, _names(numbers)))
    if categories:
        # Missing text is NaN in a column of pandas, and None among Python's own values.
        imputers = [
            SimpleImputer(missing_values=missing, strategy="most_frequent")
            for missing in (np.nan, None)
            if impute
        ]
        encoder = make_pipeline(*imputers, _category_encoder(categories))
        parts.append(("categories", encoder, _names(categories)))
    steps = [("columns", ColumnTransformer(parts).fit(usual))]
    order = _places(split.columns, after=len(numbers))
    if order != sorted(order):
        in_order = ColumnTransformer([("order", "passthrough", order)])
        steps.append(("order", in_order.fit(np.zeros((1, len(order))))))
    return steps


def _names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def _category_encoder(columns: Sequence[Column]) -> OneHotEncoder | OrdinalEncoder:
    known = [np.array(column.categories, dtype=object) for column in columns]
    if columns[0].encoding == "one_hot":
        return OneHotEncoder(categories=known, handle_unknown="ignore", sparse_output=False)
    return OrdinalEncoder(categories=known, handle_unknown="use_encoded_value", unknown_value=-1)


def _places(columns: Sequence[Column], after: int) -> list[int]:
    """Return where each feature, in the columns' order, is when all numbers come first."""
    places: list[int] = []
    number = 0
    for column in columns:
        if column.encoding == "number":
            places.append(number)
            number += 1
        else:
            end = after + len(column.feature_names)
            places += range(after, end)
            after = end
    return places


def _scaler(mean: np.ndarray, scale: np.ndarray) -> StandardScaler:
    """Return a scaler with these statistics, each (features,)."""
    scaler = StandardScaler()
    scaler.mean_, scaler.scale_ = np.array(mean), np.array(scale)
    scaler.n_features_in_ = len(scaler.mean_)
    return scaler


def _name_classes(classifier: Any, labels: np.ndarray) -> None:
    """Have a classifier of scikit-learn, trained on class codes, answer with labels in the same order."""
    classifier.classes_ = labels
    if hasattr(classifier, "_label_binarizer"):  # multilayer perceptrons look there
        classifier._label_binarizer.classes_ = labels


def _in_target_unit(
    regressor: BaseEstimator, mean: float, scale: float
) -> TransformedTargetRegressor:
    """Return a regressor trained on scaled targets that answers in the targets' own unit."""
    whole = TransformedTargetRegressor(
        FrozenEstimator(regressor), transformer=StandardScaler(), check_inverse=False
    )
    whole.fit(np.zeros((2, 1)), [mean - scale, mean + scale])
    whole.transformer_ = _scaler(np.array([mean]), np.array([scale]))
    return whole
