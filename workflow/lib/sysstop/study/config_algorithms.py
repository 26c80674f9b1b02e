"""The sections of the config that say what is searched: the algorithms and the grid."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from sysstop.study.config_section import (
    AsNumber,
    ConfigSection,
    Distinct,
    NumberAbove0,
    NumberFrom0,
    OrNull,
    WholeFrom1,
    mistake,
    plain_value,
)
from sysstop.study.hyperparameters import BATCH_SIZE, POWERS_OF_TWO, is_number, name_text
from sysstop.study.losses import LOSSES

# Texts are part of the names of trials.
LONGEST_TEXT = 50
_ONE_VALUE = [{"type": "number"}, {"type": "string"}, {"type": "boolean"}]


def _plain(value: Any) -> Any:
    """Return a value of a hyperparameter with numbers and booleans for texts that denote them."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    value = plain_value(value)
    if not isinstance(value, bool | int | float | str):
        raise mistake(f"found {value!r}; a number, a text, a boolean or a list of these is needed")
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise mistake(f"found {len(value)} characters; at most {LONGEST_TEXT} are possible")
    return value


def _check_names_differ(values: list) -> list:
    first_of: dict[str, Any] = {}
    for value in values:
        # As in the names of trials, which show six digits.
        first = first_of.setdefault(name_text(value), value)
        if first is value:
            continue
        if is_number(first) and is_number(value):
            raise mistake(f"{first!r} and {value!r} agree in six digits; remove one of them")
        raise mistake(
            f"{first!r} and {value!r} would give trials the same name; remove one of them"
        )
    return values


Value = Annotated[
    Any,
    BeforeValidator(_plain),
    WithJsonSchema({"anyOf": [*_ONE_VALUE, {"type": "array", "items": {"anyOf": _ONE_VALUE}}]}),
]
Values = Annotated[list[Value], Field(min_length=1), AfterValidator(_check_names_differ)]
GridValues = Annotated[
    Values,
    Field(
        description="Values of any other hyperparameter, which algorithms take that name it without "
        "values of its own."
    ),
]
BatchSizes = Annotated[
    Annotated[Literal["powers_of_two"], Tag("word")]
    | Annotated[Distinct[WholeFrom1], Tag("list")]
    | Annotated[
        dict[Literal["up_to_rows"], Distinct[WholeFrom1]], Field(min_length=1), Tag("mapping")
    ],
    Discriminator(lambda found: {list: "list", dict: "mapping"}.get(type(found), "word")),
]
ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
HyperparameterName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=100)]


class GridSection(ConfigSection):
    """The values of hyperparameters; the trials of a study are their product."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, GridValues]

    batch_size: BatchSizes = "powers_of_two"
    """Samples in a mini-batch; `powers_of_two` stands for 2, 4, 8, … up to the rows that a fold model
    trains on, and `{up_to_rows: [8, 64, 4096]}` for those of a list that are no more than these rows.
    A plain list is refused where a data set has too few rows for it."""
    learning_rate: Annotated[Distinct[NumberAbove0], AfterValidator(_check_names_differ)] = Field(
        [0.1, 0.01, 0.001, 0.0001]
    )
    """Constant learning rates of the stochastic gradient descent."""
    alpha: Annotated[Distinct[NumberFrom0], AfterValidator(_check_names_differ)] = Field(
        [0.01, 0.001, 0.0001, 0.00001]
    )
    """Strengths of the L2 regularisation."""
    sample: OrNull[Annotated[int, Field(ge=1), AsNumber]] = None
    """How many configurations of the grid are searched, drawn at random with the study's seed: the
    same in all arms and repetitions; null for all of them."""


SAME_NAME = ""


class HyperparameterSection(ConfigSection):
    """How a hyperparameter reaches the estimator, and its values where they are not the study's."""

    parameter: OrNull[Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]] = SAME_NAME
    """The estimator's parameter; empty where it has the same name, null for a batch size that the
    estimator is not told."""
    values: OrNull[
        Annotated[
            Annotated[Literal["powers_of_two"], Tag("word")] | Annotated[Values, Tag("list")],
            Discriminator(lambda found: "list" if isinstance(found, list) else "word"),
        ]
    ] = None
    """Values of its own; null for those of its name in the study's grid."""


def _or_text(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"type": "string"}, {"$ref": schema.pop("$ref")}]


Hyperparameter = Annotated[
    HyperparameterSection,
    BeforeValidator(lambda found: {"parameter": found} if isinstance(found, str) else found),
    Field(json_schema_extra=_or_text),
]
Hyperparameters = Annotated[
    dict[HyperparameterName, Hyperparameter],
    BeforeValidator(
        lambda found: (
            {name: entry for name, entry in found.items() if entry is not None}
            if isinstance(found, dict)
            else found
        )
    ),
]


def _plain_parameter(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain_parameter(part) for name, part in value.items()}
    return [*map(_plain_parameter, value)] if isinstance(value, list) else plain_value(value)


class AlgorithmSection(ConfigSection):
    """An algorithm: any estimator with `partial_fit`, its loss and its hyperparameters."""

    estimator: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z_]\w*\.)+[A-Za-z_]\w*$|^[^:\x00-\x1f]+\.py:[A-Za-z_]\w*$",
            title="an import path such as `sklearn.linear_model.SGDClassifier`, or `file.py:Class`",
        ),
    ]
    """The estimator: the import path of a class with `partial_fit`, or `models/mine.py:Net` for one in a
    file of your own, relative to the working directory."""
    task: Literal["classification", "regression"]
    """What it learns; it runs on the data sets of that task."""
    loss: Literal[tuple(LOSSES)]
    """What training minimises, for the curves of training and validation."""
    parameters: Annotated[dict[ParameterName, Any], BeforeValidator(_plain_parameter)] = Field({})
    """Parameters of the estimator that are the same in all trials."""
    hyperparameters: Hyperparameters = Field({})
    """Each hyperparameter with the estimator's parameter, whose values are the study's grid's of the
    hyperparameter's name, or with a mapping of `parameter` and `values`. The batch size is always a
    hyperparameter; the estimator is told of it only where it is named here."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if LOSSES[self.loss].task != self.task:
            fitting = [f"`{loss.name}`" for loss in LOSSES.values() if loss.task == self.task]
            raise mistake(f"the loss of a {self.task} is one of {', '.join(fitting)}")
        for name, given in self.hyperparameters.items():
            if name == BATCH_SIZE:
                _check_batch_sizes(given.values)
                continue
            if given.parameter is None:
                raise mistake(
                    f"hyperparameters.{name}.parameter: only a batch size may be kept from the "
                    "estimator; name the estimator's parameter"
                )
            if given.values == POWERS_OF_TWO:
                raise mistake(f"hyperparameters.{name}.values: found '{given.values}', give a list")
        passed = [
            given.parameter or name
            for name, given in self.hyperparameters.items()
            if given.parameter is not None
        ]
        twice = [name for name in passed if passed.count(name) > 1 or name in self.parameters]
        if twice:
            raise mistake(
                f"the estimator's parameter '{twice[0]}' is given twice; keep one of them"
            )
        return self


def _check_batch_sizes(values: Any) -> None:
    if isinstance(values, list):
        wrong = [v for v in values if not isinstance(v, int) or isinstance(v, bool) or v < 1]
        if wrong:
            raise mistake(
                f"hyperparameters.{BATCH_SIZE}.values: found {wrong[0]!r}, whole numbers of at least 1 "
                "are needed"
            )


Algorithms = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)],
        AlgorithmSection,
    ],
    Field(
        description="The algorithms by name; a name is part of paths: letters, digits, hyphens and "
        "underscores, at most 100."
    ),
]
