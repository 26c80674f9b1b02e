"""What the rules have in common that stop a trial which does worse than most others as far as it."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import ClassVar

from sysstop.run.provenance import for_readers
from sysstop.study.rules.base import NOT_ASKED, SHARES, ComparingRule
from sysstop.study.wording import with_unit


class QuantileRule(ComparingRule):
    """Stop a trial whose own value exceeds the `limit` quantile of what others showed at its window.

    The quantile is interpolated linearly between two values, as NumPy's is. Until `least_others`
    have come as far, nothing is stopped.
    """

    stopped_is_candidate: ClassVar[bool] = True
    metric: ClassVar[str] = "val_loss"
    compares_windows: ClassVar[bool] = True
    limits: ClassVar[Sequence[float]] = SHARES
    allowed_limits: ClassVar[str] = "a share between 0 and 1"
    least_others: ClassVar[int]

    @classmethod
    def allows_limit(cls, limit: float) -> bool:
        """Return whether the limit is such a share."""
        return 0 < limit < 1

    def signal(
        self, own: float, window: int, others: Sequence[float], finished: Sequence[float]
    ) -> float:
        """Return which quantile of the others' values the trial's own is, from 0 to 1."""
        if len(others) < self.least_others:
            return NOT_ASKED
        return quantile_of(own, others)

    @for_readers
    def limit_text(self, digits: int = 3) -> str:
        """Return the share in percent."""
        return with_unit(100 * self.limit, "%", digits)


def quantile_of(value: float, values: Sequence[float]) -> float:
    """Return which quantile of one or more ascending values a value is, at least 0 and at most 1.

    It exceeds q, for any q between 0 and 1, if and only if the value exceeds the q quantile. Of
    equal values it is the smallest.

    >>> quantile_of(2.5, [1.0, 2.0, 3.0])
    0.75
    """
    place = bisect_left(values, value)
    if place in (0, len(values)):
        return float(place > 0)
    below, above = values[place - 1], values[place]
    # The one above may be infinite, and the value too.
    between = 1.0 if value == above else (value - below) / (above - below)
    return (place - 1 + between) / (len(values) - 1)
