"""What training has to know of an estimator beyond its `partial_fit`."""

import inspect
import math
from pickle import PickleBuffer, dumps
from typing import Any

import numpy as np
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor

from sysstop.study.losses import outputs_of, predicted_classes

# What scikit-learn's estimators say when they can go on no longer: "under-/overflow occurred",
# "non-finite parameter weights".
DIVERGED_WORDS = ("overflow", "non-finite")


def is_linear(model: Any) -> bool:
    """Return whether a model is one of scikit-learn's linear ones, whose scores are a product."""
    return isinstance(model, SGDClassifier | SGDRegressor | Perceptron)


def takes_classes(model: Any) -> bool:
    """Return whether the model's `partial_fit` is to be told of all classes, as scikit-learn's are."""
    parameters = inspect.signature(model.partial_fit).parameters.values()
    return any(p.name == "classes" or p.kind is p.VAR_KEYWORD for p in parameters)


def is_divergence(error: Exception) -> bool:
    """Return whether an estimator raised this because its weights went beyond all bounds."""
    if isinstance(error, OverflowError | FloatingPointError):
        return True
    return isinstance(error, ValueError) and any(word in str(error) for word in DIVERGED_WORDS)


def predicted(model: Any, method: str, features: np.ndarray) -> np.ndarray:
    """Return the classes or targets that a model predicts (samples), as an application asks it.

    That is its own `predict`, or what its loss's `method` returns where it has none.
    """
    if hasattr(model, "predict"):
        return np.asarray(model.predict(features))
    return predicted_classes(outputs_of(model, method, features), method)


def stored_bytes(model: Any) -> float:
    """Return how many bytes a pickle of the model takes; NaN for one that cannot be pickled.

    Its arrays are counted where they are, so that this takes neither their memory nor their time.
    """
    arrays: list[PickleBuffer] = []
    try:
        rest = dumps(model, protocol=5, buffer_callback=arrays.append)
    except Exception:  # a class of the user's own may raise anything here
        return math.nan
    return len(rest) + sum(array.raw().nbytes for array in arrays)
