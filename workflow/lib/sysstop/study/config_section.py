"""What all sections of the config share: strict models, types of keys, values given as text."""

import re
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

# The largest whole number that NumPy and Parquet can hold.
LARGEST_NUMBER = 2**63 - 1

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

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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
    seen = set()
    for value in values:
        if value in seen:
            raise mistake(f"found {value!r} twice; remove one of them")
        seen.add(value)
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
