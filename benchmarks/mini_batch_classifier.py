"""A scikit-learn estimator that trains in mini-batches, for the grid search of scikit-learn itself."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from sysstop.trial.training import batch_rows


class MiniBatchClassifier(ClassifierMixin, BaseEstimator):
    """Logistic regression, trained by `partial_fit` on a number of mini-batches."""

    def __init__(
        self,
        batch_size: int = 32,
        learning_rate: float = 0.01,
        alpha: float = 1e-4,
        steps: int = 100,
    ) -> None:
        self.batch_size, self.learning_rate = batch_size, learning_rate
        self.alpha, self.steps = alpha, steps

    def fit(self, features: np.ndarray, target: np.ndarray) -> "MiniBatchClassifier":
        """Train for the given number of steps."""
        self.classes_ = np.unique(target)
        self.scaler_ = StandardScaler().fit(features)
        self.model_ = SGDClassifier(
            loss="log_loss", alpha=self.alpha, learning_rate="constant", eta0=self.learning_rate
        )
        batches = batch_rows(np.arange(len(features)), self.batch_size, seed=0)
        for _, rows in zip(range(self.steps), batches, strict=False):
            scaled = self.scaler_.transform(features[rows])
            self.model_.partial_fit(scaled, target[rows], self.classes_)
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the predicted class of each row."""
        return self.model_.predict(self.scaler_.transform(features))
