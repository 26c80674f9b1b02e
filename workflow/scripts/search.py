"""Search one study's grid and summarise the search."""

import sysstop_path

import sys
from pathlib import Path

from sysstop.results.journal import read_trials
from sysstop.results.trial_values import trial_rows, window_rows
from sysstop.run.job import job
from sysstop.run.lock import alone_in
from sysstop.search.settings import SearchSettings, trials_at_once_here
from sysstop.search.study import search_study
from sysstop.study.algorithms import make_algorithm
from sysstop.study.arms import make_rule
from sysstop.study.studies import Budget, Study
from sysstop.trial.nominal import read_nominal

with job(snakemake) as give_up, alone_in(Path(snakemake.output.trials).parent):
    wildcards, params = snakemake.wildcards, snakemake.params
    search = snakemake.config["search"]
    study = Study(wildcards.dataset, wildcards.algorithm, wildcards.arm, int(wildcards.repetition))
    baseline = None
    if snakemake.input.get("baseline"):
        trials = list(read_trials(Path(snakemake.input.baseline)))
        baseline = trial_rows(trials, window_rows(trials))
    search_study(
        study,
        make_rule(params.arm, baseline),
        Path(snakemake.input.split),
        algorithm=make_algorithm(wildcards.algorithm, params.algorithm),
        nominal=read_nominal(Path(snakemake.input.nominal)),
        grid=params.grid,
        budget=Budget(**params.budget),
        settings=SearchSettings(
            workers=trials_at_once_here(search, snakemake.threads),
            ray_address=search["ray_address"],
            seed=params.seed,
            code=params.code,
            trial_timeout_s=search["trial_timeout_s"],
            max_failed_fraction=search["max_failed_fraction"],
        ),
        trials_file=Path(snakemake.output.trials),
        summary_file=Path(snakemake.output.summary),
        log=lambda message: print(f"{study.key}: {message}", file=sys.stderr, flush=True),
        give_up=give_up,
    )
