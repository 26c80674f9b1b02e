"""The tables for LaTeX and the report in one HTML file."""


rule paper_tables:
    input:
        budget="results/tables/budget.parquet",
        effects="results/tables/effects.parquet",
        noise="results/tables/noise.parquet",
        splits=expand("results/data/{dataset}/split", dataset=DATASETS),
    output:
        **{
            name: f"results/tables/{name}.tex"
            for name in ["datasets", "metrics", "algorithms", "arms", "budget", "effects", "noise"]
        },
    log:
        "results/logs/paper_tables.log",
    conda:
        "../../envs/environment.yaml"
    params:
        **REPORTED_CONFIG,
        code=code("paper_tables"),
    script:
        "../scripts/paper_tables.py"


rule report:
    input:
        trials="results/tables/trials.parquet",
        budget="results/tables/budget.parquet",
        effects="results/tables/effects.parquet",
        noise="results/tables/noise.parquet",
        cost_model="results/tables/cost_model.parquet",
        environment="results/tables/environment.parquet",
        figures=[path for path in rules.rq1.input + rules.rq2.input if path.endswith(".svg")],
        captions=expand(
            f"{workflow.basedir}/report/{{figure}}.rst",
            figure=["response", "effects", "cost", "budget", "tradeoff", "courses"],
        ),
        template=f"{workflow.basedir}/report/report.html.jinja",
        splits=expand("results/data/{dataset}/split", dataset=DATASETS),
        provenance=expand("results/data/{dataset}/provenance.json", dataset=DATASETS),
    output:
        "results/report.html",
    log:
        "results/logs/report.log",
    conda:
        "../../envs/environment.yaml"
    params:
        **REPORTED_CONFIG,
        code=code("report"),
    script:
        "../scripts/report.py"
