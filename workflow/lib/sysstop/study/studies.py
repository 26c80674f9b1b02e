"""What a study is: data set x algorithm x arm x repetition, its grid, its budget and its seeds."""

import hashlib
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

from sysstop.run.errors import UserError
from sysstop.study.algorithms import Algorithm
from sysstop.study.hyperparameters import (
    BATCH_SIZE,
    SAMPLE,
    SHORT_NAMES,
    hyperparameters_of,
    name_text,
)

BASELINE_ARM = "none"
LOCAL_RAY = "local"  # the address in the config that stands for the private Ray


@dataclass(frozen=True)
class Configuration:
    """One point of the grid, the hyperparameters of one trial."""

    values: Mapping[str, Any]
    """by name, in the order of the grid: numbers, texts, booleans or lists of these"""

    @property
    def batch_size(self) -> int:
        """The samples in a mini-batch."""
        return self.values[BATCH_SIZE]

    @property
    def trial_id(self) -> str:
        """A name that is unique in its study and readable in a path, a plot and MLflow."""
        return "-".join(
            f"{SHORT_NAMES.get(name, name)}{name_text(value)}"
            for name, value in self.values.items()
        )


@dataclass(frozen=True)
class Budget:
    """What a trial may use: whichever of steps, epochs and seconds runs out first."""

    steps: int
    epochs: float | None
    seconds: float | None
    window_steps: int
    warmup_steps: int

    def steps_planned(self, batch_size: int, fold_rows: int) -> int:
        """Return the steps of a trial whose fold models train on `fold_rows` rows each."""
        if self.epochs is None:
            return self.steps
        return min(self.steps, math.ceil(self.epochs * fold_rows / batch_size))


@dataclass(frozen=True)
class Study:
    """One grid search: data set x algorithm x arm x repetition."""

    dataset: str
    algorithm: str
    arm: str
    repetition: int

    @property
    def key(self) -> str:
        """The study's name in paths and in MLflow."""
        return f"{self.dataset}/{self.algorithm}/{self.arm}/{self.repetition}"


@dataclass(frozen=True)
class Trial:
    """All that determines a trial: its configuration, algorithm, budget and seed."""

    configuration: Configuration
    algorithm: Algorithm
    budget: Budget
    steps_planned: int
    seed: int
    nominal_reference_us: float = math.nan
    """CPU time of a reference step at nominal speed, which steady time is in units of; NaN if unknown"""
    nominal_repeated_us: float = math.nan
    """the same of reference steps one right after another, as predictions are made"""

    @property
    def identity(self) -> dict[str, Any]:
        """What distinguishes it from other trials of its algorithm, as plain data."""
        return asdict(replace(self, algorithm=None)) | {"algorithm": self.algorithm.name}


def planned_pairs(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the pairs of data set and algorithm whose tasks agree, in the config's order."""
    return [
        (dataset, algorithm)
        for dataset in config["study"]["datasets"]
        for algorithm in config["study"]["algorithms"]
        if config["datasets"][dataset]["task"] == config["algorithms"][algorithm]["task"]
    ]


def planned_studies(config: Mapping[str, Any]) -> list[Study]:
    """Return all studies of a config."""
    repetitions = planned_repetitions(config["study"]["repetitions"])
    return [
        Study(dataset, algorithm, arm, repetition)
        for (dataset, algorithm), repetition, arm in product(
            planned_pairs(config), repetitions, config["study"]["arms"]
        )
    ]


def planned_repetitions(given: int | Sequence[int]) -> Sequence[int]:
    """Return the repetitions that the config gives as their number or as a list."""
    return range(1, given + 1) if isinstance(given, int) else given


def rows_for_test(rows: int, test_fraction: float) -> int:
    """Return how many of a data set's rows become its test part; the others are its training part."""
    return math.ceil(test_fraction * rows)


def rows_of_fold_model(train_rows: int, folds: int) -> int:
    """Return the smallest number of rows that any fold model trains on.

    The training part is divided into folds as evenly as possible, stratified or not, and a fold
    model trains on all rows outside its fold.
    """
    return train_rows - math.ceil(train_rows / folds)


def grid_batch_sizes(grid: Mapping[str, Any], fold_rows: int) -> list[int]:
    """Return the grid's batch sizes for fold models that train on `fold_rows` rows, unchecked."""
    match grid[BATCH_SIZE]:
        case "powers_of_two":
            return [2**i for i in range(1, int(math.log2(fold_rows)) + 1)]
        case {"up_to_rows": sizes}:
            return [size for size in sizes if size <= fold_rows]
        case sizes:
            return list(sizes)


def check_batch_sizes(grid: Mapping[str, Any], fold_rows: int, dataset: str) -> None:
    """Raise `UserError` when no batch fits into the `fold_rows` rows a fold model trains on, or one does not."""
    batch_sizes = grid_batch_sizes(grid, fold_rows)
    too_large = [size for size in batch_sizes if size > fold_rows]
    if too_large:
        raise UserError(
            f"grid.batch_size: {too_large} is larger than the {fold_rows} rows that a fold model of "
            f"data set '{dataset}' trains on. Use batch sizes up to {fold_rows}; or `powers_of_two`, or "
            "`{up_to_rows: [...]}` with your list, which both stop there by themselves."
        )
    if not batch_sizes:
        raise UserError(
            f"grid.batch_size: no batch size is left for data set '{dataset}', whose fold models train "
            f"on {fold_rows} rows. Give a smaller one, or use a larger data set."
        )


def grid_size(grid: Mapping[str, Any], fold_rows: int) -> int:
    """Return how many configurations a grid has, whether or not a sample of them is searched."""
    others = (len(grid[name]) for name in hyperparameters_of(grid) if name != BATCH_SIZE)
    return len(grid_batch_sizes(grid, fold_rows)) * math.prod(others)


def grid_configurations(
    grid: Mapping[str, Any], fold_rows: int, dataset: str, sample_seed: int
) -> list[Configuration]:
    """Return the grid's configurations for fold models that train on `fold_rows` rows.

    Where the grid says how large a `sample` of them to search, it is drawn with the seed; the
    order stays that of the grid. Raises `UserError` when a batch is larger than the rows a fold
    model trains on.
    """
    check_batch_sizes(grid, fold_rows, dataset)
    axes = {name: grid[name] for name in hyperparameters_of(grid)}
    axes[BATCH_SIZE] = grid_batch_sizes(grid, fold_rows)
    size, sample = grid_size(grid, fold_rows), grid.get(SAMPLE)
    if sample is None or sample >= size:
        points = product(*axes.values())
    else:
        points = (_grid_point([*axes.values()], at) for at in _drawn(size, sample, sample_seed))
    return [Configuration(dict(zip(axes, point, strict=True))) for point in points]


def _drawn(size: int, sample: int, seed: int) -> list[int]:
    """Return so many different whole numbers below `size`, in order; `random.sample` needs it small."""
    rng, drawn = random.Random(seed), set()
    while len(drawn) < sample:
        drawn.add(rng.randrange(size))
    return sorted(drawn)


def _grid_point(axes: list[list[Any]], place: int) -> list[Any]:
    """Return the point at this place of the product of the axes, the last of which moves fastest."""
    point = []
    for values in reversed(axes):
        place, at = divmod(place, len(values))
        point.append(values[at])
    return point[::-1]


def derive_seed(seed: int, *parts: object) -> int:
    """Derive a 32-bit seed from the study's seed and the names of what it is for.

    The arm is never among the parts: arms must agree bit for bit until one of them stops a trial.
    """
    text = "\x1f".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def order_seed(seed: int, dataset: str, algorithm: str, repetition: int) -> int:
    """Return the seed of the order in which all arms of these search their grid."""
    return derive_seed(seed, dataset, algorithm, repetition)


def search_order(trial_ids: Iterable[str], order_seed: int) -> list[str]:
    """Return the trials in the random order in which a search starts them."""
    trial_ids = sorted(trial_ids)
    random.Random(order_seed).shuffle(trial_ids)
    return trial_ids


def sample_seed(seed: int, dataset: str, algorithm: str) -> int:
    """Return the seed of the sample of the grid: the same in all arms and repetitions."""
    return derive_seed(seed, dataset, algorithm, SAMPLE)


def plan_trials(
    study: Study,
    algorithm: Algorithm,
    grid: Mapping[str, Any],
    budget: Budget,
    seed: int,
    fold_rows: int,
    nominal_reference_us: float = math.nan,
    nominal_repeated_us: float = math.nan,
) -> dict[str, Trial]:
    """Return all trials of a study by trial id, in the grid's order.

    A trial's seed depends on everything but the arm, so that arms agree bit for bit in every
    machine-learning metric until one of them stops the trial.
    """
    names = (study.dataset, study.algorithm)
    points = grid_configurations(grid, fold_rows, study.dataset, sample_seed(seed, *names))
    return {
        point.trial_id: Trial(
            point,
            algorithm,
            budget,
            budget.steps_planned(point.batch_size, fold_rows),
            derive_seed(seed, *names, study.repetition, point.trial_id),
            nominal_reference_us,
            nominal_repeated_us,
        )
        for point in points
    }
