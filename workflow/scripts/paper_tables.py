"""Write the tables of the report for LaTeX."""

import sysstop_path

from pathlib import Path

import pandas as pd

from sysstop.data.split import read_split_summaries
from sysstop.report.subjects import PAPER_TABLES
from sysstop.report.text_tables import ReportData, latex
from sysstop.run.job import job

with job(snakemake):
    data = ReportData(
        tables={Path(file).stem: pd.read_parquet(file) for file in snakemake.input.tables},
        config=snakemake.params.config,
        split_summaries=read_split_summaries(snakemake.input.splits),
    )
    tables = {table.name: table for table in PAPER_TABLES}
    for file in map(Path, snakemake.output):
        file.write_text(latex(tables[file.stem].digest(data)))
