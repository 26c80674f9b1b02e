"""From MLflow runs to the tables that all analysis starts from, and the tables it makes of them."""


rule export:
    input:
        f"{STUDY}/search.json",
    output:
        trials=f"{STUDY}/trials.parquet",
        windows=f"{STUDY}/windows.parquet",
    log:
        f"results/logs/export/{STUDY.removeprefix('results/studies/')}.log",
    conda:
        "../../envs/environment.yaml"
    params:
        arm=arm,
        tracking_uri=config["tracking"]["uri"],
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
    conda:
        "../../envs/environment.yaml"
    params:
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
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("effects"),
    script:
        "../scripts/effects.py"


rule budget:
    input:
        trials="results/tables/trials.parquet",
        test_scores=expand("results/studies/{pair[0]}/{pair[1]}/test_scores.parquet", pair=PAIRS),
    output:
        "results/tables/budget.parquet",
    log:
        "results/logs/budget.log",
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("budget"),
    script:
        "../scripts/budget.py"
