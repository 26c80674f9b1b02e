"""Replay every rule at many limits on the baseline's windows."""

import sysstop_path

import json
from pathlib import Path

import pandas as pd

from sysstop.analysis.replay import (
    baseline_workers,
    replay_summary,
    replay_table,
    replayed_rules,
    trial_signals,
)
from sysstop.run.job import job

with job(snakemake):
    trials = pd.read_parquet(snakemake.input.trials)
    windows = pd.read_parquet(snakemake.input.windows)
    rules = replayed_rules(snakemake.params.arms)
    files = map(Path, snakemake.input.summaries)
    workers = baseline_workers(
        [search for file in files for search in json.loads(file.read_text())]
    )
    replay = replay_table(trials, windows, rules, workers, snakemake.params.seed)
    replay.to_parquet(snakemake.output.replay, index=False)
    replay_summary(replay).to_parquet(snakemake.output.summary, index=False)
    signals = trial_signals(trials, windows, rules, snakemake.params.hyperparameters)
    signals.to_parquet(snakemake.output.signals, index=False)
