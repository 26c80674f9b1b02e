"""The algorithms that are shipped with the workflow, and the hyperparameters of the linear ones."""

from pathlib import Path

import yaml
from pydantic import TypeAdapter

from sysstop.study.algorithms import make_algorithm
from sysstop.study.config_algorithms import Algorithms
from sysstop.study.studies import Configuration

FILE = Path(__file__).parents[1] / "config" / "algorithms.yaml"
GIVEN = yaml.safe_load(FILE.read_text())["algorithms"]
"""Their entries as they stand in the file."""

ENTRIES = TypeAdapter(Algorithms).dump_python(TypeAdapter(Algorithms).validate_python(GIVEN))
"""Their entries, checked and complete."""

ALGORITHMS = {name: make_algorithm(name, entry) for name, entry in ENTRIES.items()}

LEVELS = dict.fromkeys(("batch_size", "learning_rate", "alpha"))
"""The hyperparameters of linear models, whose values are all numbers."""


def point(batch_size=8, learning_rate=0.01, alpha=0.0001):
    """A configuration of a linear model."""
    return Configuration({"batch_size": batch_size, "learning_rate": learning_rate, "alpha": alpha})
