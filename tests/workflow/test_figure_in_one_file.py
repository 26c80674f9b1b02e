"""A figure added as one file and one line in the registry, in a finished project."""

import json
import re
import shutil
import zipfile

import pytest

from tests.project import Project

FIGURES = "workflow/lib/sysstop/report/figures"
CAPTION = "Each point is a trial: the better its score, the further up it lies."
SOURCE = f'''"""The score of each trial of a data set."""

from sysstop.report.figures.kind import FigureKind
from sysstop.report.figures.style import new_figure, styled

FIGURE = FigureKind(
    name="scores",
    title="Score of each trial",
    category="RQ1",
    caption="{CAPTION}",
    tables=("trials",),
    per_dataset=True,
)


@styled
def draw(trials):
    """Draw the scores in the order of the trials."""
    figure = new_figure(2)
    figure.subplots().plot(range(len(trials)), trials["score"], ".")
    return figure
'''


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    """A copy of the finished project with the new figure."""
    folder = tmp_path_factory.mktemp("new-figure") / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    (folder / FIGURES / "scores.py").write_text(SOURCE)
    registry = folder / FIGURES / "registry.py"
    entry = '    "sysstop.report.figures.effects",\n'
    assert entry in registry.read_text()
    added = f'    "sysstop.report.figures.scores",\n{entry}'
    registry.write_text(registry.read_text().replace(entry, added))
    return Project(folder)


@pytest.fixture(scope="module")
def planned(project):
    """The jobs of a dry run before the figure is drawn."""
    return project.planned_jobs(), project.planned_jobs("rq1")


@pytest.fixture(scope="module")
def drawn(project, planned):
    """The project after the run that draws the figure."""
    run = project.snakemake()
    assert run.returncode == 0, run.stderr
    return project


def test_it_is_a_target_that_draws_nothing_else_anew(planned):
    everything, rq1 = planned
    assert everything == {("figure_scores",), ("report",), ("track_report",)}
    assert rq1 - {("rq1",)} == {("figure_scores",)}


def test_it_stands_in_the_report_once_with_a_switch_for_its_data_sets(drawn):
    page = (drawn.folder / "results" / "report.html").read_text()
    assert page.count(CAPTION) == 1
    fold = page[page.index('id="evidence-more-rq1"') :]
    figure = fold[fold.index('<figure id="figure-scores"') : fold.index("</figure>")]
    assert "Score of each trial" in figure
    assert re.findall('data-dataset="(.+?)"', figure) == ["iris", "flats"]
    assert (drawn.folder / "results" / "figures" / "rq1_scores" / "iris.pdf").exists()


def test_it_stands_in_snakemakes_own_report_with_its_caption_and_category(drawn):
    run = drawn.snakemake("--report", "report.zip")
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(drawn.folder / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
    results, categories = (
        json.loads(re.search(rf"var {name} = (\{{.*\}});", page)[1])
        for name in ("results", "categories")
    )
    file = "results/figures/rq1_scores/iris.svg"
    assert results[file]["caption"] == f"<p>{CAPTION}</p>\n"
    assert results[file]["labels"] == {"figure": "Score of each trial", "data set": "iris"}
    assert file in categories["RQ1"]["Other"]
