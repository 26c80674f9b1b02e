"""Draw the share of variance that each hyperparameter explains."""

import pandas as pd

import sysstop_path
from sysstop.report.figures.effects import effect_map
from sysstop.report.figures.style import save
from sysstop.run.job import job

with job(snakemake):
    effects = pd.read_parquet(snakemake.input.effects)
    save(effect_map(effects), snakemake.output.svg, snakemake.output.pdf)
