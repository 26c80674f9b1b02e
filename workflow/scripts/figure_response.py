"""Draw the system metrics of a data set against each hyperparameter."""

import pandas as pd

import sysstop_path
from sysstop.report.figures.response import response_figure
from sysstop.report.figures.style import save
from sysstop.run.job import job

with job(snakemake):
    of_dataset = [("dataset", "==", snakemake.wildcards.dataset)]
    trials = pd.read_parquet(snakemake.input.trials, filters=of_dataset)
    save(response_figure(trials), snakemake.output.svg, snakemake.output.pdf)
