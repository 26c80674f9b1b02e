"""What more nodes do for large studies, and where the limit lies: `python -m benchmarks.scaling RUN`.

RUN is the folder of a finished run of `config/pmlb-small.yaml`, whose tables are multiplied to
measure the analysis. Everything else is measured here: `snakemake plan` calibrates the full study
on this machine, and its studies are then scheduled on nodes that are like this machine except for
their number of cores. Prints its tables, writes them to results/benchmark/scaling.md, and draws
docs/scaling.svg. Needs PMLB's files (PMLB_CACHE).
"""

import datetime
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.growth import measure_planning, measure_tracking, peak_memory_mb
from benchmarks.workload import ROOT, run_alone
from sysstop.plan.plan import plan_table, run_s
from sysstop.plan.trial_cost import Calibration, Overhead, read_calibration, read_overhead
from sysstop.report.figures.style import (
    PALETTE,
    handles_of,
    legend_below,
    new_figure,
    save,
    scale_to_values,
    styled,
)
from sysstop.report.wording import number
from sysstop.run.provenance import environment, git_state
from sysstop.study.arms import arm_entry, needs_baseline
from sysstop.study.hyperparameters import algorithm_grid
from sysstop.study.studies import (
    Budget,
    planned_pairs,
    planned_repetitions,
    planned_studies,
)
from tests.shipped import ALGORITHMS, ENTRIES, LEVELS

FOLDER = ROOT / "results" / "benchmark" / "scaling"
FIGURE = ROOT / "docs" / "scaling.svg"
# The full study, with a data set that is available here in place of 1191_BNG_pbc.
FULL_STUDY = {
    "study": {"datasets": ["mnist", "kddcup", "diabetes", "529_pollen", "1203_BNG_pwLinear"]}
}
HOUR_S = 3600.0
CORES = 8  # of a node: one for each of the config's search.workers
NODES = (1, 10, 100)
DRAWN_NODES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
DATASETS = 100
ANALYSIS_COPIES = (1, 4)
ANALYSIS_STEPS = ("aggregate", "effects", "replay")


def main(run: Path) -> None:
    """Measure, simulate, print and write."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    config = _config()
    calibrations, overhead = calibrate_full_study(config)
    repetitions = len(planned_repetitions(config["study"]["repetitions"]))
    plan = plan_of(calibrations, overhead, config, CORES, repetitions)
    waiting = {name for name in config["study"]["arms"] if needs_baseline(arm_entry(config, name))}
    plans = {
        "full study": plan,
        f"{DATASETS} data sets": copies(plan, DATASETS // plan["dataset"].nunique()),
    }
    schedules = pd.concat(
        [schedule_table(name, rows, waiting, overhead) for name, rows in plans.items()]
    )
    study = study_table(calibrations, overhead, config)
    budget = config["budget"]
    windows = math.ceil(budget["steps"] / budget["window_steps"])
    _draw(plans, waiting, overhead, study)
    analysis = analysis_table(run)
    page = f"# Scaling\n\n{_circumstances()}\n"
    for title, table in {
        "Runs: each study on one node": schedules,
        "The longest study over several nodes": study,
        "Aggregation and analysis of copies of a run's tables": analysis,
        "What grows with trials, studies and windows": limit_table(plans, analysis, windows, run),
    }.items():
        page += f"\n## {title}\n\n{table.to_markdown(index=False, floatfmt='.3g')}\n"
    (FOLDER.parent / "scaling.md").write_text(page)
    print(page)


def calibrate_full_study(
    config: dict[str, Any],
) -> tuple[dict[tuple[str, str], Calibration], Overhead]:
    """Have `snakemake plan` calibrate the full study, unless it has done so, with all cores."""
    overlay = FOLDER / "full.yaml"
    overlay.write_text(yaml.safe_dump(FULL_STUDY))
    command = [sys.executable, "-m", "snakemake", "plan", "--cores", "all"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(FOLDER)]
    subprocess.run([*command, "--configfile", str(overlay)], check=True)
    folder = FOLDER / "results" / "plan"
    calibrations = {
        (dataset, algorithm): read_calibration(folder / dataset / f"{algorithm}.json")
        for dataset, algorithm in planned_pairs(config)
    }
    return calibrations, read_overhead(folder / "overhead.json")


def plan_of(
    calibrations: Mapping[tuple[str, str], Calibration],
    overhead: Overhead,
    config: dict[str, Any],
    workers: int,
    repetitions: int,
) -> pd.DataFrame:
    """Return the plan of the full study with this many repetitions and trials at a time."""
    no_results = FOLDER / "none"
    return plan_table(
        {study: no_results for study in planned_studies(config) if study.repetition <= repetitions},
        calibrations,
        overhead,
        algorithms=ALGORITHMS,
        grids={name: algorithm_grid(config, name) for name in config["study"]["algorithms"]},
        budget=Budget(**config["budget"]),
        seed=config["study"]["seed"],
        workers=workers,
    )


def _config() -> dict[str, Any]:
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config |= yaml.safe_load((ROOT / "config" / "datasets.yaml").read_text())
    config["algorithms"] = ENTRIES
    config["study"] |= FULL_STUDY["study"]
    return config


def copies(plan: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return a plan with this many data sets in place of each of its own."""
    return pd.concat(
        [plan.assign(dataset=plan["dataset"] + f"-{copy}") for copy in range(count)],
        ignore_index=True,
    )


def schedule_table(
    name: str, plan: pd.DataFrame, waiting_arms: set[str], overhead: Overhead
) -> pd.DataFrame:
    """Return what 1, 10 and 100 nodes do for a plan: wall time, speed-up and use of the nodes."""
    rows = []
    alone_s = run_s(plan, waiting_arms, overhead, 1, CORES)
    for nodes in NODES:
        wall_s = run_s(plan, waiting_arms, overhead, nodes, CORES)
        rows.append(
            {
                "what": name,
                "nodes": nodes,
                "studies": len(plan),
                "wall_h": wall_s / HOUR_S,
                "speed_up": alone_s / wall_s,
                "speed_up_if_no_arm_waits": alone_s / run_s(plan, (), overhead, nodes, CORES),
                "busy_percent": 100 * plan["job_s"].sum() / (wall_s * nodes),
                "longest_study_of_wall": plan["job_s"].max() / wall_s,
            }
        )
    return pd.DataFrame(rows)


def study_table(
    calibrations: Mapping[tuple[str, str], Calibration], overhead: Overhead, config: dict[str, Any]
) -> pd.DataFrame:
    """Return what the longest study takes with its trials spread over nodes of one Ray cluster."""
    rows = []
    for nodes in DRAWN_NODES:
        plan = plan_of(calibrations, overhead, config, nodes * CORES, repetitions=1)
        longest = plan.loc[plan["job_s"].idxmax()]
        rows.append(
            {
                "nodes": nodes,
                "longest_study": f"{longest['dataset']} {longest['algorithm']}",
                "study_h": longest["job_s"] / HOUR_S,
                "longest_trial_of_study": longest["longest_trial_s"] / longest["job_s"],
            }
        )
    table = pd.DataFrame(rows)
    return table.assign(speed_up=table["study_h"].iloc[0] / table["study_h"])


def analysis_table(run: Path) -> pd.DataFrame:
    """Return the time and memory of aggregation and analysis, for some numbers of copies of a run."""
    return pd.DataFrame(
        run_alone("benchmarks.scaling", "analysis", str(run), str(count))
        for count in ANALYSIS_COPIES
    )


def limit_table(
    plans: Mapping[str, pd.DataFrame], analysis: pd.DataFrame, windows: int, run: Path
) -> pd.DataFrame:
    """Return what grows with the trials of each plan, `windows` to a trial, and with its studies.

    Time and memory of the `analysis` are assumed to grow as they did from its first row to its
    last; sizes on the disk are those of a trial of the run.
    """
    few, many = analysis.iloc[0], analysis.iloc[-1]
    per_trial = (many - few) / (many["trials"] - few["trials"])
    tracked_s = next(iter(measure_tracking(windows).values())) / 1e3
    columns = {}
    for name, plan in plans.items():
        trials = int(plan["trials"].sum())
        grown = many + per_trial * (trials - many["trials"])
        figures = {
            "trials": trials,
            "windows": trials * windows,
            **{f"{step}, s": grown[f"{step}_s"] for step in ANALYSIS_STEPS},
            "memory of aggregation and analysis, GB": grown["memory_mb"] / 1024,
            "writing MLflow's SQLite store, h": trials * tracked_s / HOUR_S,
            "nodes that keep it busy": plan["job_s"].sum() / (trials * tracked_s),
            **{
                f"{kind} on the disk, GB": size_mb * trials / 1024
                for kind, size_mb in sizes_per_trial(run).items()
            },
            "snakemake -n, s": measure_planning(*_data_set_arguments(plan["dataset"].nunique())),
        }
        columns[name] = {figure: number(value) for figure, value in figures.items()}
    return pd.DataFrame(columns).reset_index(names="figure")


def analyse(run: Path, count: int) -> dict[str, float]:
    """Aggregate and analyse this many copies of a run's tables with the workflow's own code."""
    from sysstop.analysis.effects import effect_table
    from sysstop.analysis.replay import replay_table, replayed_rules
    from sysstop.results.tables import concatenate, trials_schema, windows_schema

    config = _config()
    arms = {name: arm_entry(config, name) for name in config["study"]["arms"]}
    with tempfile.TemporaryDirectory(prefix="sysstop-bench-") as name:
        files = {
            table: [
                _relabelled(file, copy, Path(name) / f"{copy}-{number}-{table}")
                for copy in range(count)
                for number, file in enumerate(
                    sorted(run.glob(f"results/studies/*/*/{table}.parquet"))
                )
            ]
            for table in ("trials", "windows")
        }
        seconds = {}
        began = time.perf_counter()
        trials = concatenate(files["trials"], trials_schema(LEVELS))
        windows = concatenate(files["windows"], windows_schema())
        seconds["aggregate_s"] = time.perf_counter() - began
        began = time.perf_counter()
        effect_table(trials)
        seconds["effects_s"] = time.perf_counter() - began
        began = time.perf_counter()
        replay_table(trials, windows, replayed_rules(arms), workers=CORES, seed=0)
        seconds["replay_s"] = time.perf_counter() - began
    return seconds | {"trials": len(trials), "memory_mb": peak_memory_mb()}


def _relabelled(file: Path, copy: int, target: Path) -> Path:
    table = pd.read_parquet(file)
    table.assign(dataset=table["dataset"] + f"-{copy}").to_parquet(target)
    return target


def sizes_per_trial(run: Path) -> dict[str, float]:
    """Return what a trial of a finished run takes on disk, in MB, by kind of file."""
    results = run / "results"
    trials = len(pd.read_parquet(results / "tables" / "trials.parquet", columns=["arm"]))
    patterns = {
        "journals": "studies/*/*/*/*/trials.jsonl",
        "tables": "studies/*/*/*.parquet",
        "mlflow": "mlflow/mlflow.db",
    }
    return {
        kind: sum(file.stat().st_size for file in results.glob(pattern)) / 2**20 / trials
        for kind, pattern in patterns.items()
    }


def _data_set_arguments(count: int) -> list[str]:
    """Return Snakemake's arguments for studying this many data sets, most of them generated."""
    entries = _config()["datasets"]
    names = [f"generated-{number}" for number in range(count)]
    tasks = ["classification"] * 3 + ["regression"] * 2
    overlay = FOLDER / f"{count}.yaml"
    overlay.write_text(
        yaml.safe_dump(
            {
                "study": {"datasets": names},
                "datasets": {
                    name: entries[f"synthetic_{tasks[at % len(tasks)]}"]
                    for at, name in enumerate(names)
                },
            }
        )
    )
    return ["--configfile", str(overlay)]


def _circumstances() -> str:
    machine = environment() | git_state(ROOT)
    return (
        f"{datetime.date.today().isoformat()}, {machine['cpu_model']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GiB, commit {machine['git_commit'][:7]}"
        f"{' with changes' if machine['dirty'] else ''}. Nodes of {CORES} cores are simulated."
    )


@styled
def _draw(
    plans: Mapping[str, pd.DataFrame],
    waiting_arms: set[str],
    overhead: Overhead,
    study: pd.DataFrame,
) -> None:
    """Draw the speed-up by nodes: of whole runs, a study to a node, and of the longest study."""
    figure = new_figure(3.4)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for colour, (name, plan) in zip(PALETTE, plans.items(), strict=False):
        alone_s = run_s(plan, waiting_arms, overhead, 1, CORES)
        for arms, style, label in (
            (waiting_arms, "-", name),
            (set(), ":", f"{name}, absolute limits"),
        ):
            speed_up = [
                alone_s / run_s(plan, arms, overhead, nodes, CORES) for nodes in DRAWN_NODES
            ]
            panels[0].plot(DRAWN_NODES, speed_up, style, marker="o", color=colour, label=label)
    panels[1].plot(
        study["nodes"], study["speed_up"], marker="o", color=PALETTE[2], label="longest study"
    )
    panels[0].set_title("Runs: each study on one node", loc="left")
    panels[1].set_title("The longest study on one Ray cluster", loc="left")
    for axes in panels:
        axes.plot(DRAWN_NODES, DRAWN_NODES, color="0.5", linewidth=1, linestyle="--", label="ideal")
        axes.set_xlabel(f"Nodes of {CORES} cores")
        for which in ("x", "y"):
            scale_to_values(axes, which, pd.Series(DRAWN_NODES))
    panels[0].set_ylabel("Speed-up over one node")
    legend_below(figure, handles_of(panels), columns=3)
    save(figure, FIGURE, FOLDER / "scaling.pdf")


if __name__ == "__main__":
    if sys.argv[1] == "analysis":
        print(json.dumps(analyse(Path(sys.argv[2]), int(sys.argv[3]))))
    else:
        main(Path(sys.argv[1]))
