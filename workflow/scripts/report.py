"""Render the report."""

import sysstop_path

import json
from pathlib import Path

import pandas as pd

from sysstop.data.split import read_split_summaries
from sysstop.report.figures.registry import report_figures
from sysstop.report.page import render_report
from sysstop.report.text_tables import ReportData
from sysstop.run.job import job

with job(snakemake):
    page = render_report(
        ReportData(
            tables={Path(file).stem: pd.read_parquet(file) for file in snakemake.input.tables},
            config=snakemake.params.config,
            split_summaries=read_split_summaries(snakemake.input.splits),
            provenance=[json.loads(Path(file).read_text()) for file in snakemake.input.provenance],
        ),
        figures=report_figures(snakemake.input.figures),
    )
    Path(snakemake.output[0]).write_text(page)
