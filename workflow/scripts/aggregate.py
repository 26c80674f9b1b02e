"""Put the studies' tables together."""

import json
from pathlib import Path

import sysstop_path
from sysstop.results.tables import TRIALS_SCHEMA, WINDOWS_SCHEMA, concatenate, environment_table
from sysstop.run.job import job

with job(snakemake):
    trials = concatenate(snakemake.input.trials, TRIALS_SCHEMA)
    trials.to_parquet(snakemake.output.trials, index=False)
    windows = concatenate(snakemake.input.windows, WINDOWS_SCHEMA)
    windows.to_parquet(snakemake.output.windows, index=False)
    summaries = [json.loads(Path(file).read_text()) for file in snakemake.input.summaries]
    environment_table(summaries).to_parquet(snakemake.output.environment, index=False)
