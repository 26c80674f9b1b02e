"""The losses that training may minimise, as the curves of training and validation show them.

A loss is computed from what one method of the estimator returns for the samples. Linear models that
scikit-learn trains by stochastic gradient descent give their scores instead (`linear_scores`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from sklearn.linear_model._stochastic_gradient import BaseSGD

# scikit-learn's default insensitive zone of the support vector regressor, in scaled target units.
EPSILON = 0.1

MeanLoss = Callable[[np.ndarray, np.ndarray], float]
"""What the estimator's method returned and the target (samples) to the mean over samples."""


def squared_loss(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return half the squared residual per sample, as scikit-learn's `squared_error` defines it."""
    return 0.5 * (target - predicted) ** 2


def absolute_loss(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the absolute residual per sample."""
    return np.abs(target - predicted)


def epsilon_insensitive_loss(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the absolute residual beyond `EPSILON` per sample."""
    return np.maximum(0.0, np.abs(target - predicted) - EPSILON)


def logistic_loss(scores: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(-sign * score)), without overflow."""
    return np.logaddexp(0.0, -signs * scores)


def hinge_loss(scores: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return max(0, 1 - sign * score)."""
    return np.maximum(0.0, 1.0 - signs * scores)


def perceptron_loss(scores: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return max(0, -sign * score)."""
    return np.maximum(0.0, -signs * scores)


def _mean(loss: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> MeanLoss:
    return lambda predicted, target: float(loss(predicted, target).mean())


def _one_against_the_rest(loss: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> MeanLoss:
    """Return the mean of a loss of scores: (samples,), or (samples, classes) beyond two classes.

    The losses of one-against-the-rest scores are summed over the classes.
    """

    def mean(scores: np.ndarray, target: np.ndarray) -> float:
        if scores.ndim == 1:
            return float(loss(scores, np.where(target == 1, 1.0, -1.0)).mean())
        signs = np.full(scores.shape, -1.0)
        signs[np.arange(len(target)), target] = 1.0
        return float(loss(scores, signs).sum(axis=1).mean())

    return mean


def _log_loss(probabilities: np.ndarray, target: np.ndarray) -> float:
    """Return scikit-learn's log loss of probabilities (samples, classes); NaN if one is not finite."""
    from sklearn import metrics

    if not np.isfinite(probabilities).all():
        return float("nan")
    classes = np.arange(probabilities.shape[1])
    return float(metrics.log_loss(target, probabilities, labels=classes))


@dataclass(frozen=True)
class Loss:
    """A loss by the name that scikit-learn gives it."""

    name: str
    task: Literal["classification", "regression"]
    method: Literal["predict_proba", "decision_function", "predict"]
    """the estimator's method that it is computed from"""
    mean: MeanLoss
    """computes it from what the method returns"""
    mean_of_scores: MeanLoss | None = None
    """computes it from a linear model's scores; None where these say nothing of it"""


LOSSES = {
    loss.name: loss
    for loss in (
        Loss("squared_error", "regression", "predict", _mean(squared_loss), _mean(squared_loss)),
        Loss("absolute_error", "regression", "predict", _mean(absolute_loss), _mean(absolute_loss)),
        Loss(
            "epsilon_insensitive",
            "regression",
            "predict",
            _mean(epsilon_insensitive_loss),
            _mean(epsilon_insensitive_loss),
        ),
        Loss(
            "log_loss",
            "classification",
            "predict_proba",
            _log_loss,
            _one_against_the_rest(logistic_loss),
        ),
        Loss(
            "hinge",
            "classification",
            "decision_function",
            _one_against_the_rest(hinge_loss),
            _one_against_the_rest(hinge_loss),
        ),
        Loss(
            "perceptron",
            "classification",
            "decision_function",
            _one_against_the_rest(perceptron_loss),
            _one_against_the_rest(perceptron_loss),
        ),
        Loss("zero_one", "classification", "predict", _mean(np.not_equal)),
    )
}


def linear_scores(model: "BaseSGD", features: np.ndarray) -> np.ndarray:
    """Return the scores of a linear model: (samples,), or (samples, classes) beyond two classes.

    The same numbers as scikit-learn's `decision_function` or `predict`, without their input checks,
    which would cost more than the product for a mini-batch of a few samples.
    """
    scores = features @ np.atleast_2d(model.coef_).T + model.intercept_
    return scores[:, 0] if scores.shape[1] == 1 else scores


def predicted_classes(outputs: np.ndarray, method: str) -> np.ndarray:
    """Return the class codes (samples) that an estimator's outputs stand for.

    `outputs` are what `predict_proba`, `decision_function` or `predict` returned, or linear scores.
    """
    if outputs.ndim == 2:
        return outputs.argmax(axis=1)
    return outputs if method == "predict" else outputs > 0


def outputs_of(model: Any, method: str, features: np.ndarray) -> np.ndarray:
    """Return what a method of an estimator says of the features: (samples,) or (samples, classes)."""
    return np.asarray(getattr(model, method)(features))
