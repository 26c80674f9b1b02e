"""Set each live arm beside its replay."""

import pandas as pd

import sysstop_path
from sysstop.analysis.replay_check import replay_check_table
from sysstop.run.job import job

with job(snakemake):
    trials = pd.read_parquet(snakemake.input.trials)
    windows = pd.read_parquet(snakemake.input.windows)
    table = replay_check_table(trials, windows, snakemake.params.arms)
    table.to_parquet(snakemake.output[0], index=False)
