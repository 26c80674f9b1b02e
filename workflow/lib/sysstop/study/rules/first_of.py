"""Several rules in one arm: the first that fires stops a trial."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sysstop.study.rules.base import ComparingRule, Rule


@dataclass(frozen=True)
class FirstOf:
    """Stop as soon as any of these rules does, and give that one as the reason.

    After a window the rules that look at one trial are asked first, in the order given. Only if none
    of them fires, the one that compares trials is asked; there is at most one. In tables its metric is
    empty and its limit NaN, as each part has its own.
    """

    name: ClassVar[str] = "first_of"
    metric: ClassVar[str] = ""
    limit: ClassVar[float] = math.nan
    parts: Sequence[Rule]

    @property
    def as_data(self) -> dict[str, Any]:
        """Its parts as plain data."""
        return {"name": self.name, "parts": [part.as_data for part in self.parts]}


ArmRule = Rule | FirstOf
"""What stops the trials of an arm."""


def comparing_part(rule: ArmRule | None) -> ComparingRule | None:
    """Return the part of a rule that compares trials, if it has one."""
    parts = rule.parts if rule else ()
    return next((part for part in parts if isinstance(part, ComparingRule)), None)
