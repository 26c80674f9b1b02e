"""Fetch a data set's raw table and record where it came from."""

import sysstop_path

import os
from pathlib import Path

from sysstop.data.sources import fetch_table, write_table
from sysstop.run.job import job

with job(snakemake):
    table_file = Path(snakemake.output.table)
    # Not a parameter of the rule: where the files are does not change what they contain.
    cache = snakemake.config["data"]["pmlb_cache"] or os.environ.get("PMLB_CACHE")
    table, provenance = fetch_table(
        snakemake.params.name,
        snakemake.params.entry,
        pmlb_cache=Path(cache or table_file.parents[1] / ".pmlb"),
        download_folder=table_file.parent / ".pmlb",
    )
    write_table(table, provenance, table_file, Path(snakemake.output.provenance))
