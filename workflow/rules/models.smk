"""The recommended models, refitted and ready to be deployed, and their place in MLflow."""

MODEL = "results/models/{dataset}/{algorithm}"
TRACKED_MODEL = "results/mlflow/models/{dataset}/{algorithm}.json"


rule model:
    """The recommended configuration with its preprocessing as an MLflow model, or why there is none."""
    input:
        split="results/data/{dataset}/split",
        table="results/data/{dataset}/table.parquet",
        trials=f"{PAIR}/trials.parquet",
        recommendations="results/tables/recommendations.parquet",
    output:
        directory(MODEL),
    log:
        "results/logs/model/{dataset}/{algorithm}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        algorithm=algorithm,
        grid=grid,
        budget=config["budget"],
        seed=config["study"]["seed"],
        constraints=config["constraints"],
        code=code("model"),
    script:
        "../scripts/model.py"


rule track_model:
    """Log the model in MLflow, and register it if the config says so."""
    input:
        model=MODEL,
        store="results/mlflow/ready",
    output:
        TRACKED_MODEL,
    log:
        "results/logs/track_model/{dataset}/{algorithm}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        tracking=config["tracking"],
        artifacts=ARTIFACTS,
        register=REGISTER_MODELS,
        code=code("track_model"),
    script:
        "../scripts/track_model.py"
