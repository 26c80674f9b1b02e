"""How far two readings of one configuration are apart: wall time, CPU time and steady time.

Each configuration is trained several times in fresh processes, on two cores, in random order, on a
quiet machine and beside a neighbour that comes and goes. Several reference steps run in the same
processes, each with its own share of the CPU time, so that they are compared on the same trials.
"""

import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from sysstop.data.sources import SyntheticDataSet
from sysstop.data.split import Split
from sysstop.data.splitting import make_split
from sysstop.study.studies import Budget, Trial
from sysstop.trial.reference import Clocks, Reference, ReferenceStep
from sysstop.trial.training import FoldModel
from tests.shipped import ALGORITHMS, point

SHAPES = {
    "two classes, 50 features": {"task": "classification", "features": 50, "classes": 2},
    "two classes, 800 features": {"task": "classification", "features": 800, "classes": 2},
    "ten classes, 50 features": {"task": "classification", "features": 50, "classes": 10},
    "regression, 10 features": {"task": "regression", "features": 10},
}
ROWS, FOLDS = 6000, 3
BATCH_SIZES = (8, 1024)
WINDOWS = 8
TRIAL_S = 1.5
READINGS = 6  # of each configuration, on each core
OURS = "steady: linear regressor, 32 rows"


def measure_steady_time(readings: int = READINGS, trial_s: float = TRIAL_S) -> pd.DataFrame:
    """Return how far readings of a step's time are apart, in %, a row per kind of reading.

    Columns: median and 95 % quantile of all pairs of readings of one configuration, quiet and
    beside a neighbour, then the medians beside a neighbour by data set and by batch size. The last
    row is what the reference step costs in % of the steps' CPU time.
    """
    splits = {name: _split(name, shape) for name, shape in SHAPES.items()}
    quiet = _read_all(splits, readings, trial_s)
    neighbours = [
        get_context("fork").Process(target=_disturb, args=(core,), daemon=True) for core in _cores()
    ]
    for neighbour in neighbours:
        neighbour.start()
    beside = _read_all(splits, readings, trial_s)
    for neighbour in neighbours:
        neighbour.kill()
        neighbour.join()
    kinds = [name for name in quiet.columns if name not in ("data", "batch_size", "cost")]
    table = pd.DataFrame({"reading": kinds})
    for name, found in (("quiet", quiet), ("beside a neighbour", beside)):
        apart = {kind: _percent_apart(found, kind) for kind in kinds}
        table[f"{name}: median"] = [np.median(apart[kind]) for kind in kinds]
        table[f"{name}: 95 %"] = [np.quantile(apart[kind], 0.95) for kind in kinds]
    for column in ("data", "batch_size"):
        for value, part in beside.groupby(column):
            table[f"beside: {value}"] = [np.median(_percent_apart(part, kind)) for kind in kinds]
    cost = {"reading": "cost of the reference", "quiet: median": 100 * quiet["cost"].median()}
    return pd.concat([table, pd.DataFrame([cost])], ignore_index=True)


def _split(name: str, shape: Mapping) -> Split:
    entry = {"source": "synthetic", "rows": ROWS} | shape
    table, _ = SyntheticDataSet(**entry).fetch(name, [])
    return make_split(table, entry, name=name, test_fraction=0.3, folds=FOLDS, seed=0)


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))[:2]


def _percent_apart(found: pd.DataFrame, kind: str) -> np.ndarray:
    """Return how far all pairs of readings of one configuration are apart, in %."""
    apart = []
    for _, group in found.groupby(["data", "batch_size"]):
        values = group[kind].to_numpy()
        one, other = np.triu_indices(len(values), 1)
        apart.append(100 * np.abs(values[one] / values[other] - 1))
    return np.concatenate(apart)


def _read_all(splits: Mapping[str, Split], readings: int, trial_s: float) -> pd.DataFrame:
    """Read every configuration so often on each core, in random order."""
    configurations = [(name, size) for name in splits for size in BATCH_SIZES]
    rng = random.Random(0)
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        workers = []
        for core in _cores():
            order = [
                c for _ in range(readings) for c in rng.sample(configurations, len(SHAPES) * 2)
            ]
            arguments = (core, order, splits, trial_s, file.name)
            workers.append(get_context("fork").Process(target=_work, args=arguments))
            workers[-1].start()
        for worker in workers:
            worker.join()
        return pd.read_json(file.name, lines=True)


def _work(core: int, order: list, splits: Mapping[str, Split], trial_s: float, file: str) -> None:
    os.sched_setaffinity(0, {core})
    for name, batch_size in order:
        child = os.fork()
        if child == 0:
            row = {"data": name, "batch_size": batch_size}
            row |= _read(splits[name], batch_size, trial_s)
            with Path(file).open("a") as out:
                out.write(json.dumps(row) + "\n")
            os._exit(0)
        os.waitpid(child, 0)


def _references(split: Split) -> Iterator[tuple[str, Callable[[], object]]]:
    yield OURS, ReferenceStep(split)
    yield "steady: linear regressor, 8 rows", ReferenceStep(split, rows=8)
    yield "steady: linear regressor, 128 rows", ReferenceStep(split, rows=128)
    same = FoldModel(_trial(split, 32, learning_rate=1e-6), split, 0)
    yield "steady: the algorithm itself, 32 rows", same.fit_batch
    yield "steady: a loop in Python", lambda: sum(i * i for i in range(1000))


def _trial(split: Split, batch_size: int, learning_rate: float = 1e-4) -> Trial:
    algorithm = "logistic_regression" if split.task == "classification" else "linear_regression"
    budget = Budget(1, None, None, window_steps=1, warmup_steps=0)
    return Trial(point(batch_size, learning_rate, 1e-4), ALGORITHMS[algorithm], budget, 1, seed=1)


def _read(split: Split, batch_size: int, trial_s: float) -> dict[str, float]:
    """Train for about so long; return the time of a step by each kind of reading."""
    clocks = Clocks()
    models = [FoldModel(_trial(split, batch_size), split, fold) for fold in range(split.folds)]
    references = {name: Reference(step, clocks, 1.0) for name, step in _references(split)}
    for model in models:
        model.fit_batch()
    began_ns = clocks.wall_ns()
    for model in models:
        model.fit_batch()
    round_s = (clocks.wall_ns() - began_ns) / 1e9
    rounds = max(1, round(trial_s / round_s / WINDOWS))
    steps_ns = {"wall": 0, "cpu": 0}
    steady = dict.fromkeys(references, 0.0)
    for window in range(WINDOWS):
        before_ns = steps_ns["cpu"]
        for reference in references.values():
            reference.begin_window()
        for done in range(rounds):
            for model in models:
                wall_ns, cpu_ns = clocks.wall_ns(), clocks.cpu_ns()
                model.fit_batch()
                steps_ns["cpu"] += clocks.cpu_ns() - cpu_ns
                steps_ns["wall"] += clocks.wall_ns() - wall_ns
                for reference in references.values():
                    reference.run_if_due(steps_ns["cpu"], window + (done + 1) / rounds)
        for name, reference in references.items():
            steady[name] += (steps_ns["cpu"] - before_ns) / reference.slowdown()
    ours = references[OURS]
    plain = steps_ns["cpu"] / statistics.fmean(ours.readings_ns)
    middle = steps_ns["cpu"] / statistics.median(ours.readings_ns)
    count = WINDOWS * rounds * len(models)
    times = {**steps_ns, **steady}
    times |= {"steady, interrupts kept": plain, "steady, median of the trial": middle}
    return {f"{name}": value / count for name, value in times.items()} | {
        "cost": ours.cpu_ns / steps_ns["cpu"]
    }


def _disturb(core: int) -> None:
    """Load a core and its memory for a while now and then, until killed."""
    os.sched_setaffinity(0, {core})
    rng, numbers = random.Random(core), np.ones(4_000_000)
    while True:
        until = time.monotonic() + rng.uniform(0.5, 6)
        while time.monotonic() < until:
            numbers *= 1.0000001
        time.sleep(rng.uniform(0.5, 6))
