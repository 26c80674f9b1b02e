"""The nominal of a data set: what its reference step takes while nothing else runs.

It is measured once, and all searches of the data set use it, on all hosts. So a second of steady
time is a second of the machine where the nominal was measured, at the speed that it had then.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from sysstop.data.split import Split, load_split
from sysstop.run.environment import measured_environment
from sysstop.run.errors import UserError
from sysstop.trial.reference import WARMUP_STEPS, Clocks, Reference, ReferenceStep

READINGS = 400
# Between two readings, steps of this size use the caches, as the steps of a trial do.
BETWEEN_ROWS = 128
STEPS_BETWEEN = 3


@dataclass(frozen=True)
class Nominal:
    """What the reference step of a data set takes."""

    reference_us: float
    """CPU time of one step between training steps: the median of the readings"""
    repeated_us: float
    """the same of steps one right after another"""
    readings: int
    host: str
    """where it was measured"""


def measure_nominal(split: Split, clocks: Clocks, readings: int = READINGS) -> Nominal:
    """Measure the nominal of a split in this process."""
    step, between = ReferenceStep(split), ReferenceStep(split, BETWEEN_ROWS)
    medians_us = []
    for steps_between in (STEPS_BETWEEN, 0):
        reference = Reference(step, clocks=clocks)
        for _ in range(WARMUP_STEPS + readings):
            for _ in range(steps_between):
                between()
            reference.run()
        medians_us.append(statistics.median(reference.readings_ns[WARMUP_STEPS:]) / 1e3)
    return Nominal(*medians_us, readings, socket.gethostname())


def measure_nominal_apart(split_folder: Path) -> Nominal:
    """Measure the nominal of a split as a trial is measured: in a process of its own, on one core.

    Raises `UserError` if that process fails.
    """
    command = [sys.executable, "-m", "sysstop.trial.nominal", str(split_folder)]
    done = subprocess.run(command, env=measured_environment(), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise UserError(
            f"The reference step of {split_folder} could not be measured: its process ended with exit "
            f"code {done.returncode}. What it said is above; run the same command again."
        )
    return Nominal(**json.loads(done.stdout))


def write_nominal(nominal: Nominal, file: Path) -> None:
    """Write a nominal as JSON."""
    file.write_text(json.dumps(asdict(nominal), indent=2))


def read_nominal(file: Path) -> Nominal:
    """Read what `write_nominal` wrote."""
    return Nominal(**json.loads(file.read_text()))


def main() -> None:
    """Print the nominal of a split: `python -m sysstop.trial.nominal SPLIT_FOLDER`."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    nominal = measure_nominal(load_split(Path(sys.argv[1])), Clocks())
    print(json.dumps(asdict(nominal)))


if __name__ == "__main__":
    main()
