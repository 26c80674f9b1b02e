"""What training has to know of an estimator beyond its `partial_fit`."""

import inspect
from typing import Any

from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor

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
