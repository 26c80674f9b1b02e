"""What a trial and a study cost, from the readings of a calibration (see `calibration`)."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sysstop.analysis.effects import fit_costs
from sysstop.data.split import Split
from sysstop.study.studies import Trial

# The fastest cores come to 6 GHz and take 2 cycles for an addition that waits for another's result.
ADDITION_S = 2 / 6e9
# Beyond those of its features, a sample's update takes at least so many operations one after the
# other: intercept and scale of the score, loss, its gradient and the bounds of that, learning rate,
# scale of the weights, new weights and intercept.
SAMPLE_ADDITIONS = 10
# Batch sizes whose steps differ by less than this share of the smallest one's cost need not be told
# apart.
NOTICEABLE_FRACTION = 0.01


@dataclass(frozen=True)
class Reading:
    """What one window of a calibration's trial cost: training, validation and all between them."""

    batch_size: int
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
    """What windows of a data set and algorithm cost, and what else a plan must know of them."""

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
    """What a study costs beside its trials, in seconds."""

    ray_start_s: float
    """starting the run's private Ray, once for all studies that share it"""
    search_job_s: float
    """the job of a search around Ray Tune: process, imports, connection, digests"""
    tune_s: float
    """Ray Tune's own start and end"""
    trial_s: float
    """what a trial keeps its worker waiting for Ray Tune and for its process"""
    export_job_s: float
    """the job of an export: process, imports, connection to the tracking store"""
    export_trial_s: float
    """tracking a trial and putting it into tables"""


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
    """Return the least seconds that a sample of a training step takes a core, of all folds together.

    scikit-learn's `partial_fit` goes through a mini-batch one sample at a time, for each model of a
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


class CostModel:
    """The cost of a data set and algorithm's trials, linear in what they consist of.

    Time is so much for the start of a trial, for each validation, each training step and each sample
    of a step, of all folds together. Memory is so much, and so much for each sample of a batch.

    Small batches cost next to nothing beside the step that they are in, so noise may hide what a
    sample costs. It never counts for less than `sample_least_s`, because a sample that costs nothing
    would make a batch of a million as cheap as one of 16.
    """

    def __init__(self, readings: Sequence[Reading], sample_least_s: float) -> None:
        self._batch_sizes = [reading.batch_size for reading in readings]
        self._sample_least_s = sample_least_s
        least = np.array([0.0, 0.0, 0.0, sample_least_s])
        terms = [
            _terms(reading.batch_size, reading.starts, reading.validations, reading.steps)
            for reading in readings
        ]
        self._times = np.array(
            [
                fit_costs(
                    np.array(terms),
                    np.array([getattr(reading, name) for reading in readings]),
                    least,
                )
                for name in ("cpu_time_s", "wall_time_s", "train_time_s")
            ]
        )
        self._memory = fit_costs(
            np.array([[1.0, reading.batch_size] for reading in readings]),
            np.array([reading.memory_peak_mb for reading in readings]),
        )

    def cost(self, batch_size: int, steps: int, window_steps: int) -> Cost:
        """Return what a trial of so many steps costs, with a validation after each window."""
        validations = math.ceil(steps / window_steps)
        times = self._times @ _terms(batch_size, 1, validations, steps)
        return Cost(*map(float, times), float(self._memory @ [1.0, batch_size]))

    @property
    def hides_sample_cost(self) -> bool:
        """Whether larger batches should have taken noticeably longer in the readings, but did not.

        What a sample costs is then no more than the least that it can.
        """
        sizes = min(self._batch_sizes), max(self._batch_sizes)
        smallest_s = self.cost(sizes[0], 1, 1).train_time_s
        differ_s = (sizes[1] - sizes[0]) * self._sample_least_s
        noticeable = differ_s > NOTICEABLE_FRACTION * smallest_s
        return noticeable and bool((self._times[:, -1] <= self._sample_least_s).any())

    def steps(self, trial: Trial) -> int:
        """Return the steps of a trial that nothing but its budget ends."""
        budget, batch_size = trial.budget, trial.configuration.batch_size
        if budget.seconds is None:
            return trial.steps_planned
        window_s = self.cost(batch_size, budget.window_steps, budget.window_steps).train_time_s
        windows = math.ceil(budget.seconds / window_s)
        return min(trial.steps_planned, windows * budget.window_steps)


def _terms(batch_size: int, starts: int, validations: int, steps: int) -> list[float]:
    return [float(starts), float(validations), float(steps), float(steps * batch_size)]
