"""Write the tables of the report for LaTeX."""

from pathlib import Path

import pandas as pd

from sysstop import paper_tables
from sysstop.job import job

with job(snakemake):
    config = snakemake.config
    budget = pd.read_parquet(snakemake.input.budget)
    effects = pd.read_parquet(snakemake.input.effects)
    noise = pd.read_parquet(snakemake.input.noise)
    summaries = paper_tables.read_split_summaries(snakemake.input.splits)
    tables = {
        "datasets": paper_tables.dataset_table(config, summaries),
        "metrics": paper_tables.metric_table(),
        "algorithms": paper_tables.algorithm_table(config),
        "arms": paper_tables.arm_table(config),
        "budget": paper_tables.budget_summary(budget),
        "effects": paper_tables.effect_digest(effects),
        "noise": paper_tables.noise_digest(noise),
    }
    for name, table in tables.items():
        Path(snakemake.output[name]).write_text(paper_tables.latex(table))
