from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config/datasets.yaml"
configfile: f"{workflow.basedir}/config/config.yaml"


report: "report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/replay.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/plan.smk"


# Of a cluster only the searches need nodes. All else takes seconds to minutes, some of it the network or the
# tracking store, and runs where Snakemake runs.
localrules:
    fetch,
    split,
    tracking_store,
    export,
    test_scores,
    aggregate,
    effects,
    noise,
    budget,
    replay,
    replay_check,
    prediction,
    recommendations,
    paper_tables,
    report,


rule all:
    default_target: True
    input:
        "results/report.html",
        rules.rq1.input,
        rules.rq2.input,
        rules.paper_tables.output,


onerror:
    tell_failures(log)
