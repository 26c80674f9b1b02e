"""Print what the studies will take and, where they have run, what they took."""

from pathlib import Path

from sysstop.arms import needs_baseline
from sysstop.job import job
from sysstop.plan import plan_table, plan_text
from sysstop.studies import Budget
from sysstop.trial_cost import read_calibration, read_overhead

with job(snakemake):
    params, settings = snakemake.params, snakemake.config["search"]
    calibrations = [read_calibration(Path(file)) for file in snakemake.input.calibrations]
    overhead = read_overhead(Path(snakemake.input.overhead))
    workers = min(params.cores, settings["workers"])
    plan = plan_table(
        dict(zip(params.studies, map(Path, params.study_folders), strict=True)),
        dict(zip(params.pairs, calibrations, strict=True)),
        overhead,
        grid=params.grid,
        budget=Budget(**params.budget),
        seed=params.seed,
        workers=workers,
    )
    text = plan_text(
        plan,
        overhead,
        waiting_arms={name for name, arm in params.arms.items() if needs_baseline(arm)},
        cores=params.cores,
        workers=workers,
        trial_timeout_s=settings["trial_timeout_s"],
        cpu_models=[calibration.cpu_model for calibration in calibrations],
    )
    print(f"\n{text}\n", flush=True)
