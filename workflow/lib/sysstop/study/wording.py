"""Numbers with their units and names of metrics, as written in a sentence."""

import math

from sysstop.study.metrics import METRIC_BY_NAME

MISSING = "\u2013"
NO_BREAK = "\u00a0"


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


def with_unit(value: float, unit: str, digits: int = 3) -> str:
    """Return a number and its unit, which may be empty."""
    return f"{number(value, digits)}{NO_BREAK}{unit}" if unit else number(value, digits)


def duration(seconds: float) -> str:
    """Return a time of two significant digits in seconds, minutes or hours, whichever fits."""
    length_s, unit = (1, "s") if seconds < 99.5 else (60, "min") if seconds < 5970 else (3600, "h")
    return f"{number(float(f'{seconds / length_s:.2g}'))} {unit}"


def counted(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun in the right number: "1 trial", "2 trials", "no trials"."""
    noun = singular if count == 1 else plural or f"{singular}s"
    return f"{count:,} {noun}" if count else f"no {noun}"


def capitalised(text: str) -> str:
    """Return the text with its first letter in upper case and the rest as it is."""
    return text[:1].upper() + text[1:]


def metric_label(metric: str) -> str:
    """Return a metric's name within a sentence."""
    label = METRIC_BY_NAME[metric].label
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]
