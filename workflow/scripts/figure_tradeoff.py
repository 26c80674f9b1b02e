"""Draw saving against regret."""

import pandas as pd

import sysstop_path
from sysstop.report.figures.budget import tradeoff_figure
from sysstop.report.figures.style import save
from sysstop.run.job import job

with job(snakemake):
    budget = pd.read_parquet(snakemake.input.budget)
    save(tradeoff_figure(budget), snakemake.output.svg, snakemake.output.pdf)
