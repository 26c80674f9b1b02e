"""What a run of all studies will take: `snakemake --cores N plan`. It starts no search of them."""

import time

# The seconds that each search is expected to take, which a run looks at to say how long it still takes.
PLANNED_SEARCHES = "results/plan/searches.json"


rule calibrate_overhead:
    """What a study costs besides its trials; the first to use the run's Ray, whose start it measures."""
    input:
        split=f"results/data/{DATASETS[0]}/split",
    output:
        "results/plan/overhead.json",
    log:
        "results/logs/calibrate_overhead.log",
    conda:
        "../../envs/environment.yaml"
    threads: search_threads()
    resources:
        slurm_extra="--exclusive",
    params:
        pair=PAIRS[0],
        algorithm=config["algorithms"][PAIRS[0][1]],
        grid=algorithm_grid(config, PAIRS[0][1]),
        budget=config["budget"],
        seed=config["study"]["seed"],
        code=code("calibrate_overhead"),
    script:
        "../scripts/calibrate_overhead.py"


rule calibrate:
    """What trials of a data set and algorithm cost, measured with nothing else running."""
    input:
        split="results/data/{dataset}/split",
        overhead=ancient("results/plan/overhead.json"),
    output:
        "results/plan/{dataset}/{algorithm}.json",
    log:
        "results/logs/calibrate/{dataset}/{algorithm}.log",
    conda:
        "../../envs/environment.yaml"
    threads: search_threads()
    resources:
        slurm_extra="--exclusive",
    params:
        algorithm=algorithm,
        grid=grid,
        window_steps=config["budget"]["window_steps"],
        seed=config["study"]["seed"],
        code=code("calibrate"),
    script:
        "../scripts/calibrate.py"


rule plan:
    """Print what the studies will take and, where they have run, what they took."""
    input:
        overhead="results/plan/overhead.json",
        calibrations=expand("results/plan/{pair[0]}/{pair[1]}.json", pair=planned_pairs(config)),
    output:
        PLANNED_SEARCHES,
    log:
        "results/logs/plan.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        arms=RUN_ARMS,
        study_folders=of_studies(PLACED_STUDY, PLANNED_STUDIES),
        cores=search_cores(),
        # Whoever asks for a plan reads it again.
        asked_at=time.time(),
    script:
        "../scripts/plan.py"
