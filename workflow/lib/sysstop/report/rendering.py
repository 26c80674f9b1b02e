"""Fill in the page's templates: HTML by Jinja, with the style sheets and scripts that it holds."""

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> Markup:
    """Return a template of the folder `TEMPLATES`, filled in. Text in values is escaped."""
    return Markup(_ENVIRONMENT.get_template(template).render(values))


def script(code: str) -> Markup:
    """Return JavaScript or JSON without the marks that would end its HTML element early."""
    for mark in ("</script", "<!--", "<script"):
        code = code.replace(mark, "\\u003c" + mark[1:])
    return Markup(code)


def _source(name: str) -> Markup:
    """Return a style sheet or script as it is, for the template that holds it."""
    return Markup((TEMPLATES / name).read_text().rstrip("\n"))


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_ENVIRONMENT.globals["source"] = _source
