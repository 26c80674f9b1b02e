"""What grows with the number of trials: time and memory of a search, of its tables, of planning."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workload import ROOT, SEED, STUDY, WORKERS, Workload, make_workload, run_alone
from sysstop.results.journal import FinishedTrial, Journal, read_trials, window_columns
from sysstop.search.ray_head import private_environment
from sysstop.study.status import BUDGET_USED, Status, TrialEnd
from sysstop.study.studies import Budget, Study
from tests.shipped import ALGORITHMS, LEVELS, point

FEW_TRIALS, MANY_TRIALS, TRIAL_STEPS = 20, 2000, 10
TABLE_STUDIES, TABLE_TRIALS, TABLE_WINDOWS, WINDOW_STEPS = 10, 1000, 100, 100
TRACKED_TRIALS = 50
DRY_RUNS = 3
SPLIT_SUMMARY = {"rows": 1000, "train_rows": 700, "features": 4, "classes": 2, "folds": 5}
DEMO = ROOT / "config" / "demo.yaml"


def measure_growth() -> dict[str, float]:
    """Return how a search, its tables and a dry run grow with the number of trials."""
    return (
        _search_growth()
        | run_alone("benchmarks.growth", "tables")
        | measure_tracking()
        | measure_dry_runs()
    )


def _search_growth() -> dict[str, float]:
    os.environ |= private_environment(os.getpid())
    with tempfile.TemporaryDirectory(prefix="sysstop-bench-") as folder:
        runs = {}
        for trials in (FEW_TRIALS, FEW_TRIALS, MANY_TRIALS):  # the first one starts Ray
            workload = make_workload(Path(folder) / str(trials), trials, TRIAL_STEPS)
            runs[trials] = run_alone("benchmarks.growth", "search", str(workload.folder))
    few, many = runs[FEW_TRIALS], runs[MANY_TRIALS]
    added_kb = 1024 * (many["driver_memory_mb"] - few["driver_memory_mb"])
    return {
        f"time_per_trial_at_{MANY_TRIALS}_of_{FEW_TRIALS}": many["s_per_trial"]
        / few["s_per_trial"],
        f"overhead_per_trial_at_{MANY_TRIALS}_ms": 1e3 * many["overhead_s_per_trial"],
        "driver_memory_kb_per_trial": added_kb / (MANY_TRIALS - FEW_TRIALS),
    }


def search(folder: Path) -> dict[str, float]:
    """Search a workload without Snakemake; return times per trial and the driver's memory."""
    from sysstop.search.settings import SearchSettings
    from sysstop.search.study import search_study

    workload = Workload(folder)
    config, summary_file = workload.config, folder / "search.json"
    search_study(
        STUDY,
        None,
        workload.split_folder,
        algorithm=ALGORITHMS[STUDY.algorithm],
        nominal=None,
        grid=config["grid"],
        budget=Budget(**config["budget"]),
        settings=SearchSettings(WORKERS, seed=SEED, code="benchmark"),
        trials_file=folder / "trials.jsonl",
        summary_file=summary_file,
        log=lambda message: None,
    )
    summary = json.loads(summary_file.read_text())
    return {
        "s_per_trial": summary["wall_time_s"] / summary["trials"],
        "overhead_s_per_trial": summary["overhead_s"] / summary["trials"],
        "driver_memory_mb": peak_memory_mb(),
    }


def tables() -> dict[str, float]:
    """Export and aggregate generated journals, without MLflow; return time and peak memory."""
    from sysstop.results.tables import (
        concatenate,
        study_tables,
        train_loss_file,
        trials_schema,
        windows_schema,
    )

    with tempfile.TemporaryDirectory(prefix="sysstop-bench-") as name:
        folder = Path(name)
        journals = {
            Study("generated", "logistic_regression", "none", number): folder / f"{number}.jsonl"
            for number in range(1, TABLE_STUDIES + 1)
        }
        for study, file in journals.items():
            _write_journal(file, TABLE_TRIALS, TABLE_WINDOWS, seed=study.repetition)
        began = time.perf_counter()
        for study, file in journals.items():
            finished = list(read_trials(file))
            run_ids = {trial.trial_id: "run" for trial in finished}
            trials, windows = study_tables(
                study, finished, run_ids, task="classification", levels=LEVELS
            )
            trials.to_parquet(file.with_suffix(".trials.parquet"))
            windows.to_parquet(file.with_suffix(".windows.parquet"))
            with train_loss_file(file.with_suffix(".losses")) as add_losses:
                add_losses(study, finished)
        exported = time.perf_counter()
        concatenate(folder.glob("*.trials.parquet"), trials_schema(LEVELS)).to_parquet(
            folder / "trials"
        )
        concatenate(folder.glob("*.windows.parquet"), windows_schema()).to_parquet(
            folder / "windows"
        )
        ended = time.perf_counter()
    return {
        "tables_trials": TABLE_STUDIES * TABLE_TRIALS,
        "tables_windows_each": TABLE_WINDOWS,
        "tables_export_s": exported - began,
        "tables_aggregate_s": ended - exported,
        "tablespeak_memory_mb": peak_memory_mb(),
    }


def _write_journal(file: Path, trials: int, window_count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    journal = Journal(file, {})
    steps = np.arange(1, window_count + 1) * WINDOW_STEPS
    for number in range(trials):
        windows = {name: rng.random(window_count).tolist() for name in window_columns()}
        configuration = point(number + 1, 0.1, 0.1)
        journal.append(
            FinishedTrial(
                configuration.trial_id,
                configuration,
                int(steps[-1]),
                TrialEnd(Status.COMPLETED, BUDGET_USED),
                environment={"host": "generated"},
                windows=windows | {"step": steps.tolist()},
                losses=rng.random(int(steps[-1])),
            )
        )


def measure_tracking(
    window_count: int = TABLE_WINDOWS, trials: int = TRACKED_TRIALS
) -> dict[str, float]:
    """Return how long it takes to track a trial with this many windows in a SQLite store.

    Also returns how long reading it back takes, as a multiple of that.
    """
    from sysstop.results.store import open_store
    from sysstop.results.tracking import read_study, write_study

    with tempfile.TemporaryDirectory(prefix="sysstop-bench-") as folder:
        journal = Path(folder) / "journal"
        _write_journal(journal, trials, window_count, seed=1)
        store = open_store(f"sqlite:///{folder}/mlflow.db")
        began = time.perf_counter()
        write_study(store, STUDY, {"rule": None}, read_trials(journal))
        written = time.perf_counter()
        read_study(store, STUDY)
        written_s, read_s = written - began, time.perf_counter() - written
    return {
        f"tracking_ms_per_trial_of_{window_count}_windows": 1e3 * written_s / trials,
        f"reading_back_{window_count}_windows_of_writing": read_s / written_s,
    }


def measure_planning(*arguments: str) -> float:
    """Return the seconds of `snakemake -n` with everything to do, on the full study's config.

    `arguments` are given to Snakemake as well, to change the config.
    """
    with tempfile.TemporaryDirectory(prefix="sysstop-bench-") as folder:
        command = [*_snakemake(folder), *arguments, "--dry-run", "--quiet", "all"]
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - began


def _snakemake(folder: str | Path, snakefile: Path = ROOT / "Snakefile") -> list[str]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    return [*command, "--directory", str(folder)]


def measure_dry_runs() -> dict[str, float]:
    """Return the CPU time of `snakemake -n`, in multiples of what it takes on an empty Snakefile.

    On the full study with nothing done and with everything done, and on the demo; in turns, after a
    first call of each, which also analyses the code.
    """
    with tempfile.TemporaryDirectory(prefix="sysstop-bench-") as folder:
        done, fresh, empty = (Path(folder) / name for name in ("done", "fresh", "empty"))
        for made in (done, fresh, empty):
            made.mkdir()
        _pretend_all_is_done(done)
        (empty / "Snakefile").touch()
        commands = {
            "empty": _snakemake(empty, empty / "Snakefile"),
            "dry_run_nothing_to_do_of_empty": _snakemake(done),
            "dry_run_all_to_do_of_empty": _snakemake(fresh),
            "dry_run_demo_of_empty": [*_snakemake(fresh), "--configfile", str(DEMO)],
        }
        for command in commands.values():
            _cpu_s([*command, "--dry-run"])
        spent_s = dict.fromkeys(commands, 0.0)
        for _ in range(DRY_RUNS):
            for name, command in commands.items():
                spent_s[name] += _cpu_s([*command, "--dry-run"])
    empty_s = spent_s.pop("empty")
    return {name: cpu_s / empty_s for name, cpu_s in spent_s.items()}


def _pretend_all_is_done(folder: Path) -> None:
    """Make a folder in which Snakemake finds nothing to do on the full study's config."""
    command = _snakemake(folder)
    listed = subprocess.run([*command, "--summary"], check=True, capture_output=True, text=True)
    for line in listed.stdout.splitlines()[1:]:
        output = folder / line.split("\t")[0]
        if output.name == "split":
            output.mkdir(parents=True)
            (output / "split.json").write_text(json.dumps({"summary": SPLIT_SUMMARY}))
        else:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.touch()
    subprocess.run([*command, "--touch", "--cores", "1", "--quiet", "all"], check=True)
    run = subprocess.run([*command, "--dry-run"], check=True, capture_output=True, text=True)
    if "Nothing to be done" not in run.stdout + run.stderr:
        raise RuntimeError(f"The dry run should find nothing to do:\n{run.stdout[-2000:]}")


def _cpu_s(command: list[str]) -> float:
    """Return the CPU time of a command, which other programs on the machine disturb least."""

    def spent_s() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before_s = spent_s()
    subprocess.run(command, check=True, capture_output=True)
    return spent_s() - before_s


def peak_memory_mb() -> float:
    """Return the highest resident memory; `getrusage` would count the parent's before `exec` too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split(None, 1)[0]) / 1024


def main(task: str, *arguments: str) -> dict[str, Any]:
    """Run one measurement that needs a process of its own."""
    return search(*map(Path, arguments)) if task == "search" else tables()


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
