"""Render the report."""

import json
from pathlib import Path

import pandas as pd

import sysstop_path
from sysstop.report.page import render_report, report_figures
from sysstop.report.study import read_split_summaries
from sysstop.run.job import job

with job(snakemake):
    page = render_report(
        tables={Path(file).stem: pd.read_parquet(file) for file in snakemake.input.tables},
        figures=report_figures(snakemake.input.figures, snakemake.input.captions),
        config=snakemake.config,
        split_summaries=read_split_summaries(snakemake.input.splits),
        provenance=[json.loads(Path(file).read_text()) for file in snakemake.input.provenance],
        template=Path(snakemake.input.template),
    )
    Path(snakemake.output[0]).write_text(page)
