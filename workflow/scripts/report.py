"""Render the report."""

import sysstop_path

import json
from pathlib import Path

import pandas as pd

from sysstop.data.split import read_split_summaries
from sysstop.report.figures.registry import report_figures
from sysstop.report.page import answers_in_short, render_report
from sysstop.report.text_tables import ReportData
from sysstop.run.job import job

with job(snakemake):
    data = ReportData(
        tables={Path(file).stem: pd.read_parquet(file) for file in snakemake.input.tables},
        config=snakemake.params.config,
        split_summaries=read_split_summaries(snakemake.input.splits),
        provenance=[json.loads(Path(file).read_text()) for file in snakemake.input.provenance],
    )
    page = render_report(data, figures=report_figures(snakemake.input.figures))
    Path(snakemake.output.page).write_text(page)
    Path(snakemake.output.answers).write_text(answers_in_short(data))
