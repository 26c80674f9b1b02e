"""Estimate the noise floor of each metric from trials that ran twice."""

import sysstop_path

import pandas as pd

from sysstop.analysis.noise import noise_table
from sysstop.run.job import job

with job(snakemake):
    noise_table(pd.read_parquet(snakemake.input.trials)).to_parquet(
        snakemake.output[0], index=False
    )
