"""What all sections of the config share: strict models, values given as text, mistakes in words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WrapValidator,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticCustomError

from sysstop.run.errors import shortened, unknown_name

# The largest whole number that NumPy and Parquet can hold.
LARGEST_NUMBER = 2**63 - 1
LONGEST_FOUND = 200

NULLS = ("null", "Null", "NULL", "~")
WORDS = {
    **dict.fromkeys(NULLS),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
WHOLE_NUMBER = re.compile(r"[-+]?[0-9]{1,30}")
OTHER_BASE = re.compile(r"0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30}")
NUMBER = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,9})?")
WITH_UNIT = re.compile(rf"\s*{NUMBER.pattern}\s*[A-Za-z%µ][\w%/]*\s*")

T = TypeVar("T")


class ConfigSection(BaseModel):
    """A part of the config: its keys with type, check, default and, as a docstring, meaning."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


def mistake(text: str) -> PydanticCustomError:
    """Return the error of a check, whose text follows the key in the message."""
    return PydanticCustomError("mistake", "{text}", {"text": text})


# Types of keys


def plain_value(value: Any) -> Any:
    """Return the number, boolean or null that a text is by YAML 1.2, or else the value itself.

    Snakemake hands over as text what `--config` gives, and YAML 1.1 takes 1e-3 for text.
    """
    if not isinstance(value, str):
        return value
    if value in WORDS:
        return WORDS[value]
    if WHOLE_NUMBER.fullmatch(value):
        number = int(value)
    elif OTHER_BASE.fullmatch(value):
        number = int(value, 0)
    elif NUMBER.fullmatch(value):
        number = float(value)
    else:
        return value
    return number if abs(number) <= LARGEST_NUMBER else value


def _check_number(value: Any, check: Any) -> Any:
    value = plain_value(value)
    check(value)
    return value  # as written: 5 stays 5 where a fraction is allowed


def _check_distinct(values: list) -> list:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise mistake(f"found {value!r} twice; remove one of them")
    return values


AsNumber = WrapValidator(_check_number)
WholeFrom0 = Annotated[int, Field(ge=0), AsNumber]
WholeFrom1 = Annotated[int, Field(ge=1), AsNumber]
NumberFrom0 = Annotated[float, Field(ge=0), AsNumber]
NumberAbove0 = Annotated[float, Field(gt=0), AsNumber]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1), AsNumber]
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$", title="a text without control characters")]
OrNull = Annotated[T | None, BeforeValidator(lambda value: None if value in NULLS else value)]
Distinct = Annotated[
    list[T],
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_check_distinct),
]


# Checks and messages


class _JsonSchema(GenerateJsonSchema):
    """JSON schemas without titles that only repeat the names of keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        generated = super().dict_schema(schema)
        if "patternProperties" in generated:
            generated["additionalProperties"] = False
        return generated


def json_schema(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a section or of the type of a key."""
    return _on_one_line(TypeAdapter(kind).json_schema(schema_generator=_JsonSchema))


def _on_one_line(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: " ".join(part.split()) if key == "description" else _on_one_line(part)
            for key, part in schema.items()
        }
    return [_on_one_line(part) for part in schema] if isinstance(schema, list) else schema


def checked_section(kind: Any, found: Any, key: str) -> tuple[Any, list[str]]:
    """Check what stands in the config under a key.

    Returns it as an instance of `kind` (a model, or a type made of models), with numbers, booleans
    and nulls for the texts that are such, and no mistakes; or None and one message per mistake.
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
        return f"{prefix}: the name {found!r} cannot be used{meaning}"
    missing = error["type"] == "missing"
    if error["type"].startswith("union_tag") and isinstance(found, Mapping):
        tag = node["discriminator"]["propertyName"]
        key, missing, found = f"{key}.{tag}", tag not in found, found.get(tag)
        node, meaning = {"enum": list(node["discriminator"]["mapping"])}, ""
    if isinstance(found, str) and "enum" in node:
        return f"{key}: {unknown_name(f'name {found!r}', found, node['enum'])}{meaning}"
    expected = f"expected {allowed_values(node)}"
    if missing:
        return f"{key}: missing, {expected}{meaning}"
    if isinstance(found, str) and WITH_UNIT.fullmatch(found) and "number" in expected:
        expected += ", without a unit"
    return f"{key}: found {shortened(repr(found), LONGEST_FOUND)}, {expected}{meaning}"


def _place(schema: Mapping[str, Any], location: Sequence[str | int]) -> tuple:
    """Return the keys of a place, the schemas of what stands there and around it, and its meaning.

    The meaning is that of the nearest key that has one.
    """
    keys, node, parent, description = [], schema, schema, schema.get("description", "")
    for part in location:
        node = _resolved(schema, node)
        kinds = node.get("discriminator", {}).get("mapping", {})
        if part in kinds:  # pydantic names the kind as if it were a key
            node = {"$ref": kinds[part]}
            continue
        if (isinstance(part, str) and "oneOf" in node) or part == "[key]":
            continue
        for branch in (node, *node.get("oneOf", ()), *node.get("anyOf", ())):
            if isinstance(part, int) and "items" in branch:
                inner = branch["items"]
                break
            if isinstance(part, str) and branch.get("type") == "object":
                names = [*branch.get("patternProperties", {}).values()]
                others = names[0] if names else branch.get("additionalProperties") or {}
                inner = branch.get("properties", {}).get(part, others)
                break
        else:
            inner = {}
        keys.append(str(part))
        parent, node = node, inner if isinstance(inner, Mapping) else {}
        description = node.get("description", description)
    return keys, _resolved(schema, node), _resolved(schema, parent), description


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
        return "texts" if plural else node.get("title", "a text")
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
