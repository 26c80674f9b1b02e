"""How a trial ends."""

from dataclasses import dataclass
from enum import StrEnum

BUDGET_USED = "budget"
"""The reason of a trial that ran to its end."""


class Status(StrEnum):
    """What became of a trial."""

    COMPLETED = "completed"
    """it used its budget"""
    STOPPED = "stopped"
    """a rule stopped it"""
    DIVERGED = "diverged"
    """its model overflowed, which is a result"""
    FAILED = "failed"
    """its process ended before the trial did"""


@dataclass(frozen=True)
class Stop:
    """A rule's decision to stop: which metric crossed which limit, with which value."""

    rule: str
    metric: str
    limit: float
    value: float


@dataclass(frozen=True)
class TrialEnd:
    """A trial's status and why it has it: its budget, the rule that stopped it, or an error's text."""

    status: Status
    reason: str
    stop: Stop | None = None
    """what the rule saw that stopped it"""
