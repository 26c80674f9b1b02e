"""Create the MLflow store, or check that it can be used."""

import sysstop_path

from sysstop.results.tracking import open_store
from sysstop.run.job import job

with job(snakemake):
    open_store(snakemake.params.uri)
