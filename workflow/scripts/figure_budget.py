"""Draw the budget that each arm used and saved, beside its regret."""

import pandas as pd

import sysstop_path
from sysstop.report.figures.budget import budget_figure
from sysstop.report.figures.style import save
from sysstop.run.job import job

with job(snakemake):
    budget = pd.read_parquet(snakemake.input.budget)
    save(budget_figure(budget), snakemake.output.svg, snakemake.output.pdf)
