"""The JSON schemas of the config's sections, what they allow in words, and violations of them."""

import ast
import difflib
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from sysstop.run.errors import shortened, unknown_name
from sysstop.study.config_section import WITH_UNIT, ConfigSection

LONGEST_FOUND = 200


class _JsonSchema(GenerateJsonSchema):
    """JSON schemas with the keys' meanings, and without titles that only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: Any) -> dict[str, Any]:
        generated = super().model_schema(schema)
        meanings = _meanings(schema["cls"])
        for key, values in generated.get("properties", {}).items():
            if key in meanings:
                values["description"] = meanings[key]
        return generated

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        generated = super().dict_schema(schema)
        if "patternProperties" in generated:
            generated["additionalProperties"] = False
        return generated


def _meanings(model: type[ConfigSection]) -> dict[str, str]:
    """Return the docstrings of a model's keys.

    pydantic's `use_attribute_docstrings` would read the sources of all models at each start, which
    takes longer than everything else; they are needed only for messages and documents.
    """
    meanings = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, ConfigSection):
            continue
        try:
            source = inspect.getsource(kind)
        except (OSError, TypeError):  # made by `create_model`, so without a file
            continue
        (definition,) = ast.parse(textwrap.dedent(source)).body
        for statement, text in pairwise(definition.body):
            match statement, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=key)),
                    ast.Expr(value=ast.Constant(value=str(meaning))),
                ):
                    # A key that is a word of Python's own has an attribute with an underscore.
                    meanings[key.removesuffix("_")] = " ".join(meaning.split())
    return meanings


def json_schema(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a section or of the type of a key."""
    return TypeAdapter(kind).json_schema(schema_generator=_JsonSchema)


def checked_section(kind: Any, found: Any, key: str) -> tuple[Any, list[str]]:
    """Check what the config has under a key.

    Returns it as an instance of `kind` (a model, or a type made of models), with strings that
    denote numbers, booleans or null converted, and no mistakes; or None and one message per
    mistake.
    """
    try:
        return TypeAdapter(kind).validate_python(found), []
    except ValidationError as error:
        schema = json_schema(kind)
        return None, [_message(schema, key, e) for e in error.errors(include_url=False)]


def _message(schema: Mapping[str, Any], prefix: str, error: Mapping[str, Any]) -> str:
    keys, node, parent, description = _place(schema, error["loc"])
    key, found = ".".join([prefix, *keys]), error["input"]
    meaning = f" ({description.split('. ')[0].rstrip('.')})" if description else ""
    if error["type"] == "mistake":
        return f"{key}: {error['msg']}"
    if error["type"] == "extra_forbidden":
        return unknown_name(f"key {key}", keys[-1], parent["properties"])
    if error["loc"] and error["loc"][-1] == "[key]":
        place = ".".join([prefix, *keys[:-1]])
        return f"{place}: the name {found!r} cannot be used{meaning}"
    missing = error["type"] == "missing"
    if error["type"].startswith("union_tag") and isinstance(found, Mapping):
        tag = node["discriminator"]["propertyName"]
        key, missing, found = f"{key}.{tag}", tag not in found, found.get(tag)
        node, meaning = {"enum": list(node["discriminator"]["mapping"])}, ""
    expected = f"expected {allowed_values(node)}"
    if missing:
        return f"{key}: missing, {expected}{meaning}"
    if isinstance(found, str) and WITH_UNIT.fullmatch(found) and "number" in expected:
        expected += ", without a unit"
    words = [choice.strip("`") for choice in _choices(node, plural=False) if "`" in choice]
    close = difflib.get_close_matches(found, words, n=1) if isinstance(found, str) else ()
    expected += "".join(f"; did you mean '{word}'?" for word in close)
    return f"{key}: found {shortened(repr(found), LONGEST_FOUND)}, {expected}{meaning}"


def _place(schema: Mapping[str, Any], location: Sequence[str | int]) -> tuple:
    """Return the keys of a place, the schemas of its value and of what encloses it, and the meaning.

    The meaning is that of the nearest key that has one.
    """
    keys, node, parent, description = [], schema, schema, schema.get("description", "")
    for part in location:
        node = _resolved(schema, node)
        kinds = node.get("discriminator", {}).get("mapping", {})
        if part in kinds:  # pydantic names the kind as if it were a key
            node = {"$ref": kinds[part]}
            continue
        branches = [*_branches(schema, node)]
        if part == "[key]":
            continue
        if isinstance(part, str) and any("oneOf" in branch for branch in branches):
            # So it does where a function tells the kind.
            node = {"anyOf": [branch for branch in branches if "oneOf" not in branch]}
            continue
        for branch in branches:
            if isinstance(part, int) and "items" in branch:
                found, inner = branch, branch["items"]
                break
            if isinstance(part, str) and branch.get("type") == "object":
                names = [*branch.get("patternProperties", {}).values()]
                others = names[0] if names else branch.get("additionalProperties") or {}
                found, inner = branch, branch.get("properties", {}).get(part, others)
                break
        else:
            found, inner = node, {}
        keys.append(str(part))
        parent, node = found, inner if isinstance(inner, Mapping) else {}
        description = node.get("description", description)
    return keys, _resolved(schema, node), _resolved(schema, parent), description


def _branches(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and all its alternatives, those of alternatives too."""
    node = _resolved(schema, node)
    yield node
    for branch in (*node.get("oneOf", ()), *node.get("anyOf", ())):
        yield from _branches(schema, branch)


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in node:
        return node
    return schema["$defs"][node["$ref"].rpartition("/")[2]]


def allowed_values(node: Mapping[str, Any], plural: bool = False) -> str:
    """Return what may stand in a place of the config, given the JSON schema of that place."""
    *others, last = dict.fromkeys(_choices(node, plural))
    return f"{', '.join(others)} or {last}" if others else last


def _choices(node: Mapping[str, Any], plural: bool) -> Iterator[str]:
    branches = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    if branches and "discriminator" not in node:
        for branch in branches:
            yield from _choices(branch, plural)
    elif "enum" in node or "const" in node:
        for value in node.get("enum", [node.get("const")]):
            yield f"`{value}`"
    else:
        yield _values_of_type(node, plural)


def _values_of_type(node: Mapping[str, Any], plural: bool) -> str:
    kind = node.get("type", "object")
    if kind in ("integer", "number"):
        what = "whole number" if kind == "integer" else "number"
        return (f"{what}s" if plural else f"a {what}") + _bounds(node)
    if kind == "array":
        count = "one or more " if node.get("minItems") else ""
        return f"a list of {count}{allowed_values(node['items'], plural=True)}"
    if kind == "string":
        return "strings" if plural else node.get("title", "a string")
    if "const" in node.get("propertyNames", {}):
        values = allowed_values(node["additionalProperties"], plural)
        return f"`{node['propertyNames']['const']}:` with {values}"
    return {"null": "null", "boolean": "true or false"}.get(kind, "a mapping of keys to values")


def _bounds(node: Mapping[str, Any]) -> str:
    if "minimum" in node and "maximum" in node:
        return f" from {node['minimum']:g} to {node['maximum']:.10g}"
    words = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    bounds = [f"{word} {node[key]:.10g}" for key, word in words.items() if key in node]
    return f" {' and '.join(bounds)}" if bounds else ""
