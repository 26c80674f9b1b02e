"""Compare each live arm with its replay."""

import sysstop_path

import pandas as pd

from sysstop.analysis.replay_check import replay_check_table
from sysstop.run.job import job

with job(snakemake):
    trials = pd.read_parquet(snakemake.input.trials)
    windows = pd.read_parquet(snakemake.input.windows)
    table = replay_check_table(trials, windows, snakemake.params.arms)
    table.to_parquet(snakemake.output[0], index=False)
