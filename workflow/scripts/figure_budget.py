from sysstop.job import job

with job(snakemake):
    import pandas as pd

    from sysstop.figures.budget import budget_figure
    from sysstop.figures.style import save

    budget = pd.read_parquet(snakemake.input.budget)
    save(budget_figure(budget), snakemake.output.svg, snakemake.output.pdf)
