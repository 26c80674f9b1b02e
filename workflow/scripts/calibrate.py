"""Measure what trials of a data set and algorithm cost."""

import sysstop_path

from pathlib import Path

from sysstop.plan.calibration import calibrate
from sysstop.plan.trial_cost import write_json
from sysstop.run.job import job
from sysstop.search.settings import trials_at_once_here
from sysstop.study.algorithms import make_algorithm
from sysstop.study.studies import BASELINE_ARM, Study

with job(snakemake):
    wildcards, params = snakemake.wildcards, snakemake.params
    settings = snakemake.config["search"]
    calibration = calibrate(
        Study(wildcards.dataset, wildcards.algorithm, BASELINE_ARM, 1),
        Path(snakemake.input.split),
        algorithm=make_algorithm(wildcards.algorithm, params.algorithm),
        grid=params.grid,
        window_steps=params.window_steps,
        seed=params.seed,
        workers=trials_at_once_here(settings, snakemake.threads),
        ray_address=settings["ray_address"],
    )
    write_json(calibration, Path(snakemake.output[0]))
