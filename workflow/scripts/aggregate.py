"""Put the tables of all pairs of data set and algorithm together."""

import sysstop_path

import json
from pathlib import Path

from sysstop.results.tables import concatenate, environment_table, trials_schema, windows_schema
from sysstop.run.job import job

with job(snakemake):
    schema = trials_schema(snakemake.params.hyperparameters)
    trials = concatenate(snakemake.input.trials, schema)
    trials.to_parquet(snakemake.output.trials, index=False)
    windows = concatenate(snakemake.input.windows, windows_schema())
    windows.to_parquet(snakemake.output.windows, index=False)
    files = map(Path, snakemake.input.summaries)
    searches = [search for file in files for search in json.loads(file.read_text())]
    environment_table(searches).to_parquet(snakemake.output.environment, index=False)
