"""Draw a figure, or those of its kind for each data set."""

import sysstop_path

from sysstop.report.figures.drawing import draw_figure
from sysstop.report.figures.style import save
from sysstop.run.job import job

with job(snakemake):
    params, output = snakemake.params, snakemake.output
    for dataset, svg, pdf in zip(params.datasets, output.svg, output.pdf, strict=True):
        figure = draw_figure(params.module, snakemake.input, params, dataset)
        save(figure, svg, pdf)
