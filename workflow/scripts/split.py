"""Check a raw table and split it into training part, test part and folds."""

import sysstop_path

from pathlib import Path

import pandas as pd

from sysstop.data.checks import check_table
from sysstop.data.split import write_split
from sysstop.data.splitting import make_split
from sysstop.run.job import job
from sysstop.study.hyperparameters import algorithm_grid
from sysstop.study.studies import check_batch_sizes, planned_pairs

with job(snakemake):
    params = snakemake.params
    table = pd.read_parquet(snakemake.input.table)
    # Here and not when fetching: what is refused depends on the folds and the treatments, and a
    # change to these should not fetch the data again.
    check_table(params.name, table, params.entry, params.folds)
    split = make_split(
        table,
        params.entry,
        name=params.name,
        test_fraction=params.test_fraction,
        folds=params.folds,
        seed=params.seed,
    )
    # Checked as soon as it is known, and not after the first searches. Not a parameter of the rule:
    # another grid needs no other split.
    for dataset, algorithm in planned_pairs(snakemake.config):
        if dataset == params.name:
            grid = algorithm_grid(snakemake.config, algorithm)
            check_batch_sizes(grid, split.fold_train_rows, dataset)
    write_split(split, Path(snakemake.output[0]))
