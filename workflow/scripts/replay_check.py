"""Compare each live arm with its replay."""

import sysstop_path

import json
from pathlib import Path

import pandas as pd

from sysstop.analysis.replay_check import replay_check_table, searches_by_study
from sysstop.run.job import job

with job(snakemake):
    trials = pd.read_parquet(snakemake.input.trials)
    windows = pd.read_parquet(snakemake.input.windows)
    files = map(Path, snakemake.input.summaries)
    searches = searches_by_study(
        [search for file in files for search in json.loads(file.read_text())]
    )
    params = snakemake.params
    table = replay_check_table(trials, windows, params.arms, searches, params.seed)
    table.to_parquet(snakemake.output[0], index=False)
