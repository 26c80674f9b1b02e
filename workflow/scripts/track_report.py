"""Keep the report and its figures in MLflow."""

import sysstop_path

import sys
from pathlib import Path

from sysstop.results.store import open_store
from sysstop.results.tracked_report import track_report
from sysstop.run.job import job

with job(snakemake):
    params = snakemake.params
    artifacts = params.artifacts and Path(params.artifacts)
    store = open_store(params.tracking["uri"], params.tracking["experiment_prefix"], artifacts)
    page = Path(snakemake.input.report)
    figures = {}
    for file in map(Path, snakemake.input.figures):
        folder = file.parent.relative_to(page.parent)
        figures.setdefault(str(folder), []).append(file)
    run_id = track_report(store, params.study, page, figures)
    if run_id is None:
        print(
            "The report stays in results/: the store takes no artifacts from here.", file=sys.stderr
        )
