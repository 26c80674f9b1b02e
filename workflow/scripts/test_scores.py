"""Refit the best trial of every arm and repetition and score it on the test part."""

import sysstop_path

from pathlib import Path

import pandas as pd

from sysstop.analysis.budgets import best_trials
from sysstop.analysis.holdout import score_winners
from sysstop.data.split import load_split
from sysstop.run.job import job
from sysstop.study.algorithms import make_algorithm
from sysstop.study.studies import Budget

with job(snakemake):
    params = snakemake.params
    scores = score_winners(
        best_trials(pd.read_parquet(snakemake.input.trials)),
        load_split(Path(snakemake.input.split)),
        algorithm=make_algorithm(snakemake.wildcards.algorithm, params.algorithm),
        grid=params.grid,
        budget=Budget(**params.budget),
        seed=params.seed,
    )
    scores.to_parquet(snakemake.output[0], index=False)
