"""Write the config's JSON schema and the tables of config/README.md from the models: `make docs`."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import create_model

from sysstop.data.sources import SOURCES, DataSet
from sysstop.plan.config_check import config_sections
from sysstop.plan.config_schema import allowed_values, json_schema
from sysstop.study.config_algorithms import AlgorithmSection, HyperparameterSection
from sysstop.study.config_section import ConfigSection

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
README = ROOT / "config" / "README.md"
SCHEMA_HEADER = (
    "# Written by `make docs` from study/config*.py and data/sources.py of the library.\n"
)


def generated_files() -> dict[Path, str]:
    """Return what the schema and the README should hold, by file."""
    readme = README.read_text()
    tables = {
        "keys": _table_of_keys(),
        "algorithms": _table_of_algorithms(),
        "data sets": _table_of_data_sets(),
    }
    for name, table in tables.items():
        start, end = f"<!-- {name}: written by `make docs` -->\n", f"<!-- end of {name} -->"
        before, _, rest = readme.partition(start)
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"{README}: the marks '{start.strip()}' and '{end}' are needed")
        readme = f"{before}{start}\n{table}\n{end}{after}"
    return {SCHEMA: _schema(), README: readme}


def _schema() -> str:
    sections = {key: (kind, ...) for key, kind in config_sections().items()}
    schema = json_schema(create_model("Config", __base__=ConfigSection, **sections))
    titles = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sysstop configuration",
        "description": "A complete config; an overlay holds parts of it. What depends on several keys "
        "is checked only by the workflow.",
    }
    return SCHEMA_HEADER + yaml.safe_dump(
        {**schema, **titles}, sort_keys=False, allow_unicode=True, width=100
    )


def _table(*header: str, rows: Iterator[tuple[str, ...]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _table_of_keys() -> str:
    places = {
        "algorithms": "algorithms.<name>",
        "arms": "arms.<name>",
        "constraints": "constraints.<metric>",
        "datasets": "datasets.<name>",
    }

    def rows() -> Iterator[tuple[str, ...]]:
        for section, kind in config_sections().items():
            schema = json_schema(kind)
            if section in places:
                values = schema.get("additionalProperties")
                allowed = allowed_values(values) if values else "see below"
                yield f"`{places[section]}`", "", allowed, _meaning(schema)
                continue
            if "properties" not in schema:
                yield f"`{section}`", "`false`", allowed_values(schema), _meaning(schema)
                continue
            for key, node in schema["properties"].items():
                default = _default(node) if "default" in node else "see `config.yaml`"
                yield f"`{section}.{key}`", default, allowed_values(node), _meaning(node)
            others = schema.get("additionalProperties")
            if others:
                yield f"`{section}.<name>`", "", allowed_values(others), _meaning(others)

    return _table("key", "default", "allowed", "meaning", rows=rows())


def _table_of_algorithms() -> str:
    def rows() -> Iterator[tuple[str, ...]]:
        for kind, prefix in (
            (AlgorithmSection, ""),
            (HyperparameterSection, "hyperparameters.<name>."),
        ):
            schema = json_schema(kind)
            for key, node in schema["properties"].items():
                default = "needed" if key in schema.get("required", ()) else _default(node)
                yield f"`{prefix}{key}`", default, allowed_values(node), _meaning(node)

    return _table("key", "default", "allowed", "meaning", rows=rows())


def _table_of_data_sets() -> str:
    sources_of: dict[tuple[str, ...], list[str]] = {}
    for source, kind in SOURCES.items():
        schema = json_schema(kind)
        for key, node in schema["properties"].items():
            if key == "source":
                continue
            default = "needed" if key in schema["required"] else _default(node)
            row = (f"`{key}`", default, allowed_values(node), _meaning(node))
            sources_of.setdefault(row, []).append(f"`{source}`")
    source = json_schema(DataSet)["properties"]["source"]
    allowed = allowed_values({"enum": list(SOURCES)})

    def rows() -> Iterator[tuple[str, ...]]:
        yield "`source`", "all", "needed", allowed, _meaning(source)
        for (key, *cells), sources in sources_of.items():
            everyone = len(sources) == len(SOURCES)
            yield key, "all" if everyone else ", ".join(sources), *cells

    return _table("key", "for", "default", "allowed", "meaning", rows=rows())


def _default(node: Mapping[str, Any]) -> str:
    return f"`{json.dumps(node['default'])}`" if node["default"] != "" else "empty"


def _meaning(node: Mapping[str, Any]) -> str:
    text = re.sub(r"docs/[\w-]+\.md", r"[\g<0>](../\g<0>)", node.get("description", ""))
    return text.rstrip(".")


if __name__ == "__main__":
    for file, text in generated_files().items():
        file.write_text(text)
