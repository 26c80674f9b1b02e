"""Draw the cost of a step and of a sample against the batch size."""

import pandas as pd

import sysstop_path
from sysstop.report.figures.cost import cost_figure
from sysstop.report.figures.style import save
from sysstop.run.job import job

with job(snakemake):
    trials = pd.read_parquet(snakemake.input.trials)
    cost_model = pd.read_parquet(snakemake.input.cost_model)
    save(cost_figure(trials, cost_model), snakemake.output.svg, snakemake.output.pdf)
