"""Draw a figure."""

import sysstop_path

from sysstop.report.figures.drawing import draw_figure
from sysstop.report.figures.style import save
from sysstop.run.job import job

with job(snakemake):
    figure = draw_figure(
        snakemake.params.module,
        tables=snakemake.input,
        config=snakemake.params,
        dataset=snakemake.wildcards.get("dataset"),
    )
    save(figure, snakemake.output.svg, snakemake.output.pdf)
