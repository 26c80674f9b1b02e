"""The registry of algorithms; add a new one as an entry here.

All are scikit-learn's linear models trained by stochastic gradient descent with a constant learning
rate and an L2 penalty. scikit-learn is not imported before a model is made, because the workflow
reads this registry each time it starts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from sklearn.linear_model._stochastic_gradient import BaseSGD

# scikit-learn's default insensitive zone of the support vector regressor, in scaled target units.
EPSILON = 0.1


def squared_loss(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return half the squared residual per sample, as scikit-learn's `squared_error` defines it."""
    return 0.5 * (target - scores) ** 2


def epsilon_insensitive_loss(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the absolute residual beyond `EPSILON` per sample."""
    return np.maximum(0.0, np.abs(target - scores) - EPSILON)


def log_loss(scores: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(-sign * score)), without overflow."""
    return np.logaddexp(0.0, -signs * scores)


def hinge_loss(scores: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return max(0, 1 - sign * score)."""
    return np.maximum(0.0, 1.0 - signs * scores)


@dataclass(frozen=True)
class Algorithm:
    """A model family: its task, its loss, and how scikit-learn names that loss."""

    name: str
    label: str
    task: Literal["classification", "regression"]
    loss_label: str
    sklearn_loss: str
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray]

    @property
    def estimator_name(self) -> str:
        """The scikit-learn class."""
        return "SGDClassifier" if self.task == "classification" else "SGDRegressor"

    def make_model(self, learning_rate: float, alpha: float, seed: int) -> "BaseSGD":
        """Return an untrained scikit-learn model; mini-batches come shuffled, so it does not shuffle."""
        from sklearn import linear_model

        parameters: dict[str, Any] = {
            "loss": self.sklearn_loss,
            "penalty": "l2",
            "alpha": alpha,
            "learning_rate": "constant",
            "eta0": learning_rate,
            "shuffle": False,
            "random_state": seed,
        }
        if self.sklearn_loss == "epsilon_insensitive":
            parameters["epsilon"] = EPSILON
        return getattr(linear_model, self.estimator_name)(**parameters)

    def mean_loss(self, scores: np.ndarray, target: np.ndarray) -> float:
        """Return the loss that training minimises, without the penalty, as the mean over samples.

        `scores` are the model's linear scores: (samples,), or (samples, classes) for one-vs-rest
        models of more than two classes, whose losses are summed over the classes. `target` holds
        class codes or (scaled) regression targets.
        """
        if self.task == "regression":
            return float(self.loss(scores, target).mean())
        if scores.ndim == 1:
            return float(self.loss(scores, np.where(target == 1, 1.0, -1.0)).mean())
        signs = np.full(scores.shape, -1.0)
        signs[np.arange(len(target)), target] = 1.0
        return float(self.loss(scores, signs).sum(axis=1).mean())


def linear_scores(model: "BaseSGD", features: np.ndarray) -> np.ndarray:
    """Return the scores of a linear model: (samples,), or (samples, classes) beyond two classes.

    The same numbers as scikit-learn's `decision_function` or `predict`, without their input checks,
    which would cost more than the product for a mini-batch of a few samples.
    """
    scores = features @ np.atleast_2d(model.coef_).T + model.intercept_
    return scores[:, 0] if scores.shape[1] == 1 else scores


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm(
            "linear_regression",
            "Linear regression",
            "regression",
            "squared",
            "squared_error",
            squared_loss,
        ),
        Algorithm(
            "logistic_regression",
            "Logistic regression",
            "classification",
            "log",
            "log_loss",
            log_loss,
        ),
        Algorithm(
            "support_vector_machine",
            "Support vector machine",
            "classification",
            "hinge",
            "hinge",
            hinge_loss,
        ),
        Algorithm(
            "support_vector_regressor",
            "Support vector regressor",
            "regression",
            "epsilon-insensitive",
            "epsilon_insensitive",
            epsilon_insensitive_loss,
        ),
    )
}
