"""What scikit-learn expects of an estimator, around a trained one that is none of its own.

Its text goes with each stored model that needs it, so it imports nothing of this library.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array


class Adapter(BaseEstimator):
    """A trained estimator that predicts as its trial did: by what its loss is computed from."""

    def __init__(self, estimator: Any, method: str, labels: np.ndarray | None = None) -> None:
        self.estimator = estimator
        self.method = method
        """predict_proba, decision_function or predict"""
        self.labels = labels
        """the label of each class code; None for a regression"""

    def fit(self, features: Any, target: Any = None) -> Self:
        """Change nothing: the estimator is trained."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the labels, or the targets as the estimator gives them, of features without gaps."""
        outputs = np.asarray(getattr(self.estimator, self.method)(check_array(features)))
        if self.labels is None:
            return outputs
        if outputs.ndim == 2:
            return self.labels[outputs.argmax(axis=1)]
        codes = outputs if self.method == "predict" else outputs > 0
        return self.labels[codes.astype(int)]
