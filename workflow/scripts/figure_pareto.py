"""Draw score against each system metric, with the Pareto front, for one data set."""

import pandas as pd

import sysstop_path
from sysstop.report.figures.pareto import pareto_figure
from sysstop.report.figures.style import save
from sysstop.run.job import job

with job(snakemake):
    of_dataset = [("dataset", "==", snakemake.wildcards.dataset)]
    pareto = pd.read_parquet(snakemake.input.pareto, filters=of_dataset)
    figure = pareto_figure(pareto, snakemake.params.constraints)
    save(figure, snakemake.output.svg, snakemake.output.pdf)
