"""A figure is one file: what it declares is all that the workflow and the report know of it."""

import importlib
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from sysstop.report.figures.drawing import draw_figure
from sysstop.report.figures.registry import (
    FIGURES,
    declared_figure,
    file_of,
    report_figures,
)
from sysstop.report.figures.style import save
from sysstop.run.provenance import code_digest

MODULE = "scores_figure"
CAPTION = "Each bar is a trial; its height is the score, at most 100 %."
SOURCE = f'''
"""The score of each trial."""

from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.style import message_figure, new_figure, styled

FIGURE = FigureKind(
    name="scores",
    title="Scores",
    category="RQ2",
    caption="{CAPTION}",
    tables=("trials",),
    config=("constraints",),
    per_dataset=True,
)


@styled
def draw(trials, constraints):
    """Draw a bar for each trial."""
    if trials.empty:
        return message_figure("No trial.")
    figure = new_figure(2)
    axes = figure.subplots()
    axes.bar(trials["trial_id"], trials["score"])
    axes.set_title(f"at most {{constraints['memory_mb']}} MB")
    return figure
'''


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write the module of a figure, which can then be imported by its name."""

    def write(source):
        (tmp_path / f"{MODULE}.py").write_text(source)
        importlib.invalidate_caches()
        return MODULE

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    sys.modules.pop(MODULE, None)


@pytest.fixture
def module(write, monkeypatch):
    """The module of a new figure, entered in the registry."""
    module = write(SOURCE)
    monkeypatch.setitem(FIGURES, module, declared_figure(module))
    return module


def test_a_new_figure_is_drawn_from_the_tables_and_the_config_that_it_declares(module, tmp_path):
    trials = pd.DataFrame(
        {"dataset": ["iris", "iris", "flats"], "trial_id": ["a", "b", "c"], "score": [1, 2, 3]}
    )
    trials.to_parquet(tmp_path / "trials.parquet")
    tables, config = {"trials": tmp_path / "trials.parquet"}, {"constraints": {"memory_mb": 100}}
    figure = draw_figure(module, tables, config, dataset="iris")
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [1, 2]
    assert axes.get_title() == "at most 100 MB"
    save(figure, tmp_path / "drawn.svg", tmp_path / "drawn.pdf")
    assert (tmp_path / "drawn.svg").read_text().rstrip().endswith("</svg>")


def test_a_new_figure_is_listed_in_the_report_with_its_caption(module):
    folder = Path("results/figures")
    new = [folder / f"rq2_scores/{dataset}.svg" for dataset in ("iris", "rq1_cost")]
    old = [folder / "rq2_budget.svg", folder / "rq1_cost.svg"]
    cost, budget, *listed = report_figures([*new, *old])
    assert [cost.title, budget.title] == [
        "What a step and a sample cost, against the batch size",
        "Budget used, budget saved and regret",
    ]
    assert [figure.title for figure in listed] == ["Scores: iris", "Scores: rq1_cost"]
    assert [figure.svg for figure in listed] == new
    for figure in listed:
        assert figure.category == "RQ2"
        assert figure.caption.replace("\u00a0", " ") == CAPTION
        assert "results/tables/trials.parquet" in figure.source


def test_a_figures_digest_follows_its_own_code_and_no_other_figures(write):
    def digest(module):
        return code_digest(file_of(module))

    before = digest(write(SOURCE))
    assert digest(write(f"{SOURCE}\n# a remark")) == before
    assert digest(write(SOURCE.replace("new_figure(2)", "new_figure(3)"))) != before
    assert digest(write(SOURCE.replace("at most 100 %", "at most 1"))) != before
    others = {digest(module) for module in FIGURES}
    assert len(others) == len(FIGURES)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "does not declare FIGURE"),
        (SOURCE.replace('("trials",)', "TABLES"), "FIGURE in .* cannot be read"),
        (SOURCE.replace('    title="Scores",\n', ""), "cannot be read: .*title"),
        (SOURCE.replace('"RQ2"', '"RQ3"'), "RQ3.* is neither RQ1 nor RQ2"),
    ],
    ids=["nothing", "no literal", "no title", "no such question"],
)
def test_a_declaration_that_cannot_be_used_says_what_is_wrong_and_where(write, source, message):
    with pytest.raises(ValueError, match=message):
        declared_figure(write(source))


def test_a_module_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="no_such_figure, which does not exist"):
        declared_figure("no_such_figure")


def test_the_declarations_are_what_the_modules_declare():
    for module, figure in FIGURES.items():
        assert figure == importlib.import_module(module).FIGURE


def test_captions_are_plain_text_in_whole_sentences():
    for figure in FIGURES.values():
        assert not set("`{}|*\n") & set(figure.caption)
        assert "  " not in figure.caption
        assert figure.caption.endswith(".")


SLOW_TO_LOAD = {
    "sysstop.report.figures.registry": {"matplotlib", "seaborn", "pandas"},
    "sysstop.report.page": {"matplotlib", "seaborn"},
    "sysstop.report.figures.drawing, sysstop.report.figures.cost": {"seaborn", "scipy"},
}


@pytest.mark.parametrize("modules", SLOW_TO_LOAD)
def test_what_every_run_or_figure_reads_loads_no_library_that_it_can_do_without(modules):
    check = f"import sys, {modules}; print({SLOW_TO_LOAD[modules]} & set(sys.modules))"
    library = Path(__file__).parents[2] / "workflow" / "lib"
    printed = subprocess.run(
        [sys.executable, "-c", check],
        env={"PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == "set()"
