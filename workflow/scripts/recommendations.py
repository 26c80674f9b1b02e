"""Recommend a configuration within the constraints, and a rule that finds it."""

import sysstop_path

import pandas as pd

from sysstop.analysis.recommendations import configuration_table, pareto_table, recommendation_table
from sysstop.analysis.replay import replayed_rules
from sysstop.run.job import job

with job(snakemake):
    trials = pd.read_parquet(snakemake.input.trials)
    windows = pd.read_parquet(snakemake.input.windows)
    constraints = snakemake.params.constraints
    levels = snakemake.params.hyperparameters
    configurations = configuration_table(trials, constraints, levels)
    pareto_table(configurations, levels).to_parquet(snakemake.output.pareto, index=False)
    rules = replayed_rules(snakemake.params.arms)
    table = recommendation_table(trials, windows, rules, constraints, levels)
    table.to_parquet(snakemake.output.recommendations, index=False)
