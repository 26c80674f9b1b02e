"""Compute what each study used, saved and lost."""

import sysstop_path

import pandas as pd

from sysstop.analysis.budgets import budget_table
from sysstop.run.job import job

with job(snakemake):
    trials = pd.read_parquet(snakemake.input.trials)
    test_scores = pd.concat([pd.read_parquet(file) for file in snakemake.input.test_scores])
    budget_table(trials, test_scores).to_parquet(snakemake.output[0], index=False)
