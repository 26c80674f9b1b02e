"""Create the MLflow store, or check that it can be used and holds what is to be imported."""

import sysstop_path

from pathlib import Path

from sysstop.results.export import check_all_there
from sysstop.results.store import open_store
from sysstop.run.job import job
from sysstop.study.studies import Study

with job(snakemake):
    params = snakemake.params
    artifacts = params.artifacts and Path(params.artifacts)
    store = open_store(params.tracking["uri"], params.tracking["experiment_prefix"], artifacts)
    check_all_there(store, [Study(**study) for study in params.imported])
