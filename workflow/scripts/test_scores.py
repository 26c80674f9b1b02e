"""Refit the best trial of every arm and repetition and score it on the test part."""

from pathlib import Path

import pandas as pd

import sysstop_path
from sysstop.analysis.budgets import best_trials
from sysstop.analysis.holdout import score_winners
from sysstop.data.split import load_split
from sysstop.run.job import job
from sysstop.study.studies import Budget

with job(snakemake):
    scores = score_winners(
        best_trials(pd.read_parquet(snakemake.input.trials)),
        load_split(Path(snakemake.input.split)),
        Budget(**snakemake.params.budget),
        snakemake.params.seed,
    )
    scores.to_parquet(snakemake.output[0], index=False)
