"""Print what the studies will take and, where they have run, what they took."""

import sysstop_path

import json
from pathlib import Path

from sysstop.plan.plan import plan_table, plan_text
from sysstop.plan.trial_cost import read_calibration, read_overhead
from sysstop.run.job import job
from sysstop.search.settings import expected_trials_at_once
from sysstop.study.algorithms import make_algorithm
from sysstop.study.arms import needs_baseline
from sysstop.study.hyperparameters import algorithm_grid
from sysstop.study.studies import Budget, planned_pairs, planned_studies

with job(snakemake):
    params, config = snakemake.params, snakemake.config
    calibrations = [read_calibration(Path(file)) for file in snakemake.input.calibrations]
    overhead = read_overhead(Path(snakemake.input.overhead))
    workers = expected_trials_at_once(config["search"], params.cores)
    studies = planned_studies(config)
    plan = plan_table(
        dict(zip(studies, map(Path, params.study_folders), strict=True)),
        dict(zip(planned_pairs(config), calibrations, strict=True)),
        overhead,
        algorithms={
            name: make_algorithm(name, entry) for name, entry in config["algorithms"].items()
        },
        grids={name: algorithm_grid(config, name) for name in config["algorithms"]},
        budget=Budget(**config["budget"]),
        seed=config["study"]["seed"],
        workers=workers,
    )
    text = plan_text(
        plan,
        overhead,
        waiting_arms={name for name, arm in params.arms.items() if needs_baseline(arm)},
        cores=params.cores,
        workers=workers,
        trial_timeout_s=config["search"]["trial_timeout_s"],
        cpu_models=[calibration.cpu_model for calibration in calibrations],
    )
    print(f"\n{text}\n", flush=True)
    expected_s = {
        study.key: expected.job_s
        for study, expected in zip(studies, plan.itertuples(), strict=True)
    }
    Path(snakemake.output[0]).write_text(json.dumps(expected_s, indent=2) + "\n")
