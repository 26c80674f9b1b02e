"""Measure what a study costs besides its trials."""

import sysstop_path

from pathlib import Path

from sysstop.plan.calibration import measure_overhead
from sysstop.plan.trial_cost import write_json
from sysstop.run.job import job
from sysstop.search.settings import trials_at_once_here
from sysstop.study.algorithms import make_algorithm
from sysstop.study.studies import BASELINE_ARM, Budget, Study

with job(snakemake):
    params, settings = snakemake.params, snakemake.config["search"]
    overhead = measure_overhead(
        Study(*params.pair, BASELINE_ARM, 1),
        Path(snakemake.input.split),
        algorithm=make_algorithm(params.pair[1], params.algorithm),
        grid=params.grid,
        budget=Budget(**params.budget),
        seed=params.seed,
        workers=trials_at_once_here(settings, snakemake.threads),
        ray_address=settings["ray_address"],
    )
    write_json(overhead, Path(snakemake.output[0]))
