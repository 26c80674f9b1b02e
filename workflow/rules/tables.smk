"""From finished searches to MLflow, from there to the tables that all analysis starts from; the analyses."""

import time


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
        tracking=config["tracking"],
        artifacts=ARTIFACTS,
        imported=[asdict(study) for study in STUDIES if IMPORT],
        # What others keep in the store may have changed, so an import always looks again.
        looked_at=time.time() if IMPORT else None,
    script:
        "../scripts/tracking_store.py"


rule export:
    """Track a pair's searches in MLflow, when nothing is measured, and make tables of what it then holds."""
    input:
        trials=searches_to_track("trials.jsonl"),
        summaries=searches_to_track("search.json"),
        provenance=[] if IMPORT else "results/data/{dataset}/provenance.json",
        store="results/mlflow/ready",
    output:
        trials=f"{PAIR}/trials.parquet",
        windows=f"{PAIR}/windows.parquet",
        train_loss=f"{PAIR}/train_loss.parquet",
        summaries=f"{PAIR}/searches.json",
    log:
        "results/logs/export/{dataset}/{algorithm}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        studies=lambda wildcards: [asdict(study) for study in studies_of(wildcards)],
        task=lambda wildcards: algorithm(wildcards)["task"],
        hyperparameters=config["hyperparameters"],
        tracking=config["tracking"],
        artifacts=ARTIFACTS,
        code=code("export"),
    script:
        "../scripts/export.py"


rule aggregate:
    input:
        trials=of_pairs(f"{PAIR}/trials.parquet"),
        windows=of_pairs(f"{PAIR}/windows.parquet"),
        summaries=of_pairs(f"{PAIR}/searches.json"),
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
        test_scores=of_pairs(f"{PAIR}/test_scores.parquet"),
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


rule anytime:
    input:
        trials="results/tables/trials.parquet",
    output:
        "results/tables/anytime.parquet",
    log:
        "results/logs/anytime.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("anytime"),
    script:
        "../scripts/anytime.py"
