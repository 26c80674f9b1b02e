"""The algorithms of a study, as the config's section `algorithms` describes them.

An estimator is any class with scikit-learn's `partial_fit`, of an installed package or in a file of
the user's own. Its module is not imported before a model is made or checked, because the workflow
reads the config each time it starts.
"""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.abc import InspectLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Literal

from sysstop.study.losses import LOSSES, Loss


@dataclass(frozen=True)
class Algorithm:
    """A model family: its estimator, its task, its loss and how hyperparameters reach the estimator."""

    name: str
    task: Literal["classification", "regression"]
    estimator: str
    """the class: its import path, or `file.py:Class`"""
    loss_name: str
    """one of `LOSSES`"""
    parameters: Mapping[str, Any]
    """the estimator's parameters that are the same in all trials"""
    passed_on: Mapping[str, str]
    """the estimator's parameter for each hyperparameter that it is given"""
    source: str = ""
    """the text of the user's own file, as it was when the search began; empty for a package's class"""

    @property
    def loss(self) -> Loss:
        """What training minimises."""
        return LOSSES[self.loss_name]

    def make_model(self, hyperparameters: Mapping[str, Any], seed: int) -> Any:
        """Return an untrained model; the seed becomes its `random_state` if it takes one."""
        kind = estimator_class(self.estimator, self.source)
        passed = {self.passed_on[name]: hyperparameters[name] for name in self.passed_on}
        if "random_state" in inspect.signature(kind).parameters:
            passed["random_state"] = seed
        return kind(**{**self.parameters, **passed})


def make_algorithm(name: str, entry: Mapping[str, Any]) -> Algorithm:
    """Return the algorithm of an entry of the config, which `check_config` has checked."""
    file = own_file(entry["estimator"])
    return Algorithm(
        name=name,
        task=entry["task"],
        estimator=entry["estimator"],
        loss_name=entry["loss"],
        parameters=entry["parameters"],
        passed_on={
            name: given["parameter"] or name
            for name, given in entry["hyperparameters"].items()
            if given["parameter"] is not None
        },
        source=file.read_text() if file else "",
    )


def own_file(estimator: str) -> Path | None:
    """Return the user's own file that holds the estimator, None for a class of a package."""
    file, colon, _ = estimator.rpartition(":")
    return Path(file) if colon else None


def file_digest(estimator: str) -> str:
    """Return a digest of the user's own file that holds the estimator, empty for a package's class."""
    file = own_file(estimator)
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file else ""


def estimator_class(estimator: str, source: str = "") -> type:
    """Return an estimator's class, from the text of its file where it is in one of the user's own.

    Raises `ImportError` or `AttributeError` where there is no such class, and whatever the file
    raises.
    """
    file = own_file(estimator)
    if file is None:
        module, _, name = estimator.rpartition(".")
        return getattr(importlib.import_module(module), name)
    return getattr(_own_module(file, source), estimator.rpartition(":")[2])


class _TextLoader(InspectLoader):
    """Loads a module from a text, which may come from another host or be older than its file."""

    def __init__(self, file: Path, source: str) -> None:
        self._file, self._source = file, source

    def get_source(self, fullname: str) -> str:
        """Return the text."""
        return self._source

    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled text, whose errors name the file."""
        return self.source_to_code(self._source, str(self._file))


def own_module_name(source: str) -> str:
    """Return the name of the module that a text becomes, which no other text has."""
    return f"own_estimator_{hashlib.sha256(source.encode()).hexdigest()[:16]}"


def _own_module(file: Path, source: str) -> ModuleType:
    """Return the module of a file's text; the same text gives the same module in this process."""
    name = own_module_name(source)
    if name not in sys.modules:
        loader = _TextLoader(file, source)
        module = module_from_spec(spec_from_loader(name, loader, origin=str(file)))
        sys.modules[name] = module  # before it runs, as Python's import does
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
