"""Draw how early a trial's final training time, memory and step time can be told."""

import pandas as pd

import sysstop_path
from sysstop.report.figures.prediction import prediction_figure
from sysstop.report.figures.style import save
from sysstop.run.job import job

with job(snakemake):
    prediction = pd.read_parquet(snakemake.input.prediction)
    save(prediction_figure(prediction), snakemake.output.svg, snakemake.output.pdf)
