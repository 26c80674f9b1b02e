"""Look up how good a model each study had found after each share of the budget."""

import sysstop_path

import pandas as pd

from sysstop.analysis.anytime import anytime_table
from sysstop.run.job import job

with job(snakemake):
    anytime_table(pd.read_parquet(snakemake.input.trials)).to_parquet(
        snakemake.output[0], index=False
    )
