"""The registry of figures: a new one is a module of its own and its name in `MODULES`.

The workflow reads the registry each time it starts. So it reads what the modules declare and imports
none of them: their libraries take seconds.
"""

import ast
import base64
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sysstop.report.figures.kind import FigureKind
from sysstop.report.wording import in_words

# Full names: the digest of the report's code follows them to the captions.
MODULES = (
    "sysstop.report.figures.response",
    "sysstop.report.figures.effects",
    "sysstop.report.figures.cost",
    "sysstop.report.figures.steady",
    "sysstop.report.figures.budget",
    "sysstop.report.figures.tradeoff",
    "sysstop.report.figures.courses",
    "sysstop.report.figures.anytime",
    "sysstop.report.figures.replay",
    "sysstop.report.figures.prediction",
    "sysstop.report.figures.pareto",
)
"""The modules that draw the figures, in the order of the report."""


def declared_figure(module: str) -> FigureKind:
    """Return what a module declares as `FIGURE`, without importing it.

    Raises
    ------
    ValueError
        If there is no such module, or it does not declare `FIGURE = FigureKind(...)` in literals.
    """
    file = file_of(module)
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(
                targets=[ast.Name(id="FIGURE")], value=ast.Call(args=[], keywords=given)
            ):
                try:
                    values = {value.arg: ast.literal_eval(value.value) for value in given}
                    return FigureKind(**values)
                except (TypeError, ValueError) as error:
                    raise ValueError(f"FIGURE in {file} cannot be read: {error}.") from error
    raise ValueError(f"{file} does not declare FIGURE = FigureKind(...).")


def file_of(module: str) -> Path:
    """Return the file of a figure's module, without importing it; raise `ValueError` if there is none."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(
            f"The registry of figures names the module {module}, which does not exist."
        )
    return Path(spec.origin)


FIGURES = {module: declared_figure(module) for module in MODULES}
"""What each figure declares, by its module and in the order of the report."""


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report: its module, its SVG file and its data set, if it has one."""

    module: str
    svg: Path
    dataset: str = ""

    @property
    def kind(self) -> FigureKind:
        """What the figure's module declares."""
        return FIGURES[self.module]

    @property
    def category(self) -> str:
        """The research question that it helps to answer."""
        return FIGURES[self.module].category

    @property
    def title(self) -> str:
        """The figure's title, with its data set."""
        title = FIGURES[self.module].title
        return f"{title}: {self.dataset}" if self.dataset else title

    @property
    def caption(self) -> str:
        """How to read the figure, with no line break before a percent sign."""
        return FIGURES[self.module].caption.replace(" %", "\u00a0%")

    @property
    def source(self) -> str:
        """Which tables and which code the figure comes from."""
        tables = [f"results/tables/{table}.parquet" for table in FIGURES[self.module].tables]
        code = f"workflow/lib/{self.module.replace('.', '/')}.py"
        return f"Made from {in_words(tables)} by {code}."

    @property
    def data_address(self) -> str:
        """The SVG as a data URI: as an image of its own, its ids cannot clash with another's."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.read_bytes()).decode()


def report_figures(svgs: Iterable[Path]) -> list[ReportFigure]:
    """Return the figures of these files, in the order of the registry."""
    files = [Path(svg) for svg in svgs]
    return [
        ReportFigure(module, svg, svg.stem if figure.per_dataset else "")
        for module, figure in FIGURES.items()
        for svg in files
        if svg.match(f"figures/{figure.path.format(dataset='*')}.svg")
    ]
