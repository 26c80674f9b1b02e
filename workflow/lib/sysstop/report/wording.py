"""Numbers and names as a reader sees them in figures, tables and prose."""

import math
from collections.abc import Callable, Iterable, Sequence

from sysstop.study.studies import BASELINE_ARM
from sysstop.study.wording import (
    MISSING,
    NO_BREAK,
    capitalised,
    counted,
    metric_label,
    number,
    with_unit,
)

# What rules need for their own words is defined below the report, and offered here too.
__all__ = [
    "MISSING",
    "NO_BREAK",
    "SIGNIFICANCE_LEVEL",
    "TIMES",
    "algorithm_label",
    "arm_label",
    "arm_order",
    "capitalised",
    "counted",
    "in_words",
    "metric_label",
    "number",
    "out_of",
    "pair_label",
    "percent",
    "rough",
    "span",
    "spoken",
    "tenths",
    "whole_percent",
    "with_unit",
]

# An effect is called found if its adjusted p value is below this.
SIGNIFICANCE_LEVEL = 0.05
TIMES = "\N{MULTIPLICATION SIGN}"


def rough(value: float) -> str:
    """Return a number rounded to two significant digits."""
    return number(value if math.isnan(value) else float(f"{value:.2g}"))


def tenths(value: float) -> str:
    """Return a number with one decimal below 10, else with none."""
    return number(round(value, 1 if abs(value) < 9.95 else 0))


def percent(fraction: float) -> str:
    """Return a fraction in percent, with one decimal below 10 % and above 99 %.

    Of shares between nothing and everything none reads 0 % or 100 %.
    """
    if math.isnan(fraction):
        return MISSING
    value = 100 * fraction
    bound = ""
    if 0 < value < 0.1:
        bound, value = f"below{NO_BREAK}", 0.1
    elif 99.9 < value < 100:
        bound, value = f"over{NO_BREAK}", 99.9
    value = round(value, 1) + 0.0  # no minus before a zero
    text = f"{value:.1f}" if abs(value) < 9.95 or 99 < value < 100 else f"{value:.0f}"
    return f"{bound}{text.removesuffix('.0')}{NO_BREAK}%"


def whole_percent(fraction: float) -> str:
    """Return a fraction in whole percent, without the sign, as in the cells of a table."""
    return f"{100 * fraction:z.0f}"


def span(values: Iterable[float], text: Callable[[float], str] = number) -> str:
    """Return smallest and largest of the values as "a to b", or "a" where they read the same."""
    values = [value for value in values if not math.isnan(value)]
    if not values:
        return MISSING
    low, high = text(min(values)), text(max(values))
    return low if low == high else f"{low} to {high}"


def out_of(count: int, total: int, singular: str, plural: str = "") -> str:
    """Return how many of a number of things: "all 4 studies", "both studies", "none of 4 studies"."""
    if count == 0:
        return f"no {singular}" if total == 1 else f"none of {counted(total, singular, plural)}"
    if total == 1:
        return f"the only {singular}"
    if count == total == 2:
        return f"both {plural or f'{singular}s'}"
    whole = counted(total, singular, plural)
    return f"all {whole}" if count == total else f"{count:,} of {whole}"


def in_words(items: Sequence[str], last: str = "and") -> str:
    """Return items as "a, b and c", with `last` as the last joint."""
    return f" {last} ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def spoken(name: str) -> str:
    """Return a column's name in plain words: `batch_size` is "batch size"."""
    return name.replace("_", " ")


def algorithm_label(name: str) -> str:
    """Return an algorithm's name for readers."""
    return capitalised(spoken(name))


def pair_label(dataset: str, algorithm: str) -> str:
    """Return the name of a data set and algorithm within a sentence."""
    return f"{dataset} with {spoken(algorithm)}"


def arm_order(arms: Iterable[str]) -> list[str]:
    """Return the names of the arms, each once, the baseline first and the others by name."""
    return sorted(set(arms), key=lambda arm: (arm != BASELINE_ARM, arm))


def arm_label(arm: str) -> str:
    """Return an arm's name for readers, which says what the baseline is."""
    return f"{arm} (full budget)" if arm == BASELINE_ARM else spoken(arm)
