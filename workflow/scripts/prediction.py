"""Compute how early final readings can be predicted, and what stopping on that saves."""

import sysstop_path

import pandas as pd

from sysstop.analysis.prediction import prediction_saving_table, prediction_table
from sysstop.run.job import job

with job(snakemake):
    trials = pd.read_parquet(snakemake.input.trials)
    windows = pd.read_parquet(snakemake.input.windows)
    prediction_table(trials, windows).to_parquet(snakemake.output.errors, index=False)
    prediction_saving_table(trials, windows).to_parquet(snakemake.output.saving, index=False)
