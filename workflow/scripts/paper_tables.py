"""Write the tables of the report for LaTeX."""

from pathlib import Path

import pandas as pd

import sysstop_path
from sysstop.report import replay as replay_tables
from sysstop.report import study as paper_tables
from sysstop.run.job import job

RESULTS = {
    "budget": ("budget", paper_tables.budget_summary),
    "effects": ("effects", paper_tables.effect_digest),
    "noise": ("noise", paper_tables.noise_digest),
    "replay": ("replay_summary", replay_tables.replay_digest),
    "replay_check": ("replay_check", replay_tables.replay_check_digest),
    "prediction": ("prediction", replay_tables.prediction_digest),
    "prediction_saving": ("prediction_saving", replay_tables.prediction_saving_digest),
    "recommendations": ("recommendations", replay_tables.recommendation_digest),
}

with job(snakemake):
    config = snakemake.config
    summaries = paper_tables.read_split_summaries(snakemake.input.splits)
    tables = {
        "datasets": paper_tables.dataset_table(config, summaries),
        "metrics": paper_tables.metric_table(),
        "algorithms": paper_tables.algorithm_table(config),
        "arms": paper_tables.arm_table(config),
    }
    for name, (source, digest) in RESULTS.items():
        tables[name] = digest(pd.read_parquet(snakemake.input[source]))
    for name, table in tables.items():
        Path(snakemake.output[name]).write_text(paper_tables.latex(table))
