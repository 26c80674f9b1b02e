# The front door: the workflow itself is in workflow/.


include: "workflow/Snakefile"


# Snakemake forgets the default target of what is included.
workflow.default_target = rules.all.rule.name
