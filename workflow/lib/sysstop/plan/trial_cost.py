"""What a trial and a study cost, from the readings of a calibration (see `calibration`)."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sysstop.analysis.effects import fit_costs
from sysstop.data.split import Split
from sysstop.study.hyperparameters import BATCH_SIZE, value_text
from sysstop.study.studies import Configuration, Trial

# The fastest cores come to 6 GHz and take 2 cycles for an addition that waits for another's result.
ADDITION_S = 2 / 6e9
# Beyond those of its features, a sample's update takes at least this many operations in sequence:
# intercept and scale of the score, loss, its gradient and the bounds of that, learning rate, scale
# of the weights, new weights and intercept.
SAMPLE_ADDITIONS = 10
# Hyperparameters that are known to make no step dearer.
COSTLESS = ("learning_rate", "alpha")
# Differences in steps' cost below this share of the smallest batch's are not noticeable.
NOTICEABLE_FRACTION = 0.01


@dataclass(frozen=True)
class Reading:
    """What one window of a calibration's trial cost: training, validation and all in between."""

    batch_size: int
    variant: str
    """what else the configuration has that the usual one has not (`variants_of`), empty if nothing"""
    starts: int
    """1 for the first window of a trial, which holds its start; 0 for the others"""
    validations: int
    """0 where the model diverged, else 1"""
    steps: int
    cpu_time_s: float
    wall_time_s: float
    train_time_s: float
    memory_peak_mb: float


@dataclass(frozen=True)
class Calibration:
    """What windows of a data set and algorithm cost, and what else a plan must know about them."""

    readings: Sequence[Reading]
    folds: int
    fold_train_rows: int
    data: str
    """the digest of the split"""
    cpu_model: str
    sample_least_s: float
    """see `sample_least_s`"""


@dataclass(frozen=True)
class Overhead:
    """What a study costs besides its trials, in seconds."""

    ray_start_s: float
    """starting the run's private Ray, once for all studies that share it"""
    imports_s: float
    """imports, once in the run's warm process, and by each search on a node of its own"""
    search_job_s: float
    """the job of a search around Ray Tune: process, connection, digests"""
    tune_s: float
    """Ray Tune's own start and end"""
    trial_s: float
    """what a trial keeps its worker waiting for Ray Tune and for its process"""
    export_job_s: float
    """the job of an export: process, connection to the tracking store"""
    export_trial_s: float
    """tracking a trial and putting it into tables"""
    analysis_job_s: float
    """a job of the analysis, whose work takes about as long as importing what it needs"""


def write_json(content: Calibration | Overhead, file: Path) -> None:
    """Write a calibration or an overhead."""
    file.write_text(json.dumps(asdict(content), indent=1) + "\n")


def read_calibration(file: Path) -> Calibration:
    """Return a calibration that `write_json` wrote."""
    content = json.loads(file.read_text())
    readings = [Reading(**reading) for reading in content.pop("readings")]
    return Calibration(readings, **content)


def read_overhead(file: Path) -> Overhead:
    """Return an overhead that `write_json` wrote."""
    return Overhead(**json.loads(file.read_text()))


def sample_least_s(split: Split) -> float:
    """Return the least core time that a sample of a training step takes in all folds, in seconds.

    The `partial_fit` of scikit-learn's linear models goes through a mini-batch one sample at a time, for each model of a
    one-versus-rest classifier. It adds up a sample's score one feature after the other, in an order
    that a compiler must keep, so each addition waits for the one before. The next sample waits for
    the weights that the score leads to. What drawing and scaling a sample costs is left out.
    """
    models = len(split.class_labels) if len(split.class_labels) > 2 else 1
    additions = split.train_features.shape[1] + SAMPLE_ADDITIONS
    return split.folds * models * additions * ADDITION_S


@dataclass(frozen=True)
class Cost:
    """What a trial takes, in seconds, and its peak of memory, in MB."""

    cpu_time_s: float
    wall_time_s: float
    train_time_s: float
    memory_peak_mb: float


def variants_of(configuration: Configuration) -> list[str]:
    """Return what may make a configuration dearer than others of its batch size: `name=value` each."""
    return [
        f"{name}={value_text(value)}"
        for name, value in configuration.values.items()
        if name not in (BATCH_SIZE, *COSTLESS)
    ]


class CostModel:
    """The cost of a data set and algorithm's trials, linear in what they consist of.

    Time has a term for the start of a trial, for each validation, each training step and each
    sample of a step, of all folds together. Memory has a constant and a term for each sample of a
    batch. Each variant has costs of its own; those of a configuration that differs from the usual
    one in several ways are multiplied.

    The samples of small batches cost next to nothing compared with the step that they are in, so
    noise may hide what a sample costs. It never counts for less than `sample_least_s`, because a
    sample that costs nothing would make a batch of a million as cheap as one of 16.
    """

    def __init__(self, readings: Sequence[Reading], sample_least_s: float) -> None:
        self._sample_least_s = sample_least_s
        usual = [reading for reading in readings if not reading.variant]
        self._batch_sizes = [reading.batch_size for reading in usual]
        of_variant: dict[str, list[Reading]] = {}
        for reading in readings:
            of_variant.setdefault(reading.variant, []).append(reading)
        self._fits = {name: _fit(of_name, sample_least_s) for name, of_name in of_variant.items()}

    def cost(
        self, batch_size: int, steps: int, window_steps: int, variants: Iterable[str] = ()
    ) -> Cost:
        """Return what a trial with this many steps costs, with a validation after each window.

        `variants` are those of its configuration (`variants_of`).
        """
        validations = math.ceil(steps / window_steps)
        terms = np.array(_terms(batch_size, 1, validations, steps))
        usual = costs = self._fits[""].costs(terms, batch_size)
        for name in variants:
            if name in self._fits:
                costs = costs * self._fits[name].costs(terms, batch_size) / usual
        return Cost(*map(float, costs))

    @property
    def hides_sample_cost(self) -> bool:
        """Whether larger batches should have taken noticeably longer in the readings, but did not.

        The fitted cost of a sample is then only the least possible.
        """
        sizes = min(self._batch_sizes), max(self._batch_sizes)
        smallest_s = self.cost(sizes[0], 1, 1).train_time_s
        differ_s = (sizes[1] - sizes[0]) * self._sample_least_s
        noticeable = differ_s > NOTICEABLE_FRACTION * smallest_s
        return noticeable and bool((self._fits[""].times[:, -1] <= self._sample_least_s).any())

    def steps(self, trial: Trial) -> int:
        """Return the steps of a trial that nothing but its budget ends."""
        budget, batch_size = trial.budget, trial.configuration.batch_size
        if budget.seconds is None:
            return trial.steps_planned
        window_s = self.cost(
            batch_size, budget.window_steps, budget.window_steps, variants_of(trial.configuration)
        ).train_time_s
        windows = math.ceil(budget.seconds / window_s)
        return min(trial.steps_planned, windows * budget.window_steps)


@dataclass(frozen=True)
class _Fit:
    """What each term costs."""

    times: np.ndarray
    """3 x 4: CPU, wall and training time in seconds of each of `_terms`"""
    memory: np.ndarray
    """the constant, and each sample of a batch, in MB"""

    def costs(self, terms: np.ndarray, batch_size: int) -> np.ndarray:
        """Return the three times and the memory of a trial."""
        return np.append(self.times @ terms, self.memory @ [1.0, batch_size])


def _fit(readings: Sequence[Reading], sample_least_s: float) -> _Fit:
    least = np.array([0.0, 0.0, 0.0, sample_least_s])
    terms = np.array(
        [
            _terms(reading.batch_size, reading.starts, reading.validations, reading.steps)
            for reading in readings
        ]
    )
    times = [
        fit_costs(terms, np.array([getattr(reading, name) for reading in readings]), least)
        for name in ("cpu_time_s", "wall_time_s", "train_time_s")
    ]
    memory = fit_costs(
        np.array([[1.0, reading.batch_size] for reading in readings]),
        np.array([reading.memory_peak_mb for reading in readings]),
    )
    return _Fit(np.array(times), memory)


def _terms(batch_size: int, starts: int, validations: int, steps: int) -> list[float]:
    return [float(starts), float(validations), float(steps), float(steps * batch_size)]
