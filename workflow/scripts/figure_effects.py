from sysstop.job import job

with job(snakemake):
    import pandas as pd

    from sysstop.figures.effect_map import effect_map
    from sysstop.figures.style import save

    effects = pd.read_parquet(snakemake.input.effects)
    save(effect_map(effects), snakemake.output.svg, snakemake.output.pdf)
