"""Try estimators on a handful of rows before anything runs, so that no search ends with a bad entry."""

import inspect
import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from sysstop.run.errors import UserError, shortened, unknown_name
from sysstop.study.algorithms import Algorithm, estimator_class, make_algorithm
from sysstop.study.hyperparameters import (
    algorithm_grid,
    hyperparameters_of,
    listed_values,
    value_text,
)
from sysstop.study.losses import outputs_of
from sysstop.trial.estimators import is_divergence, predicted, takes_classes

ROWS, FEATURES, CLASSES = 24, 4, 2
LONGEST_REASON = 500


def check_estimators(config: Mapping[str, Any], names: Collection[str]) -> None:
    """Import the estimators of these algorithms and train each once with every value of its grid.

    Raises a `UserError` that names each entry whose class cannot be imported, has no `partial_fit`,
    does not take its parameters or refuses a value, or cannot give what its loss is computed from.
    """
    mistakes = [
        f"algorithms.{name}{mistake}"
        for name in names
        for mistake in _mistakes(
            make_algorithm(name, config["algorithms"][name]), algorithm_grid(config, name)
        )
    ]
    if mistakes:
        lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
        raise UserError(f"The config cannot be used:\n{lines}")


def _mistakes(algorithm: Algorithm, grid: Mapping[str, Any]) -> Iterator[str]:
    try:
        kind = estimator_class(algorithm.estimator, algorithm.source)
    except Exception as error:
        yield f".estimator: '{algorithm.estimator}' cannot be imported: {_reason(error)}"
        return
    if not isinstance(kind, type):
        yield f".estimator: '{algorithm.estimator}' is no class"
        return
    unknown = list(_unknown_parameters(algorithm, kind))
    if unknown:
        yield from unknown
        return
    values = {name: listed_values(grid[name]) or [2] for name in hyperparameters_of(grid)}
    first = {name: of_name[0] for name, of_name in values.items()}
    refusal = _refusal(algorithm, first)
    if refusal:
        yield from _culprits(algorithm, values, first, refusal)
        return
    for name in algorithm.passed_on:
        for value in values[name][1:]:
            refusal = _refusal(algorithm, first | {name: value})
            if refusal:
                yield f".hyperparameters.{name}: {_text(value)} cannot be used: {refusal}"


def _unknown_parameters(algorithm: Algorithm, kind: type) -> Iterator[str]:
    taken = inspect.signature(kind).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        return
    places = dict.fromkeys(algorithm.parameters, ".parameters") | {
        parameter: f".hyperparameters.{name}" for name, parameter in algorithm.passed_on.items()
    }
    for parameter, place in places.items():
        if parameter not in taken:
            what = f"parameter '{parameter}' of {kind.__name__}"
            yield f"{place}: {unknown_name(what, parameter, taken)}"


def _culprits(
    algorithm: Algorithm,
    values: Mapping[str, list[Any]],
    first: Mapping[str, Any],
    refusal: str,
) -> Iterator[str]:
    """Yield the value that is to blame for a refusal of all the first ones, if it is only one."""
    for name in algorithm.passed_on:
        if any(not _refusal(algorithm, {**first, name: value}) for value in values[name][1:]):
            yield f".hyperparameters.{name}: {_text(first[name])} cannot be used: {refusal}"
            return
    yield f": cannot be used: {refusal}"


def _refusal(algorithm: Algorithm, hyperparameters: Mapping[str, Any]) -> str:
    """Return why a model with these hyperparameters cannot be trained, or nothing if it can."""
    rng = np.random.default_rng(0)
    features, target = rng.normal(size=(ROWS, FEATURES)), rng.normal(size=ROWS)
    if algorithm.task == "classification":
        target = np.arange(ROWS) % CLASSES
    method = algorithm.loss.method
    try:
        with warnings.catch_warnings(action="ignore"):
            model = algorithm.make_model(hyperparameters, seed=0)
            if not hasattr(model, "partial_fit"):
                return f"{type(model).__name__} has no partial_fit with these parameters"
            if algorithm.task == "classification" and takes_classes(model):
                model.partial_fit(features, target, classes=np.arange(CLASSES))
            else:
                model.partial_fit(features, target)
            if not hasattr(model, method):
                return (
                    f"the loss {algorithm.loss.name} needs {method}, which "
                    f"{type(model).__name__} has not"
                )
            shape = outputs_of(model, method, features).shape
            predicted(model, method, features)
    except Exception as error:
        # What a model does after it diverged is no fault of the entry.
        return "" if is_divergence(error) else _reason(error)
    wanted = (ROWS, CLASSES) if method == "predict_proba" else (ROWS,)
    return "" if shape == wanted else f"{method} returns an array of {shape}, {wanted} is needed"


def _reason(error: Exception) -> str:
    return shortened(f"{type(error).__name__}: {' '.join(str(error).split())}", LONGEST_REASON)


def _text(value: Any) -> str:
    return shortened(value_text(value), LONGEST_REASON)
