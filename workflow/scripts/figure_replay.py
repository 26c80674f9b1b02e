"""Draw what every stopping rule saves against what it loses, for one data set."""

import pandas as pd

import sysstop_path
from sysstop.report.figures.replay import replay_figure
from sysstop.report.figures.style import save
from sysstop.run.job import job

with job(snakemake):
    of_dataset = [("dataset", "==", snakemake.wildcards.dataset)]
    replay = pd.read_parquet(snakemake.input.replay, filters=of_dataset)
    summary = pd.read_parquet(snakemake.input.summary, filters=of_dataset)
    save(replay_figure(replay, summary), snakemake.output.svg, snakemake.output.pdf)
