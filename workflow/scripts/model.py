"""Refit the recommended configuration and store it with its preprocessing."""

import sysstop_path

import sys
from pathlib import Path

import pandas as pd

from sysstop.data.split import load_split
from sysstop.models.recommended import recommendation_of, write_model
from sysstop.run.job import job
from sysstop.study.algorithms import make_algorithm
from sysstop.study.studies import Budget

with job(snakemake):
    given, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    description = write_model(
        Path(snakemake.output[0]),
        recommendation_of(
            pd.read_parquet(given.recommendations),
            pd.read_parquet(given.trials),
            wildcards.dataset,
            wildcards.algorithm,
            params.constraints,
        ),
        load_split(Path(given.split)),
        pd.read_parquet(given.table),
        algorithm=make_algorithm(wildcards.algorithm, params.algorithm),
        grid=params.grid,
        budget=Budget(**params.budget),
        seed=params.seed,
    )
    if description["reason"]:
        pair = f"{wildcards.dataset}, {wildcards.algorithm}"
        print(f"No model of {pair}: {description['reason']}", file=sys.stderr)
