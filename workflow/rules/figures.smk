"""Figures as SVG for the web and PDF for LaTeX, and a target for all results of each question."""


rule rq1:
    input:
        "results/tables/effects.parquet",
        "results/tables/cost_model.parquet",
        figure_files("RQ1"),


rule rq2:
    input:
        "results/tables/budget.parquet",
        "results/tables/noise.parquet",
        figure_files("RQ2"),


for module, figure in FIGURES.items():

    rule:
        name:
            f"figure_{figure.name}"
        input:
            **{table: f"results/tables/{table}.parquet" for table in figure.tables},
        output:
            svg=[reported(figure, dataset) for dataset in drawn_datasets(figure)],
            pdf=[
                f"results/figures/{figure.path}.pdf".format(dataset=dataset)
                for dataset in drawn_datasets(figure)
            ],
        log:
            f"results/logs/figures/{figure.name}.log",
        localrule: True
        conda:
            "../../envs/environment.yaml"
        params:
            **{section: (config | REPORTED_CONFIG)[section] for section in figure.config},
            module=module,
            datasets=drawn_datasets(figure),
            caption=figure.caption,
            code=[code("figure"), CODE_DIGESTS[str(file_of(module))]],
        script:
            "../scripts/figure.py"
