"""Figures as SVG for the web and PDF for LaTeX, and the targets that make the answer to one question."""


rule rq1:
    input:
        "results/tables/effects.parquet",
        "results/tables/cost_model.parquet",
        expand("results/figures/rq1_response/{dataset}.svg", dataset=DATASETS),
        "results/figures/rq1_effects.svg",
        "results/figures/rq1_cost.svg",


rule rq2:
    input:
        "results/tables/budget.parquet",
        "results/tables/noise.parquet",
        expand("results/figures/rq2_courses/{dataset}.svg", dataset=DATASETS),
        "results/figures/rq2_budget.svg",
        "results/figures/rq2_tradeoff.svg",
        expand("results/figures/rq2_replay/{dataset}.svg", dataset=DATASETS),
        "results/figures/rq2_prediction.svg",
        expand("results/figures/rq2_pareto/{dataset}.svg", dataset=DATASETS),


rule figure_response:
    input:
        trials="results/tables/trials.parquet",
    output:
        svg=report(
            "results/figures/rq1_response/{dataset}.svg",
            caption="../../report/response.rst",
            category="RQ1",
            labels={
                "figure": "System metrics against hyperparameters",
                "data set": "{dataset}",
            },
        ),
        pdf="results/figures/rq1_response/{dataset}.pdf",
    log:
        "results/logs/figure_response/{dataset}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("figure_response"),
    script:
        "../scripts/figure_response.py"


rule figure_effects:
    input:
        effects="results/tables/effects.parquet",
    output:
        svg=report(
            "results/figures/rq1_effects.svg",
            caption="../../report/effects.rst",
            category="RQ1",
            labels={"figure": "Share of variance explained", "data set": "all"},
        ),
        pdf="results/figures/rq1_effects.pdf",
    log:
        "results/logs/figure_effects.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("figure_effects"),
    script:
        "../scripts/figure_effects.py"


rule figure_cost:
    input:
        trials="results/tables/trials.parquet",
        cost_model="results/tables/cost_model.parquet",
    output:
        svg=report(
            "results/figures/rq1_cost.svg",
            caption="../../report/cost.rst",
            category="RQ1",
            labels={"figure": "Cost per step and per sample", "data set": "all"},
        ),
        pdf="results/figures/rq1_cost.pdf",
    log:
        "results/logs/figure_cost.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("figure_cost"),
    script:
        "../scripts/figure_cost.py"


rule figure_budget:
    input:
        budget="results/tables/budget.parquet",
    output:
        svg=report(
            "results/figures/rq2_budget.svg",
            caption="../../report/budget.rst",
            category="RQ2",
            labels={"figure": "Budget used, budget saved and regret", "data set": "all"},
        ),
        pdf="results/figures/rq2_budget.pdf",
    log:
        "results/logs/figure_budget.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("figure_budget"),
    script:
        "../scripts/figure_budget.py"


rule figure_tradeoff:
    input:
        budget="results/tables/budget.parquet",
    output:
        svg=report(
            "results/figures/rq2_tradeoff.svg",
            caption="../../report/tradeoff.rst",
            category="RQ2",
            labels={"figure": "Saving against regret", "data set": "all"},
        ),
        pdf="results/figures/rq2_tradeoff.pdf",
    log:
        "results/logs/figure_tradeoff.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("figure_tradeoff"),
    script:
        "../scripts/figure_tradeoff.py"


rule figure_courses:
    input:
        trials="results/tables/trials.parquet",
        windows="results/tables/windows.parquet",
    output:
        svg=report(
            "results/figures/rq2_courses/{dataset}.svg",
            caption="../../report/courses.rst",
            category="RQ2",
            labels={"figure": "Which trials were stopped", "data set": "{dataset}"},
        ),
        pdf="results/figures/rq2_courses/{dataset}.pdf",
    log:
        "results/logs/figure_courses/{dataset}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("figure_courses"),
    script:
        "../scripts/figure_courses.py"


rule figure_replay:
    input:
        replay="results/tables/replay.parquet",
        summary="results/tables/replay_summary.parquet",
    output:
        svg=report(
            "results/figures/rq2_replay/{dataset}.svg",
            caption="../../report/replay.rst",
            category="RQ2",
            labels={"figure": "Saving and regret of every rule", "data set": "{dataset}"},
        ),
        pdf="results/figures/rq2_replay/{dataset}.pdf",
    log:
        "results/logs/figure_replay/{dataset}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("figure_replay"),
    script:
        "../scripts/figure_replay.py"


rule figure_prediction:
    input:
        prediction="results/tables/prediction.parquet",
    output:
        svg=report(
            "results/figures/rq2_prediction.svg",
            caption="../../report/prediction.rst",
            category="RQ2",
            labels={"figure": "Error of early predictions", "data set": "all"},
        ),
        pdf="results/figures/rq2_prediction.pdf",
    log:
        "results/logs/figure_prediction.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        code=code("figure_prediction"),
    script:
        "../scripts/figure_prediction.py"


rule figure_pareto:
    input:
        pareto="results/tables/pareto.parquet",
    output:
        svg=report(
            "results/figures/rq2_pareto/{dataset}.svg",
            caption="../../report/pareto.rst",
            category="RQ2",
            labels={"figure": "Score against system metrics", "data set": "{dataset}"},
        ),
        pdf="results/figures/rq2_pareto/{dataset}.pdf",
    log:
        "results/logs/figure_pareto/{dataset}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        constraints=config["constraints"],
        code=code("figure_pareto"),
    script:
        "../scripts/figure_pareto.py"
