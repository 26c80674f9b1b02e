"""Track a study's trials in MLflow and put them into parquet tables."""

import sysstop_path

import json
from pathlib import Path

from sysstop.results.journal import read_trials
from sysstop.results.tables import study_tables, write_train_losses
from sysstop.results.tracking import open_store, replace_runs
from sysstop.run.job import job
from sysstop.study.arms import stopped_is_candidate
from sysstop.study.studies import Study

with job(snakemake):
    wildcards, params, output = snakemake.wildcards, snakemake.params, snakemake.output
    study = Study(wildcards.dataset, wildcards.algorithm, wildcards.arm, int(wildcards.repetition))
    finished = Path(snakemake.input.trials)
    summary = json.loads(Path(snakemake.input.summary).read_text())
    run_ids = replace_runs(
        open_store(params.tracking["uri"]),
        study,
        read_trials(finished),
        {"git_commit": summary["git_commit"]},
        params.tracking["experiment_prefix"],
    )
    candidate = stopped_is_candidate(params.arm)
    limit = (summary["rule"] or {}).get("limit")
    trials, windows = study_tables(
        study,
        read_trials(finished),
        run_ids,
        candidate,
        limit,
        task=params.task,
        levels=params.hyperparameters,
    )
    trials.to_parquet(output.trials, index=False)
    windows.to_parquet(output.windows, index=False)
    write_train_losses(read_trials(finished), Path(output.train_loss))
