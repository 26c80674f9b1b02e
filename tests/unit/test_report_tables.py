"""Every table of the report has a form for the page and for LaTeX."""

import pandas as pd
import pytest
from generated_tables import config, report_tables, trials_and_windows

from sysstop.report.subjects import PAPER_SOURCES, PAPER_TABLES, SUBJECTS, tables_of
from sysstop.report.text_tables import ReportData, html_table, latex


@pytest.fixture(scope="module")
def tables():
    trials, windows = trials_and_windows(repetitions=2)
    return report_tables(trials, windows, constraints={"steady_step_time_ms": 9})


def data_of(tables, names):
    return ReportData({name: tables[name] for name in names}, config(), {})


@pytest.mark.parametrize("table", PAPER_TABLES, ids=lambda table: table.name)
def test_a_table_for_latex_needs_its_sources_alone(tables, table):
    digest = table.digest(data_of(tables, table.sources))
    assert len(digest)
    assert r"\bottomrule" in latex(digest) or r"\endlastfoot" in latex(digest)
    assert set(table.sources) <= set(PAPER_SOURCES)


@pytest.mark.parametrize(
    "name",
    [
        "anytime",
        "arm_limits",
        "noise",
        "cost_model",
        "replay",
        "replay_check",
        "prediction",
        "prediction_saving",
        "recommendations",
    ],
)
def test_a_table_of_nothing_has_no_rows(tables, name):
    (table,) = (table for table in tables_of(SUBJECTS) if table.name == name)
    nothing = {source: tables[source].iloc[:0] for source in table.sources}
    assert html_table(table, data_of(nothing, table.sources)).rows == []


def test_tables_of_papers_keep_their_names():
    assert [table.name for table in PAPER_TABLES] == [
        "datasets",
        "algorithms",
        "metrics",
        "arms",
        "effects",
        "budget",
        "arm_limits",
        "anytime",
        "noise",
        "replay",
        "replay_check",
        "prediction",
        "prediction_saving",
        "recommendations",
    ]


def test_the_page_names_a_row_once_and_links_to_it(tables):
    (table,) = (table for table in tables_of(SUBJECTS) if table.name == "budget")
    shown = html_table(table, data_of(tables, table.sources))
    assert shown.headings[:2] == ["Data set · Algorithm · Arm", "Trials stopped (%)"]
    name = "digits · Logistic regression · step time"
    row = next(row for row in shown.rows if row[0] == name)
    assert shown.row_id(row) == "budget-digits-logistic-regression-step-time"
    assert len({shown.row_id(row) for row in shown.rows}) == len(shown.rows)


def test_nothing_is_counted_out_of_nothing(tables):
    data = data_of(tables, tables)
    cells = [
        cell
        for table in tables_of(SUBJECTS)
        for row in html_table(table, data).rows
        for cell in row
    ]
    assert cells
    assert "0 of 0" not in cells


def test_latex_is_a_booktabs_table_with_special_characters_escaped():
    text = latex(pd.DataFrame({"Share_of (%)": [0.5], "Name": ["a_b & 5 %"]}))
    assert text.startswith(r"\begin{tabular}{rl}")
    assert r"\toprule" in text and r"\bottomrule" in text
    assert r"Share\_of (\%) & Name \\" in text
    assert r"0.5 & a\_b \& 5 \% \\" in text


def test_a_table_longer_than_a_page_may_break():
    assert r"\begin{longtable}" in latex(pd.DataFrame({"n": range(100)}))
