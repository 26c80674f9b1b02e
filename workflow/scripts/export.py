"""Read a study's runs back from MLflow into parquet."""

from sysstop.arms import stopped_is_candidate
from sysstop.job import job
from sysstop.studies import Study
from sysstop.tables import study_tables
from sysstop.tracking import open_store, read_runs

with job(snakemake):
    wildcards, params = snakemake.wildcards, snakemake.params
    study = Study(wildcards.dataset, wildcards.algorithm, wildcards.arm, int(wildcards.repetition))
    records = read_runs(open_store(params.tracking_uri), study)
    trials, windows = study_tables(*records, stopped_is_candidate(params.arm))
    trials.to_parquet(snakemake.output.trials, index=False)
    windows.to_parquet(snakemake.output.windows, index=False)
