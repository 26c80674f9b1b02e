"""Track finished searches in MLflow, and make tables of what MLflow then holds."""

import sysstop_path

import json
from pathlib import Path

from sysstop.results.export import track_search, write_tables
from sysstop.results.store import open_store
from sysstop.run.job import job
from sysstop.study.studies import Study

with job(snakemake):
    params, output = snakemake.params, snakemake.output
    artifacts = params.artifacts and Path(params.artifacts)
    store = open_store(params.tracking["uri"], params.tracking["experiment_prefix"], artifacts)
    studies = [Study(**study) for study in params.studies]
    if not params.tracking["import"]:
        provenance = json.loads(Path(snakemake.input.provenance).read_text())
        files = zip(studies, snakemake.input.trials, snakemake.input.summaries, strict=True)
        for study, trials, summary in files:
            track_search(store, study, Path(trials), Path(summary), provenance, params.code)
    write_tables(
        store,
        studies,
        task=params.task,
        levels=params.hyperparameters,
        trials_file=Path(output.trials),
        windows_file=Path(output.windows),
        train_loss=Path(output.train_loss),
        summaries_file=Path(output.summaries),
    )
