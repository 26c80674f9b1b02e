"""Create the MLflow store, or see that it can be used."""

from sysstop.job import job
from sysstop.tracking import open_store

with job(snakemake):
    open_store(snakemake.params.uri)
