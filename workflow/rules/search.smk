"""One Ray Tune grid search per study, tracked in MLflow."""


rule tracking_store:
    """Create or migrate the MLflow store once, because several jobs that do so at a time corrupt it."""
    output:
        touch("results/mlflow/ready"),
    log:
        "results/logs/tracking_store.log",
    conda:
        "../../envs/environment.yaml"
    params:
        uri=config["tracking"]["uri"],
    script:
        "../scripts/tracking_store.py"


rule search:
    """The job reserves all cores, because nothing else may run while it measures."""
    input:
        split="results/data/{dataset}/split",
        store=ancient("results/mlflow/ready"),
        baseline=baseline_trials,
    output:
        summary=f"{STUDY}/search.json",
        train_loss=f"{STUDY}/train_loss.parquet",
    log:
        f"results/logs/search/{STUDY.removeprefix('results/studies/')}.log",
    conda:
        "../../envs/environment.yaml"
    threads: workflow.cores or config["search"]["workers"]
    params:
        arm=arm,
        grid=config["grid"],
        budget=config["budget"],
        seed=config["study"]["seed"],
        tracking_uri=config["tracking"]["uri"],
        code=code("search"),
    script:
        "../scripts/search.py"


rule test_scores:
    """Refit the best trial of each arm on the whole training part and score it on the test part."""
    input:
        split="results/data/{dataset}/split",
        trials=lambda wildcards: [
            path
            for path in of_studies(f"{STUDY}/trials.parquet")
            if path.startswith(f"results/studies/{wildcards.dataset}/{wildcards.algorithm}/")
        ],
    output:
        "results/studies/{dataset}/{algorithm}/test_scores.parquet",
    log:
        "results/logs/test_scores/{dataset}/{algorithm}.log",
    conda:
        "../../envs/environment.yaml"
    params:
        budget=config["budget"],
        seed=config["study"]["seed"],
        code=code("test_scores"),
    script:
        "../scripts/test_scores.py"
