"""How long a search takes, as a multiple of the least time that its work can take."""

import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.workload import WORKERS, Workload, make_workload, run_alone, steps_for

# A full study of mnist has 240 trials, one of diabetes 144.
LONG_TRIAL_S, LONG_TRIALS = 2.2, 160
SHORT_TRIAL_S, SHORT_TRIALS = 0.22, 640
SLICE = 8  # the limit is measured on every eighth trial, before and after each contender
PEERS = {
    "tune_defaults": "Ray Tune, defaults, MLflow callback",
    "tune_reused_actors": "Ray Tune, reused actors, MLflow callback",
    "grid_search_cv": "scikit-learn GridSearchCV (one evaluation, no metrics, no tracking)",
}


def measure_speed(long_trials: int = LONG_TRIALS, short_trials: int = SHORT_TRIALS) -> pd.DataFrame:
    """Run all contenders, each between two readings of the limit.

    Returns a row per trial length and contender: wall time, the limit at that time, their ratio
    and, where it is known, the fixed cost in seconds and the wall time as a multiple of the time in
    which the contender's own trials trained and evaluated (which no drift of the machine can
    change).
    """
    rows: list[dict[str, Any]] = []
    for trial_s, trials, peers in (
        (LONG_TRIAL_S, long_trials, list(PEERS)),
        (SHORT_TRIAL_S, short_trials, ["grid_search_cv"]),
    ):
        with tempfile.TemporaryDirectory(prefix="sysstop-bench-") as folder:
            steps = steps_for(trial_s, make_workload(Path(folder) / "probe", 1, steps=200))
            workload = make_workload(Path(folder) / "work", trials, steps)
            rows += _compare(workload, trial_s, peers)
    return pd.DataFrame(rows)


def _compare(workload: Workload, trial_s: float, peers: list[str]) -> list[dict[str, Any]]:
    rows = []
    before = _limit_s(workload)
    for name in ("pipeline", *peers):
        began = time.perf_counter()
        result = run_alone("benchmarks.contenders", name, str(workload.folder))
        wall_s = time.perf_counter() - began
        after = _limit_s(workload)
        limit_s, before = (before + after) / 2, after
        common = {"trial_s": trial_s, "trials": result["trials"], "limit_s": limit_s}
        if name != "pipeline":
            rows.append(common | {"contender": PEERS[name], "wall_s": wall_s})
            continue
        for key, label in (
            ("study", "this pipeline"),
            ("first_study", "this pipeline, first study of a run"),
        ):
            wall_s, worked_s = result[f"{key}_wall_s"], result[f"{key}_worked_s"] / WORKERS
            own = {"fixed_cost_s": wall_s - worked_s, "of_own_work": wall_s / worked_s}
            rows.append(common | {"contender": label, "wall_s": wall_s} | own)
    for row in rows:
        row["of_limit"] = row["wall_s"] / row["limit_s"]
    return rows


def _limit_s(workload: Workload) -> float:
    """Return the least wall time of the whole workload, from a slice of it."""
    slice_ = run_alone("benchmarks.contenders", "limit", str(workload.folder), str(SLICE))
    return slice_["wall_s"] * len(workload.trials()) / slice_["trials"]
