"""What every stopping rule is: a class that decides, checks its parameters and names itself.

A rule turns each window of a trial into one number, its signal, and fires as soon as the signal
exceeds its limit. A `TrialRule` looks at one trial alone: the live search asks it after each
window, the replay for all windows of all trials at once. A `ComparingRule` also needs to know how
the other trials of the study have done, which a `Scoreboard` keeps.
"""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from sysstop.run.errors import unknown_name
from sysstop.run.provenance import for_readers
from sysstop.study.metrics import METRIC_BY_NAME
from sysstop.study.status import Stop
from sysstop.study.wording import capitalised, metric_label, with_unit

Curves = Mapping[str, np.ndarray]
"""Metrics by name, each an array whose last axis is a trial's windows (... x windows)."""

NOT_ASKED = -np.inf
"""The signal of a rule that cannot stop a trial yet."""

SHARES = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""The limits at which a rule is replayed whose signal is a share of the trials."""

CONSTRAINTS = "constraints"
"""The config's section of the application's limits, and the parameter that a rule is given them in."""

LIMITS_ON_TIME = "Limits on time"
LIMITS_ON_CPU_AND_MEMORY = "Limits on CPU and memory"
OTHER_RULES = "Other rules"


def value_so_far(metric: str, curves: Curves) -> np.ndarray:
    """Return a trial's value of a metric after each window, from that one and those before it.

    It is what the table of trials would hold if the trial ended there (`Metric.over_windows`), and so
    what a quantile over the baseline's trials is comparable with. One window alone is far noisier.
    """
    values = curves[metric]
    match METRIC_BY_NAME[metric].over_windows:
        case "mean":
            known = ~np.isnan(values)
            count = known.cumsum(axis=-1)
            total = np.where(known, values, 0.0).cumsum(axis=-1)
            return np.divide(total, count, out=np.full(values.shape, np.nan), where=count > 0)
        case "max":
            return np.fmax.accumulate(values, axis=-1)
    return values


@dataclass(frozen=True)
class RuleStyle:
    """How a rule is drawn; a dashed one is related to the solid one of the same colour."""

    label: str
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class TrialBounds:
    """What bounds every trial of a run, so that a limit beyond it can never be exceeded.

    `seconds` and `memory_mb` are None if the budget has no such bound, or if it is not known on
    which machine the trials will run.
    """

    windows: int
    window_steps: int
    seconds: float | None = None
    memory_mb: float | None = None


class Rule(ABC):
    """What every stopping rule offers. A rule is a frozen dataclass; its fields are its parameters.

    `name` is what the config calls it. `stopped_is_candidate` says whether the model of a trial
    that the rule stopped may still be chosen as the best: a trial that broke a limit may not, one
    that stopped improving may. `limits_system_metric` says whether it stops on what a trial costs,
    regardless of its model and of other trials. Where `takes_quantile` is true, the config may give
    the limit as a quantile of the metric over the baseline's trials; where `takes_constraints` is,
    the rule is given the config's constraints (`arms.arm_entry`). `allowed_limits` says in words which
    limits `allows_limit` accepts. `family` is the panel in which the rule is drawn.

    `metric` is what the rule watches; a rule that can watch one of several has it as a parameter.
    """

    name: ClassVar[str]
    stopped_is_candidate: ClassVar[bool]
    limits_system_metric: ClassVar[bool] = False
    takes_quantile: ClassVar[bool] = False
    takes_constraints: ClassVar[bool] = False
    allowed_limits: ClassVar[str] = "a positive number"
    metric: str
    limit: float

    @property
    def parts(self) -> Sequence["Rule"]:
        """The rules that it consists of, which is itself; a `FirstOf` has several."""
        return [self]

    @property
    def as_data(self) -> dict[str, Any]:
        """Its name and parameters as plain data, from which `rules.rule_from` makes it again."""
        return {"name": self.name, **dataclasses.asdict(self)}

    @classmethod
    @abstractmethod
    def variants(cls, arms: Sequence[Mapping[str, Any]]) -> Sequence[Self]:
        """Return the rule in each form that is replayed; the limits in them are placeholders.

        `arms` are the config's arms with this rule.
        """

    @classmethod
    def watched_metrics(cls) -> Sequence[str]:
        """Return the metrics that the config may name; needed if `metric` is a parameter."""
        return [cls.metric]

    @classmethod
    def at(cls, metric: str, limit: float) -> Self:
        """Return the rule on this metric with this limit, as a row of the replay's table names it."""
        given = {"metric": metric, "limit": limit}
        fields = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in given.items() if name in fields})

    @classmethod
    def with_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Return the rule with the parameters of an arm, which were checked before."""
        types = {field.name: field.type for field in dataclasses.fields(cls)}
        return cls(**{name: types[name](value) for name, value in parameters.items()})

    @property
    @for_readers
    def quantity(self) -> str:
        """What is compared with the limit, within a sentence: "step time"."""
        return metric_label(self.metric)

    @property
    @for_readers
    def unit(self) -> str:
        """The unit of the limit, which may be empty."""
        return METRIC_BY_NAME[self.metric].unit

    @property
    @for_readers
    def axis_label(self) -> str:
        """What is compared with the limit, with its unit, for an axis or a list."""
        return capitalised(f"{self.quantity} ({self.unit})" if self.unit else self.quantity)

    @property
    @for_readers
    def label(self) -> str:
        """What the rule is, as a noun within a sentence: "limit on step time"."""
        return f"limit on {self.quantity}"

    @property
    @for_readers
    def family(self) -> str:
        """The title of the panel in which the rule is drawn."""
        return OTHER_RULES

    @property
    @abstractmethod
    @for_readers
    def style(self) -> RuleStyle:
        """How the rule is drawn, and its label in a figure."""

    @for_readers
    def limit_text(self, digits: int = 3) -> str:
        """Return the limit with its unit: "1.9 ms"."""
        return with_unit(self.limit, self.unit, digits)

    @for_readers
    def description(self, limit: str = "") -> str:
        """Return when the rule stops a trial, as the end of a sentence.

        `limit` is the text of the limit where that is not yet a number.
        """
        return f"as soon as its {self.quantity} exceeds {limit or self.limit_text()}"

    @classmethod
    @for_readers
    def mistakes(
        cls, key: str, parameters: Mapping[str, Any], bounds: TrialBounds
    ) -> Iterator[str]:
        """Yield what is wrong with the parameters of the arm `key`, one message each."""
        mistakes = [*cls._form_mistakes(key, parameters)]
        yield from mistakes or cls.value_mistakes(key, parameters, bounds)

    @classmethod
    @for_readers
    def value_mistakes(
        cls, key: str, parameters: Mapping[str, Any], bounds: TrialBounds
    ) -> Iterator[str]:
        """Yield which values are out of range or let the rule never stop a trial.

        Names and types have been checked already. A rule with parameters of its own adds their
        checks.
        """
        grace = parameters.get("grace_windows", 0)
        if grace < 0:
            yield f"{key}.grace_windows: found {grace}; a whole number from 0 is needed"
        if bounds.windows - 1 <= grace:
            yield (
                f"{key}: the rule can never stop a trial: the budget has {bounds.windows} window(s) "
                f"of {bounds.window_steps} steps and the rule is asked between the first {grace} and "
                "the last; raise budget.steps, or lower budget.window_steps or grace_windows"
            )
        if not 0 < parameters.get("quantile", 0.5) < 1:
            yield (
                f"{key}.quantile: found {parameters['quantile']}; a number between 0 and 1 is needed"
            )
        if "limit" in parameters and not cls.allows_limit(parameters["limit"]):
            yield f"{key}.limit: found {parameters['limit']}; {cls.allowed_limits} is needed"

    @classmethod
    def allows_limit(cls, limit: float) -> bool:
        """Return whether an arm may have this limit."""
        return math.isfinite(limit) and limit > 0

    @classmethod
    @for_readers
    def _form_mistakes(cls, key: str, parameters: Mapping[str, Any]) -> Iterator[str]:
        """Yield which parameters are unknown, missing or of the wrong type."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        if cls.takes_constraints:
            del fields[CONSTRAINTS]  # not for the arm to give
        allowed = [*fields, *(["quantile"] if cls.takes_quantile else [])]
        for name in parameters:
            if name not in allowed:
                yield unknown_name(f"key {key}.{name}", name, allowed)
        for name, field in fields.items():
            required = field.default is dataclasses.MISSING
            either = name == "limit" and cls.takes_quantile
            if required and not either and name not in parameters:
                yield f"{key}.{name}: missing; the rule '{cls.name}' needs it"
        if cls.takes_quantile and ("limit" in parameters) == ("quantile" in parameters):
            yield (
                f"{key}: give either `limit` (an absolute number) or `quantile` (of the baseline arm)"
            )
        for name in [name for name in parameters if name in allowed]:
            value = parameters[name]
            if name == "metric":
                yield from cls._metric_mistakes(key, value)
                continue
            wanted = fields[name].type if name in fields else float
            if not _fits(value, wanted):
                yield f"{key}.{name}: found {value!r}, {_TYPE_NAMES[wanted]} is needed"

    @classmethod
    @for_readers
    def _metric_mistakes(cls, key: str, metric: object) -> Iterator[str]:
        allowed = cls.watched_metrics()
        if not isinstance(metric, str) or metric not in METRIC_BY_NAME:
            yield unknown_name(f"metric '{metric}' in {key}.metric", str(metric), allowed)
        elif metric not in allowed:
            yield (
                f"{key}.metric: the rule '{cls.name}' cannot watch '{metric}'; "
                f"it can watch {', '.join(allowed)}"
            )


_TYPE_NAMES = {float: "a number", int: "a whole number", str: "a string", bool: "true or false"}


def _fits(value: object, wanted: type) -> bool:
    """Return whether a value of the config can be used as one of this type."""
    if isinstance(value, bool) or wanted is bool:
        return isinstance(value, bool) and wanted is bool
    if wanted is int and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int | float if wanted is float else wanted)


class TrialRule(Rule):
    """A rule that looks at one trial alone, so that it is asked in the trial's own process.

    In its first `grace_windows` windows it is not asked.
    """

    grace_windows: int

    @property
    def metrics(self) -> Sequence[str]:
        """What it watches, all of it."""
        return [self.metric]

    @abstractmethod
    def signals(self, curves: Curves, steps_planned: np.ndarray | int) -> np.ndarray:
        """Return the number that is compared with the limit after each window (... x windows).

        Its value after a window depends only on that window and those before it. `curves` has at
        least `step` and the rule's metrics; `steps_planned` fits their leading axes.
        """

    def stop(self, curves: Curves, signal: float) -> Stop:
        """Return why a trial stops whose latest window has this signal, which exceeds the limit.

        `curves` are the trial's own (windows). A rule that watches several metrics names the one that
        stops the trial.
        """
        return Stop(self.name, self.metric, self.limit, signal)


class ComparingRule(Rule):
    """A rule that compares a trial with the others of its study: the usual early stopping.

    Such rules are what stopping on system metrics has to be compared with. What one sees depends on
    which trials have run so far: they show what they have reached on the study's `Scoreboard`, and
    wait for its verdict after the windows that the rule `asks_after`. So it is not replayed trial by
    trial but in the study's virtual time (see `virtual_search.virtual_searches`), at each of its
    `limits`.

    Unless it `compares_windows`, it is not given the values of others at the same window.
    """

    compares_windows: ClassVar[bool]
    limits: ClassVar[Sequence[float]]

    @classmethod
    def variants(cls, arms: Sequence[Mapping[str, Any]]) -> Sequence[Self]:
        """Return the rule as it is; it is replayed at its `limits`, whatever those of the arms."""
        return [cls()]

    def asks_after(self, window: int) -> bool:
        """Return whether the rule is asked after a window (from 0)."""
        return True

    @abstractmethod
    def own_values(self, curves: Curves) -> np.ndarray:
        """Return what a trial is judged by after each window (... x windows).

        Its value after a window depends only on that window and those before it. `curves` has at
        least the rule's metric.
        """

    def shown_values(self, curves: Curves) -> np.ndarray:
        """Return what the others are compared with (... x windows)."""
        return self.own_values(curves)

    @abstractmethod
    def signal(
        self, own: float, window: int, others: Sequence[float], finished: Sequence[float]
    ) -> float:
        """Return the number that is compared with the limit.

        `own` is the trial's own value after its window `window` (from 0), `others` are the values
        shown at that window so far, in ascending order, and `finished` those shown by trials that
        used their whole budget, at its end.
        """
