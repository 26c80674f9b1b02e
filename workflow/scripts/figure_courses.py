"""Draw which trials of a data set were stopped."""

import pandas as pd

import sysstop_path
from sysstop.report.figures.courses import courses_figure
from sysstop.report.figures.style import save
from sysstop.run.job import job

with job(snakemake):
    of_dataset = [("dataset", "==", snakemake.wildcards.dataset)]
    windows = pd.read_parquet(snakemake.input.windows, filters=of_dataset)
    trials = pd.read_parquet(snakemake.input.trials, filters=of_dataset)
    save(courses_figure(windows, trials), snakemake.output.svg, snakemake.output.pdf)
