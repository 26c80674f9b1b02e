"""Measure what the reference step of a data set takes while nothing else runs."""

from pathlib import Path

import sysstop_path
from sysstop.run.job import job
from sysstop.trial.nominal import measure_nominal_apart, write_nominal

with job(snakemake):
    write_nominal(measure_nominal_apart(Path(snakemake.input[0])), Path(snakemake.output[0]))
