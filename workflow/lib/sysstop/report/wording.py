"""Numbers and names as a reader sees them in figures, tables and prose."""

import math
from collections.abc import Callable, Iterable, Sequence

from sysstop.study.algorithms import ALGORITHMS
from sysstop.study.metrics import METRIC_BY_NAME
from sysstop.study.studies import BASELINE_ARM

MISSING = "\u2013"
# An effect is called found if its adjusted p value is below this.
SIGNIFICANCE_LEVEL = 0.05
_NO_BREAK = "\u00a0"


def number(value: float, digits: int = 3) -> str:
    """Return a number with thousands separators and, of its decimals, `digits` significant ones."""
    if value is None or math.isnan(value):
        return MISSING
    if isinstance(value, int) or math.isinf(value) or abs(value) >= 10**digits:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    if abs(value) < 1e-6:
        return f"{value:.{digits}g}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


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
        bound, value = f"below{_NO_BREAK}", 0.1
    elif 99.9 < value < 100:
        bound, value = f"over{_NO_BREAK}", 99.9
    value = round(value, 1) + 0.0  # no minus before a zero
    text = f"{value:.1f}" if abs(value) < 9.95 or 99 < value < 100 else f"{value:.0f}"
    return f"{bound}{text.removesuffix('.0')}{_NO_BREAK}%"


def whole_percent(fraction: float) -> str:
    """Return a fraction in whole percent, without the sign, as in the cells of a table."""
    return f"{100 * fraction:z.0f}"


def with_unit(value: float, unit: str) -> str:
    """Return a number and its unit, which may be empty."""
    return f"{number(value)}{_NO_BREAK}{unit}" if unit else number(value)


def span(values: Iterable[float], text: Callable[[float], str] = number) -> str:
    """Return smallest and largest of the values as "a to b", or "a" where they read the same."""
    values = [value for value in values if not math.isnan(value)]
    if not values:
        return MISSING
    low, high = text(min(values)), text(max(values))
    return low if low == high else f"{low} to {high}"


def counted(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun in the right number: "1 trial", "2 trials", "no trials"."""
    noun = singular if count == 1 else plural or f"{singular}s"
    return f"{count:,} {noun}" if count else f"no {noun}"


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


def capitalised(text: str) -> str:
    """Return the text with its first letter in upper case and the rest as it is."""
    return text[:1].upper() + text[1:]


def spoken(name: str) -> str:
    """Return a column's name in plain words: `batch_size` is "batch size"."""
    return name.replace("_", " ")


def algorithm_label(name: str) -> str:
    """Return an algorithm's name for readers."""
    return ALGORITHMS[name].label


def metric_label(metric: str) -> str:
    """Return a metric's name within a sentence."""
    label = METRIC_BY_NAME[metric].label
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def rule_label(rule: str, metric: str) -> str:
    """Return what a stopping rule does, as a noun within a sentence."""
    return _RULE_LABELS[rule].format(metric=metric_label(metric))


def limit_label(rule: str, metric: str, limit: float) -> str:
    """Return the limit of a rule that looks at one trial, with its unit."""
    return (
        counted(round(limit), "window")
        if rule == "plateau"
        else with_unit(limit, METRIC_BY_NAME[metric].unit)
    )


_RULE_LABELS = {
    "metric_limit": "limit on {metric}",
    "predicted_train_time": "limit on predicted {metric}",
    "plateau": "plateau of {metric}",
    "median": "median rule on {metric}",
    "best_cost": "multiple of the least {metric}",
    "successive_halving": "successive halving on {metric}",
}


def pair_label(dataset: str, algorithm: str) -> str:
    """Return the name of a data set and algorithm within a sentence."""
    return f"{dataset} with {algorithm_label(algorithm).lower()}"


def arm_order(arms: Iterable[str]) -> list[str]:
    """Return the names of the arms, each once, the baseline first and the others by name."""
    return sorted(set(arms), key=lambda arm: (arm != BASELINE_ARM, arm))


def arm_label(arm: str) -> str:
    """Return an arm's name for readers, which says what the baseline is."""
    return f"{arm} (full budget)" if arm == BASELINE_ARM else arm
