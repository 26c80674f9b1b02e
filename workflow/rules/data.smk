"""Raw tables with their provenance, and their split into training and test parts and folds."""


# All data sets come before the first search: a mistake in one of them should not end a study late.
rule fetch:
    input:
        source_file,
    output:
        table="results/data/{dataset}/table.parquet",
        provenance="results/data/{dataset}/provenance.json",
    log:
        "results/logs/fetch/{dataset}.log",
    priority: 1
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        name="{dataset}",
        entry=dataset_entry,
        code=code("fetch"),
    script:
        "../scripts/fetch.py"


rule split:
    input:
        table="results/data/{dataset}/table.parquet",
    output:
        directory("results/data/{dataset}/split"),
    log:
        "results/logs/split/{dataset}.log",
    priority: 1
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        name="{dataset}",
        entry=dataset_entry,
        test_fraction=config["split"]["test_fraction"],
        folds=config["split"]["folds"],
        seed=config["study"]["seed"],
        code=code("split"),
    script:
        "../scripts/split.py"
