"""Draw saving against regret."""

import pandas as pd

from sysstop.figures.budget import tradeoff_figure
from sysstop.figures.style import save
from sysstop.job import job

with job(snakemake):
    budget = pd.read_parquet(snakemake.input.budget)
    save(tradeoff_figure(budget), snakemake.output.svg, snakemake.output.pdf)
