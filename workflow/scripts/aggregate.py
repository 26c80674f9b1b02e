"""Put the tables of all pairs of data set and algorithm together."""

import json
from pathlib import Path

import sysstop_path
from sysstop.results.tables import concatenate, environment_table, trials_schema, windows_schema
from sysstop.run.job import job

with job(snakemake):
    trials = concatenate(snakemake.input.trials, trials_schema())
    trials.to_parquet(snakemake.output.trials, index=False)
    windows = concatenate(snakemake.input.windows, windows_schema())
    windows.to_parquet(snakemake.output.windows, index=False)
    files = map(Path, snakemake.input.summaries)
    searches = [search for file in files for search in json.loads(file.read_text())]
    environment_table(searches).to_parquet(snakemake.output.environment, index=False)
