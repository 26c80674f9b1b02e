"""Estimate the effects of hyperparameters on system metrics, and fit the cost model."""

import sysstop_path

import pandas as pd

from sysstop.analysis.effects import cost_model, effect_table
from sysstop.run.job import job

with job(snakemake):
    trials = pd.read_parquet(snakemake.input.trials)
    effect_table(trials, snakemake.params.hyperparameters).to_parquet(
        snakemake.output.effects, index=False
    )
    cost_model(trials).to_parquet(snakemake.output.cost_model, index=False)
