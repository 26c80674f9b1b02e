"""Log a model in MLflow and register it on demand."""

import sysstop_path

import json
import sys
from pathlib import Path

from sysstop.results.store import open_store
from sysstop.results.tracked_model import track_model
from sysstop.run.job import job

with job(snakemake):
    params, wildcards = snakemake.params, snakemake.wildcards
    artifacts = params.artifacts and Path(params.artifacts)
    store = open_store(params.tracking["uri"], params.tracking["experiment_prefix"], artifacts)
    tracked = track_model(
        store,
        f"{wildcards.dataset}/{wildcards.algorithm}",
        Path(snakemake.input.model),
        register=params.register,
    )
    if tracked is None:
        print(
            "The model stays in results/: the store takes no artifacts from here.", file=sys.stderr
        )
    Path(snakemake.output[0]).write_text(json.dumps(tracked, indent=2))
