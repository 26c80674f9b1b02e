"""The sections of the config: key, type, default, meaning and check of each.

They are kept apart from the code that they configure, so that training and measuring need no
pydantic and a new check of a key reruns no search. The data sets' models are in `data/sources.py`.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from sysstop.run.errors import unknown_name
from sysstop.study.config_algorithms import Algorithms, GridSection
from sysstop.study.config_section import (
    WITH_UNIT,
    AsNumber,
    ConfigSection,
    Distinct,
    NumberAbove0,
    OrNull,
    Seed,
    Text,
    WholeFrom0,
    WholeFrom1,
    mistake,
    plain_value,
)
from sysstop.study.metrics import metric_names
from sysstop.study.studies import BASELINE_ARM, LOCAL_RAY

Repetition = Annotated[int, Field(ge=1, le=1000), AsNumber]


def number_or_list(found: Any) -> str:
    """Return which of the two a value is to be taken for."""
    return "list" if isinstance(found, list) else "number"


class StudySection(ConfigSection):
    """What is searched."""

    datasets: Distinct[str]
    """Names of data sets under `datasets`."""
    algorithms: Distinct[str]
    """Names of algorithms under `algorithms`. Each runs on the data sets of its task."""
    arms: Annotated[Distinct[str], Field(json_schema_extra={"contains": {"const": BASELINE_ARM}})]
    """Names of arms under `arms`; `none`, the full-budget baseline, is always needed."""
    repetitions: Annotated[
        Annotated[Repetition, Tag("number")] | Annotated[Distinct[Repetition], Tag("list")],
        Discriminator(number_or_list),
    ] = 3
    """How often each study is repeated, each time with a different seed; or a list of repetitions, so
    that several machines can share the work: [1] on one, [2, 3] on another."""
    seed: Seed = 2023
    """The seed from which all others are derived."""

    @field_validator("arms")
    @classmethod
    def _baseline_runs(cls, arms: list[str]) -> list[str]:
        if BASELINE_ARM not in arms:
            raise mistake(f"must contain '{BASELINE_ARM}', the full-budget baseline; add it")
        return arms


class BudgetSection(ConfigSection):
    """What a trial may use; whichever of steps, epochs and seconds runs out first."""

    steps: WholeFrom1 = 1000
    """Training steps of each fold model."""
    epochs: OrNull[NumberAbove0] = None
    """Passes over the rows that a fold model trains on; null for no such limit."""
    seconds: OrNull[NumberAbove0] = None
    """Steady training time of a trial in seconds, checked at the end of each window; null for no such
    limit. Readings of time differ by some percent, so a trial may take a window more or less."""
    window_steps: WholeFrom1 = 100
    """Training steps between two evaluations; the rule is asked at the end of each window."""
    warmup_steps: WholeFrom0 = 10
    """First steps of a trial, which are not counted in its step time."""


class SplitSection(ConfigSection):
    """How the data are split."""

    test_fraction: Annotated[float, Field(gt=0, lt=1), AsNumber] = 0.3
    """Share of the rows held out for the final test."""
    folds: Annotated[int, Field(ge=2, le=100), AsNumber] = 5
    """Folds of the cross validation on the training part."""


def _arm_value(value: Any) -> Any:
    plain = plain_value(value)
    if isinstance(plain, str) and WITH_UNIT.fullmatch(plain):
        raise mistake(
            f"found '{plain}', a number is needed; write it without a unit, in that of the metric "
            "(memory in MB of 2^20 bytes, step times in ms, training times in s)"
        )
    return plain


class RuleSection(ConfigSection):
    """A stopping rule and its parameters, which the rule itself checks."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, BeforeValidator(_arm_value)]]

    rule: str
    """The kind of rule; the other keys are its parameters."""


class ArmSection(RuleSection):
    """What stops a trial: one rule with its parameters, or several."""

    rule: str | None = None
    """The kind of rule; the other keys are its parameters."""
    rules: Annotated[list[RuleSection], Field(min_length=1)] | None = None
    """Several rules instead of one, each with its parameters; the first that fires stops a trial."""

    @model_validator(mode="after")
    def _has_one_rule_or_several(self) -> "ArmSection":
        if self.rule is None and self.rules is None:
            raise mistake(
                "has no rule; give `rule` with its parameters beside it, or `rules`, a list of such rules"
            )
        if self.rule is not None and self.rules is not None:
            raise mistake(
                "has both `rule` and `rules`, of which one may come from a config file below yours; give "
                "your arm a name of its own, or set the one that you do not want to null"
            )
        beside = [name for name, value in (self.model_extra or {}).items() if value is not None]
        if self.rules is not None and beside:
            raise mistake(
                f"has {', '.join(beside)} beside `rules`; move it to the rule that it belongs to or, where "
                "it comes from a config file below yours, give your arm a name of its own"
            )
        return self


ArmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]
Arms = Annotated[
    dict[ArmName, ArmSection],
    Field(
        description="Stopping rules by name; a name is part of paths: letters, digits, hyphens and "
        "underscores, at most 100. Only the arms named in `study.arms` run."
    ),
]


def _check_system_metric(name: str) -> str:
    if name not in metric_names("system"):
        raise mistake(unknown_name(f"system metric '{name}'", name, metric_names("system")))
    return name


Constraints = Annotated[
    dict[Annotated[str, AfterValidator(_check_system_metric)], NumberAbove0],
    Field(
        description="The largest value of each system metric that your application allows, by "
        "metric name. The arm `constraints` stops a trial that breaks one; it runs where there are "
        "constraints, unless `study.arms` is yours. The report recommends the best configuration "
        "within all of them, and the rule that finds it at the lowest cost; a change reruns no other "
        "search."
    ),
]


class SearchSection(ConfigSection):
    """How a study is run."""

    workers: WholeFrom1 = 8
    """Trials that run at once, one core each. On this machine never more than the cores given to
    Snakemake, on a Ray cluster as many as its CPUs allow."""
    trial_timeout_s: OrNull[Annotated[float, Field(gt=0, le=2_000_000), AsNumber]] = 21600
    """A trial that takes longer, because it hangs, fails; null for no limit."""
    max_failed_fraction: Annotated[float, Field(ge=0, le=1), AsNumber] = 0.1
    """A study ends with an error as soon as a larger share of its trials has failed. Up to that share
    they are listed in the tables as `failed` with their reason, and the next run of Snakemake tries
    them again."""
    ray_address: Text = LOCAL_RAY
    """Address (host:port) of the head of a Ray cluster to use, see docs/shared-services.md; `local`
    starts a private one, shared by the run's studies and stopped when it ends."""

    @field_validator("ray_address")
    @classmethod
    def _no_client_address(cls, address: str) -> str:
        if "://" in address:
            raise mistake(
                f"found '{address}'; a Ray Client address cannot be used, because the search itself "
                "would run elsewhere. Run Snakemake on a node of the cluster and give the address of "
                f"its head, as in 10.0.0.1:6379, or `{LOCAL_RAY}` for a private Ray"
            )
        return address


class TrackingSection(ConfigSection):
    """Where trials are tracked."""

    uri: OrNull[Text] = "sqlite:///results/mlflow/mlflow.db"
    """MLflow tracking URI without a password: a database or a tracking server, see
    docs/shared-services.md; null for the environment variable MLFLOW_TRACKING_URI."""
    experiment_prefix: Annotated[
        str, Field(pattern=r"^[^\x00-\x1f]*$", title="a string without control characters")
    ] = ""
    """Prefix of the names of MLflow experiments. Projects that share a server each need
    their own, because a study's runs replace those of the same name."""
    import_: Annotated[bool, AsNumber] = Field(False, alias="import")
    """Whether to make the tables from the runs that the store holds already, whoever searched them,
    without any search here; see docs/shared-services.md."""
    register_models: Annotated[bool, AsNumber] = False
    """Whether the target `models` registers each model in the store's registry, where it becomes the next
    version of `<prefix><data set>-<algorithm>`; see docs/models.md."""

    @field_validator("uri", mode="before")
    @classmethod
    def _no_password(cls, uri: Any) -> Any:
        if not isinstance(uri, str):
            return uri
        try:
            parts = urlsplit(uri)
        except ValueError as error:
            raise mistake(f"found an address that cannot be read: {error}") from None
        if parts.password or "password" in parse_qs(parts.query):
            raise mistake(
                f"holds a password, which does not belong in a config. Take it out "
                f"('{parts.scheme}://{parts.hostname}...'): a tracking server's user and password are "
                "taken from the environment variables MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD; for a database write null and put its whole address into "
                "MLFLOW_TRACKING_URI"
            )
        return uri

    @field_validator("uri")
    @classmethod
    def _variable_is_set(cls, uri: str | None) -> str | None:
        if uri is None and not os.environ.get("MLFLOW_TRACKING_URI"):
            raise mistake(
                "found null, which stands for the environment variable MLFLOW_TRACKING_URI, and that "
                "is not set; set it, or give a database or a tracking server here"
            )
        return uri


class DataSection(ConfigSection):
    """Where data come from."""

    pmlb_cache: OrNull[Text] = None
    """Folder of PMLB files in PMLB's own layout, `<name>/<name>.tsv.gz`; null for the environment variable
    PMLB_CACHE or else results/data/.pmlb."""


Partial = Annotated[
    bool,
    AsNumber,
    Field(
        description="Whether to make tables, figures and report of the searches that are finished so "
        "far, each with its baseline, and start none: `snakemake report --config partial=true`. The "
        "report says so; the next run without it makes the whole."
    ),
]


SECTIONS: Mapping[str, Any] = {
    "study": StudySection,
    "algorithms": Algorithms,
    "grid": GridSection,
    "budget": BudgetSection,
    "split": SplitSection,
    "arms": Arms,
    "constraints": Constraints,
    "search": SearchSection,
    "tracking": TrackingSection,
    "data": DataSection,
    "partial": Partial,
}
