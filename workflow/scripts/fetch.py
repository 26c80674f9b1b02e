"""Fetch a data set's raw table and say where it came from."""

from pathlib import Path

from sysstop.data_sources import fetch_table, write_table
from sysstop.job import job

with job(snakemake):
    table_file = Path(snakemake.output.table)
    table, provenance = fetch_table(
        snakemake.params.name,
        snakemake.params.entry,
        pmlb_cache=Path(snakemake.params.pmlb_cache),
        download_folder=table_file.parent / ".pmlb",
    )
    write_table(table, provenance, table_file, Path(snakemake.output.provenance))
