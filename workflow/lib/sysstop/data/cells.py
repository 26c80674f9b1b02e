"""What the cells of a table hold: numbers and in which notation, text, or nothing."""

import re
from collections.abc import Collection

import pandas as pd
from pandas.api import types

_MARKS = """
? - -- --- \u2013 \u2014 . .. * # \\n na n/a n.a. n.a #n/a #na <na> nan -nan 1.#ind -1.#ind 1.#qnan -1.#qnan
null none nil nat missing unknown undefined #value! #div/0! #ref! #null! #num! #name?
"""
# Usual marks of a missing value, in any case. They are pointed out, and only removed on demand.
MISSING_MARKS = frozenset(_MARKS.split()) | {"not available", "#n/a n/a"}
TRUTHS = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}

ALIKE = {" ": " \u00a0\u202f", "'": "'\u2019"}
_GROUPING = ",.'\u2019\u00a0\u202f "
_ANY_NUMBER = rf"[+-]?\d[\d{_GROUPING}]*"
DECIMAL_COMMA = r"[+-]?\d*,\d+"
GROUPED_DIGITS = rf"[+-]?\d{{1,3}}(?:[{_GROUPING}]\d{{3}})+(?:[.,]\d+)?"
PERCENT_OR_CURRENCY = rf"[$€£¥]\s*{_ANY_NUMBER}|{_ANY_NUMBER}\s*[%‰$€£¥]"
# Numbers as Fortran writes them, and with the minus sign of word processors.
FORTRAN_EXPONENT = r"^([+-]?\d*\.\d*)[dD]([+-]\d+)$"
MINUS_SIGN = "\u2212"
HUGE_WHOLE_NUMBER = r"[+-]?\d{20,}"


def is_text(column: pd.Series) -> bool:
    """Return whether a column holds nothing but text, as categories or not."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.categories.to_series()
    if types.is_numeric_dtype(column):
        return False
    return types.infer_dtype(column, skipna=True) == "string"


def present_texts(column: pd.Series) -> pd.Series:
    """Return a column's texts without surrounding blanks and without missing cells."""
    return column.dropna().astype(str).str.strip()


def numbers_in(texts: pd.Series, decimal: str = ".", thousands: str | None = None) -> pd.Series:
    """Return the number that each text denotes; NaN where it denotes none.

    `thousands` separates groups of three digits only, so that a date is never a number. A blank
    also stands for no-break blanks, a straight apostrophe for the curved one. Whatever the
    notation, \u2212 is a minus sign and Fortran's 1.5D+03 is 1500.
    """
    plain = texts.str.replace(MINUS_SIGN, "-", regex=False)
    plain = plain.str.replace(FORTRAN_EXPONENT, r"\1e\2", regex=True)
    if thousands is not None:
        group = f"[{re.escape(ALIKE.get(thousands, thousands))}]"
        groups = rf"[+-]?\d{{1,3}}(?:{group}\d{{3}})+(?:{re.escape(decimal)}\d*)?"
        stray = plain.str.contains(group) & ~plain.str.fullmatch(groups)
        plain = plain.str.replace(group, "", regex=True).mask(stray, "")
    if decimal != ".":
        stray = plain.str.contains(".", regex=False)
        plain = plain.str.replace(decimal, ".", regex=False).mask(stray, "")
    return pd.to_numeric(plain, errors="coerce")


def with_cells_read(
    column: pd.Series,
    *,
    missing_values: Collection[str] = (),
    decimal: str = ".",
    thousands: str | None = None,
    to_numbers: bool = True,
) -> pd.Series:
    """Return a column with its cells read as the user says.

    Texts lose surrounding blanks, so that they do not make another class or category of the same
    word. Blank texts and `missing_values` become missing; numbers are compared by their value. With `to_numbers`, a column whose texts are all numbers in the given
    notation, or all true or false, becomes one of numbers or booleans.
    """
    if not is_text(column):
        return _without_numbers(column, missing_values)
    stripped = column.astype(object).str.strip()
    if not stripped.equals(column.astype(object)):
        column = stripped
    missing = stripped.isin(["", *missing_values])
    if missing.any():
        column = column.mask(missing)
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.cat.remove_unused_categories()
    texts = present_texts(column)
    if not to_numbers or texts.empty:
        return column
    if texts.isin(TRUTHS).all():
        return texts.map(TRUTHS).reindex(column.index)
    numbers = numbers_in(texts, decimal, thousands)
    if numbers.isna().any():
        return column
    return _without_numbers(numbers.reindex(column.index), missing_values)


def _without_numbers(column: pd.Series, missing_values: Collection[str]) -> pd.Series:
    is_number = types.is_numeric_dtype(column) and not types.is_bool_dtype(column)
    if not missing_values or not is_number:
        return column
    numbers = pd.to_numeric(pd.Series(list(missing_values)), errors="coerce").dropna()
    missing = column.isin(numbers)
    return column.mask(missing) if missing.any() else column


def has_huge_numbers(column: pd.Series) -> bool:
    """Return whether all cells are numbers, and some of them whole ones that 64 bits cannot hold."""
    if not is_text(column):
        return column.dtype == object and types.infer_dtype(column, skipna=True) == "integer"
    texts = present_texts(column)
    huge = texts.str.fullmatch(HUGE_WHOLE_NUMBER).any()
    return bool(huge and numbers_in(texts).notna().all())


def strays_among_numbers(
    column: pd.Series, decimal: str = ".", thousands: str | None = None
) -> pd.Series:
    """Return how often each text occurs among a column's numbers, most frequent first.

    A number in another notation counts as a number, but is a stray text all the same. Nothing is
    returned if all texts are numbers, or if the column is not numeric: if no cell is a number, or
    if half of the cells or more are neither numbers nor usual marks of a missing value.
    """
    texts = present_texts(column)
    plain = numbers_in(texts, decimal, thousands).notna()
    others = texts[~plain & ~is_number_in_any_notation(texts)]
    only_marks = others.str.casefold().isin(MISSING_MARKS).all()
    if len(others) == len(texts) or (not only_marks and len(others) >= len(texts) / 2):
        return texts[:0].value_counts()
    return texts[~plain].value_counts()


def is_number_in_any_notation(texts: pd.Series) -> pd.Series:
    """Return whether each text is a number, also with comma, groups of digits, % or a currency."""
    written = texts.str.fullmatch("|".join((DECIMAL_COMMA, GROUPED_DIGITS, PERCENT_OR_CURRENCY)))
    return written | numbers_in(texts).notna()
