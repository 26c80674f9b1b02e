"""The tables for LaTeX and the report in one HTML file."""


rule paper_tables:
    input:
        budget="results/tables/budget.parquet",
        effects="results/tables/effects.parquet",
        noise="results/tables/noise.parquet",
        replay_summary="results/tables/replay_summary.parquet",
        replay_check="results/tables/replay_check.parquet",
        prediction="results/tables/prediction.parquet",
        prediction_saving="results/tables/prediction_saving.parquet",
        recommendations="results/tables/recommendations.parquet",
        splits=expand("results/data/{dataset}/split", dataset=DATASETS),
    output:
        **{
            name: f"results/tables/{name}.tex"
            for name in [
                "datasets",
                "metrics",
                "algorithms",
                "arms",
                "budget",
                "effects",
                "noise",
                "replay",
                "replay_check",
                "prediction",
                "prediction_saving",
                "recommendations",
            ]
        },
    log:
        "results/logs/paper_tables.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        **REPORTED_CONFIG,
        code=code("paper_tables"),
    script:
        "../scripts/paper_tables.py"


rule report:
    input:
        tables=expand(
            "results/tables/{table}.parquet",
            table=[
                "trials",
                "budget",
                "effects",
                "noise",
                "cost_model",
                "environment",
                "replay",
                "replay_summary",
                "signals",
                "replay_check",
                "prediction",
                "prediction_saving",
                "recommendations",
            ],
        ),
        figures=[path for path in rules.rq1.input + rules.rq2.input if path.endswith(".svg")],
        captions=expand(
            f"{WORKFLOW.parent}/report/{{figure}}.rst",
            figure=[
                "response",
                "effects",
                "cost",
                "budget",
                "tradeoff",
                "courses",
                "replay",
                "prediction",
                "pareto",
            ],
        ),
        template=f"{WORKFLOW.parent}/report/report.html.jinja",
        splits=expand("results/data/{dataset}/split", dataset=DATASETS),
        provenance=expand("results/data/{dataset}/provenance.json", dataset=DATASETS),
    output:
        "results/report.html",
    log:
        "results/logs/report.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        **REPORTED_CONFIG,
        code=code("report"),
    script:
        "../scripts/report.py"
