"""What a trial and a study cost, from the readings of a calibration (see `calibration`)."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sysstop.analysis.effects import fit_costs
from sysstop.study.studies import Trial


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
    """

    def __init__(self, readings: Sequence[Reading]) -> None:
        terms = [
            _terms(reading.batch_size, reading.starts, reading.validations, reading.steps)
            for reading in readings
        ]
        self._times = np.array(
            [
                fit_costs(
                    np.array(terms), np.array([getattr(reading, name) for reading in readings])
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
