"""Whether readings can be trusted: order, number of workers, large batches, and the monitor's cost."""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from benchmarks.workload import run_alone
from sysstop.data.split import Split, load_split, write_split
from sysstop.data.splitting import make_split
from sysstop.results.journal import Journal, read_trials
from sysstop.search.ray_head import private_environment
from sysstop.search.ray_session import ray_session
from sysstop.search.settings import SearchSettings
from sysstop.search.tune import run_search
from sysstop.study.metrics import metric_names
from sysstop.study.studies import Budget, Study, Trial, plan_trials
from sysstop.trial import meters
from sysstop.trial.meters import MB, Meter
from sysstop.trial.process import Request, TrialProcess
from sysstop.trial.training import train
from tests.shipped import ALGORITHMS, point

ROWS, FEATURES, FOLDS = 20_000, 50, 3
ORDER_GRID = {
    "batch_size": [8, 128, 1024, 8192],
    "learning_rate": [0.01, 0.001],
    "alpha": [0.01, 0.0001],
}
ORDER_BUDGET = Budget(steps=500, epochs=None, seconds=None, window_steps=100, warmup_steps=10)
COMPARED_METRICS = ("step_time_ms", "train_time_s", "cpu_percent", "memory_mb", "memory_peak_mb")
# As wide as mnist and with as many rows per fold model, so that a batch is large.
LARGE_ROWS, LARGE_FEATURES = 70_000, 784
LARGE_BATCHES = (256, 8192, 16384, 32768)
MONITOR_TURNS, MONITOR_TRIALS, MONITOR_STEPS = 7, 10, 300


def measure_order() -> pd.DataFrame:
    """Search one grid in two orders and with one and two workers; compare the readings.

    Returns per comparison and metric the median and the worst relative difference between the
    readings of the same configuration. "the same again" is the noise floor.
    """
    os.environ |= private_environment(os.getpid())
    with tempfile.TemporaryDirectory(prefix="sysstop-bench-") as name:
        folder = Path(name)
        write_split(_generated_split(ROWS, FEATURES), folder / "split")
        readings = {
            label: pd.DataFrame(
                run_alone("benchmarks.trust", "order", name, str(workers), str(order))
            )
            for label, workers, order in (
                ("reference", 2, 1),
                ("the same again", 2, 1),
                ("another order", 2, 2),
                ("one worker", 1, 1),
            )
        }
    rows = []
    reference = readings.pop("reference")
    for label, table in readings.items():
        difference = (table.loc[reference.index] / reference - 1).abs()
        for metric in COMPARED_METRICS:
            values = 100 * difference[metric]
            rows.append(
                {
                    "compared with the reference": label,
                    "metric": metric,
                    "median_difference_percent": values.median(),
                    "worst_difference_percent": values.max(),
                }
            )
    return pd.DataFrame(rows)


def search_order(folder: Path, workers: int, order: int) -> dict[str, dict[str, float]]:
    """Run one search; return each metric's mean over windows by trial id."""
    study = Study("generated", "logistic_regression", "none", 1)
    split_folder = folder / "split"
    rows = load_split(split_folder).fold_train_rows
    journal = Journal(folder / f"{workers}-{order}-{os.getpid()}.jsonl", {})
    with ray_session("local", workers):
        run_search(
            plan_trials(study, ALGORITHMS[study.algorithm], ORDER_GRID, ORDER_BUDGET, 1, rows),
            None,
            split_folder,
            journal,
            SearchSettings(workers),
            order_seed=order,
            log=lambda message: None,
        )
    return {
        metric: {
            trial.trial_id: float(np.mean(trial.windows[metric]))
            for trial in read_trials(journal.path)
        }
        for metric in COMPARED_METRICS
    }


def measure_memory() -> pd.DataFrame:
    """Compare the memory of large batches with the bytes of the batches alive at a time.

    At the end of a window one mini-batch is alive; while the next one is drawn there are two. Both
    are expected on top of the memory of the smallest batch.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="sysstop-bench-") as name:
        folder = Path(name) / "split"
        write_split(_generated_split(LARGE_ROWS, LARGE_FEATURES), folder)
        process = TrialProcess()
        for batch_size in LARGE_BATCHES:
            budget = Budget(6, None, None, window_steps=3, warmup_steps=1)
            configuration = point(batch_size, 0.001, 0.0001)
            trial = Trial(
                configuration, ALGORITHMS["logistic_regression"], budget, budget.steps, seed=1
            )
            process.start(Request(trial, None, folder))
            process.next_window()
            rows.append({**process.next_window().metrics, "batch_size": batch_size})
        process.close()
    smallest = rows[0]
    batch_mb = [
        (row["batch_size"] - rows[0]["batch_size"]) * LARGE_FEATURES * 8 / MB for row in rows
    ]
    table = pd.DataFrame({"batch_size": [row["batch_size"] for row in rows]})
    for metric, alive in (("memory_mb", 1), ("memory_peak_mb", 2)):
        table[metric] = [row[metric] for row in rows]
        table[f"{metric}_rise"] = table[metric] - smallest[metric]
        table[f"{metric}_rise_expected"] = [alive * megabytes for megabytes in batch_mb]
    return table


def measure_monitor() -> dict[str, float]:
    """Compare trials with all meters on and off, in processes that take turns.

    CPU time is compared, and only the fastest trial of each process: other work on the machine can
    only slow a trial down.
    """
    seconds: dict[str, list[float]] = {"on": [], "off": []}
    for _ in range(MONITOR_TURNS):
        for monitor, of_monitor in seconds.items():
            of_monitor.append(run_alone("benchmarks.trust", "monitor", monitor)["fastest_s"])
    costs = [100 * (on / off - 1) for on, off in zip(*seconds.values(), strict=True)]
    return {
        "monitor_cost_percent": statistics.median(costs),
        "monitor_cost_percent_lowest": min(costs),
        "monitor_cost_percent_highest": max(costs),
    }


def fastest_trial(monitor: str) -> dict[str, float]:
    """Train one trial again and again, with the monitor "on" or "off"; return the least CPU time."""
    split = _generated_split(2000, 20)
    budget = Budget(MONITOR_STEPS, None, None, window_steps=100, warmup_steps=10)
    trial = Trial(
        point(8, 0.01, 0.0001), ALGORITHMS["logistic_regression"], budget, budget.steps, seed=1
    )
    seconds = []
    with mock.patch.object(meters, "METERS", meters.METERS if monitor == "on" else [NoMeter]):
        for _ in range(MONITOR_TRIALS):
            began = time.process_time()
            list(train(trial, split))
            seconds.append(time.process_time() - began)
    return {"fastest_s": min(seconds)}


class NoMeter(Meter):
    """Reads nothing and reports 0 for all metrics."""

    def end_window(self) -> dict[str, float]:
        """Return 0 for every metric that a meter reads."""
        return dict.fromkeys(metric_names("system", "accounting"), 0.0)


def _generated_split(rows: int, features: int) -> Split:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(rows, features))
    table = pd.DataFrame(values, columns=[f"feature_{i}" for i in range(features)])
    table["target"] = (values[:, 0] + rng.normal(size=rows) > 0).astype(int)
    entry = {"source": "synthetic", "task": "classification"}
    return make_split(table, entry, name="generated", test_fraction=0.3, folds=FOLDS, seed=1)


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    if task == "monitor":
        print(json.dumps(fastest_trial(*arguments)))
    else:
        folder, *numbers = arguments
        print(json.dumps(search_order(Path(folder), *map(int, numbers))))
