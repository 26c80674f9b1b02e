"""Hyperparameters of a study: their values in the grid, as text, and as columns of the tables."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

BATCH_SIZE = "batch_size"
POWERS_OF_TWO = "powers_of_two"
SAMPLE = "sample"
"""The key of a grid that is no hyperparameter: how many of its configurations are searched."""

# Shorter names of the most common ones in the names of trials.
SHORT_NAMES = {BATCH_SIZE: "batch", "learning_rate": "rate"}

Levels = Mapping[str, Sequence[str] | None]
"""Each hyperparameter of a study: None where its values are numbers, else their texts in the order
of the grid."""


def is_number(value: Any) -> bool:
    """Return whether a hyperparameter's value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def value_text(value: Any) -> str:
    """Return a hyperparameter's value as the tables and MLflow show it: [64, 64], true, relu, 0.01."""
    return value if isinstance(value, str) else json.dumps(value)


def name_text(value: Any) -> str:
    """Return a hyperparameter's value as the name of a trial shows it: 64x64, true, relu, 0.01."""
    if is_number(value):
        return f"{value:g}"
    if isinstance(value, list):
        return "x".join(map(name_text, value)) or "none"
    return re.sub(r"[^A-Za-z0-9_.]", "_", value_text(value))


def listed_values(values: Any) -> list[Any]:
    """Return the values that a grid lists for a hyperparameter; none for `powers_of_two`."""
    match values:
        case "powers_of_two":
            return []
        case {"up_to_rows": sizes}:
            return sizes
    return values


def algorithm_grid(config: Mapping[str, Any], algorithm: str) -> dict[str, Any]:
    """Return the grid of an algorithm: the values of each of its hyperparameters, and `sample`.

    The batch size comes first, then the hyperparameters in the order of the algorithm's entry, with
    values of their own or those of the config's section `grid`.
    """
    given = config["algorithms"][algorithm]["hyperparameters"]
    grid = {}
    for name in dict.fromkeys([BATCH_SIZE, *given]):
        own = given[name]["values"] if name in given else None
        grid[name] = config["grid"][name] if own is None else own
    return {**grid, SAMPLE: config["grid"].get(SAMPLE)}


def hyperparameters_of(grid: Mapping[str, Any]) -> list[str]:
    """Return the names of a grid's hyperparameters."""
    return [name for name in grid if name != SAMPLE]


def study_levels(config: Mapping[str, Any]) -> dict[str, list[str] | None]:
    """Return the hyperparameters of all algorithms of a config's study, in the order of the columns."""
    values: dict[str, list[Any]] = {}
    for algorithm in config["study"]["algorithms"]:
        grid = algorithm_grid(config, algorithm)
        for name in hyperparameters_of(grid):
            values.setdefault(name, []).extend(listed_values(grid[name]))
    return {
        name: None if all(map(is_number, found)) else list(dict.fromkeys(map(value_text, found)))
        for name, found in values.items()
    }
