rule rq1:
    input:
        "results/tables/effects.parquet",


rule rq2:
    input:
        "results/tables/budget.parquet",
