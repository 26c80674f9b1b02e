"""The tables for LaTeX, the report in one HTML file, and its place in MLflow."""

from sysstop.report.rendering import TEMPLATES
from sysstop.report.subjects import PAGE_SOURCES, PAPER_SOURCES, PAPER_TABLES
from sysstop.run.provenance import folder_digest


rule paper_tables:
    input:
        tables=expand("results/tables/{table}.parquet", table=PAPER_SOURCES),
        splits=expand("results/data/{dataset}/split", dataset=DATASETS),
    output:
        [f"results/tables/{table.name}.tex" for table in PAPER_TABLES],
    log:
        "results/logs/paper_tables.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        config=REPORTED_CONFIG,
        code=code("paper_tables"),
    script:
        "../scripts/paper_tables.py"


rule report:
    input:
        tables=expand("results/tables/{table}.parquet", table=PAGE_SOURCES),
        figures=figure_files("RQ1") + figure_files("RQ2"),
        splits=expand("results/data/{dataset}/split", dataset=DATASETS),
        provenance=expand("results/data/{dataset}/provenance.json", dataset=DATASETS),
    output:
        page="results/report.html",
        answers="results/answers.txt",
    log:
        "results/logs/report.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        config=REPORTED_CONFIG,
        code=code("report"),
        templates=folder_digest(TEMPLATES),
    script:
        "../scripts/report.py"


rule track_report:
    """Keep the report and its figures in MLflow, as artifacts of a run of the whole study."""
    input:
        report="results/report.html",
        figures=figure_files("RQ1") + figure_files("RQ2"),
        store="results/mlflow/ready",
    output:
        touch("results/mlflow/report_tracked"),
    log:
        "results/logs/track_report.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        tracking=config["tracking"],
        artifacts=ARTIFACTS,
        study=config["study"],
        code=code("track_report"),
    script:
        "../scripts/track_report.py"
