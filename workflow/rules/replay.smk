"""What any rule at any limit would have saved and lost, from the baseline's windows alone."""


rule replay:
    input:
        trials="results/tables/trials.parquet",
        windows="results/tables/windows.parquet",
        summaries=of_pairs(f"{PAIR}/searches.json"),
    output:
        replay="results/tables/replay.parquet",
        summary="results/tables/replay_summary.parquet",
        signals="results/tables/signals.parquet",
    log:
        "results/logs/replay.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        arms=RUN_ARMS,
        seed=config["study"]["seed"],
        hyperparameters=config["hyperparameters"],
        code=code("replay"),
    script:
        "../scripts/replay.py"


rule replay_check:
    input:
        trials="results/tables/trials.parquet",
        windows="results/tables/windows.parquet",
        summaries=of_pairs(f"{PAIR}/searches.json"),
    output:
        "results/tables/replay_check.parquet",
    log:
        "results/logs/replay_check.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        arms=RUN_ARMS,
        seed=config["study"]["seed"],
        code=code("replay_check"),
    script:
        "../scripts/replay_check.py"


rule prediction:
    input:
        trials="results/tables/trials.parquet",
        windows="results/tables/windows.parquet",
    output:
        errors="results/tables/prediction.parquet",
        saving="results/tables/prediction_saving.parquet",
    log:
        "results/logs/prediction.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("prediction"),
    script:
        "../scripts/prediction.py"


rule recommendations:
    input:
        trials="results/tables/trials.parquet",
        windows="results/tables/windows.parquet",
    output:
        recommendations="results/tables/recommendations.parquet",
        pareto="results/tables/pareto.parquet",
    log:
        "results/logs/recommendations.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        arms=RUN_ARMS,
        constraints=config["constraints"],
        hyperparameters=config["hyperparameters"],
        code=code("recommendations"),
    script:
        "../scripts/recommendations.py"
