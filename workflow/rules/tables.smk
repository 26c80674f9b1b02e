"""From finished trials to MLflow and to the tables that all analysis starts from, and the analyses."""


rule tracking_store:
    """Create or migrate the MLflow store once, because several jobs doing so at a time would corrupt it."""
    output:
        touch("results/mlflow/ready"),
    log:
        "results/logs/tracking_store.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        uri=config["tracking"]["uri"],
    script:
        "../scripts/tracking_store.py"


rule export:
    """Track a study's trials in MLflow and put them into tables, when nothing is measured."""
    input:
        trials=f"{STUDY}/trials.jsonl",
        summary=f"{STUDY}/search.json",
        store="results/mlflow/ready",
    output:
        trials=f"{STUDY}/trials.parquet",
        windows=f"{STUDY}/windows.parquet",
        train_loss=f"{STUDY}/train_loss.parquet",
    log:
        f"results/logs/export/{STUDY.removeprefix('results/studies/')}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        arm=arm,
        task=lambda wildcards: algorithm(wildcards)["task"],
        hyperparameters=config["hyperparameters"],
        tracking=config["tracking"],
        code=code("export"),
    script:
        "../scripts/export.py"


rule aggregate:
    input:
        trials=of_studies(f"{STUDY}/trials.parquet"),
        windows=of_studies(f"{STUDY}/windows.parquet"),
        summaries=of_studies(f"{STUDY}/search.json"),
    output:
        trials="results/tables/trials.parquet",
        windows="results/tables/windows.parquet",
        environment="results/tables/environment.parquet",
    log:
        "results/logs/aggregate.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        hyperparameters=config["hyperparameters"],
        code=code("aggregate"),
    script:
        "../scripts/aggregate.py"


rule effects:
    input:
        trials="results/tables/trials.parquet",
    output:
        effects="results/tables/effects.parquet",
        cost_model="results/tables/cost_model.parquet",
    log:
        "results/logs/effects.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        hyperparameters=config["hyperparameters"],
        code=code("effects"),
    script:
        "../scripts/effects.py"


rule noise:
    input:
        trials="results/tables/trials.parquet",
    output:
        "results/tables/noise.parquet",
    log:
        "results/logs/noise.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("noise"),
    script:
        "../scripts/noise.py"


rule budget:
    input:
        trials="results/tables/trials.parquet",
        test_scores=expand("results/studies/{pair[0]}/{pair[1]}/test_scores.parquet", pair=PAIRS),
    output:
        "results/tables/budget.parquet",
    log:
        "results/logs/budget.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("budget"),
    script:
        "../scripts/budget.py"
