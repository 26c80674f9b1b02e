"""One Ray Tune grid search per study."""


rule nominal:
    """What the data set's reference step takes while nothing else runs: the unit of steady time."""
    input:
        "results/data/{dataset}/split",
    output:
        "results/data/{dataset}/nominal.json",
    log:
        "results/logs/nominal/{dataset}.log",
    priority: 1
    conda:
        "../../envs/environment.yaml"
    threads: search_threads()
    resources:
        slurm_extra="--exclusive",
    params:
        code=code("nominal"),
    script:
        "../scripts/nominal.py"


rule search:
    """Nothing else may run while it measures: it reserves all cores here, and a whole node of a cluster."""
    input:
        split="results/data/{dataset}/split",
        nominal="results/data/{dataset}/nominal.json",
        baseline=baseline_search,
    output:
        trials=f"{STUDY}/trials.jsonl",
        summary=f"{STUDY}/search.json",
    log:
        f"results/logs/search/{STUDY.removeprefix('results/studies/')}.log",
    conda:
        "../../envs/environment.yaml"
    threads: search_threads()
    resources:
        mem_mb=search_memory,
        runtime=search_runtime,
        slurm_extra="--exclusive",
    params:
        arm=arm,
        algorithm=algorithm,
        grid=grid,
        budget=config["budget"],
        seed=config["study"]["seed"],
        failed_searches=failed_searches,
        code=code("search"),
    script:
        "../scripts/search.py"


rule test_scores:
    """Refit the best trial of each arm on the whole training part and score it on the test part."""
    input:
        split="results/data/{dataset}/split",
        trials=f"{PAIR}/trials.parquet",
    output:
        f"{PAIR}/test_scores.parquet",
    log:
        "results/logs/test_scores/{dataset}/{algorithm}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        algorithm=algorithm,
        grid=grid,
        budget=config["budget"],
        seed=config["study"]["seed"],
        code=code("test_scores"),
    script:
        "../scripts/test_scores.py"
