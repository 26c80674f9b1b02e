"""Which tables are usable, and the message about one that is not."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from sysstop.data.checks import check_table
from sysstop.run.errors import UserError

CLASSIFICATION = {"task": "classification"}
REGRESSION = {"task": "regression"}
ROWS = 24


def good_table():
    """A table that serves both tasks, once its target is classes or numbers."""
    return pd.DataFrame(
        {
            "height": np.linspace(0.0, 1.0, ROWS),
            "count": np.arange(ROWS) % 7,
            "flag": np.arange(ROWS) % 2 == 0,
            "target": np.arange(ROWS) % 3,
        }
    )


def with_column(column, values):
    """The good table with one column changed or added, the target last."""
    table = good_table().assign(**{column: values})
    return table[[name for name in table if name != "target"] + ["target"]]


def refusal(table, entry=CLASSIFICATION, folds=5):
    with pytest.raises(UserError) as raised:
        check_table("mine", table, entry, folds)
    message = str(raised.value)
    assert "Data set 'mine'" in message
    return message


def repeated(*values):
    return [values[row % len(values)] for row in range(ROWS)]


@pytest.mark.parametrize(
    "target",
    [
        repeated(0, 1, 2),
        repeated("cat", "dog"),
        repeated(0.0, 1.0),
        repeated(True, False),
        pd.Categorical(repeated("low", "high")),
    ],
    ids=["codes", "text", "whole floats", "booleans", "categories"],
)
def test_class_labels_may_be_numbers_or_text(target):
    check_table("mine", with_column("target", target), CLASSIFICATION, 5)


def test_a_numeric_target_is_fine_for_a_regression():
    check_table("mine", with_column("target", np.linspace(-1, 1, ROWS)), REGRESSION, 5)


def test_a_constant_feature_among_others_is_fine():
    check_table("mine", with_column("height", 1.0), CLASSIFICATION, 5)


# The table as a whole


def test_an_empty_table_is_refused():
    message = refusal(good_table().iloc[:0])
    assert "no rows" in message and "more than its header" in message


def test_a_table_without_features_is_refused():
    message = refusal(good_table()[["target"]])
    assert "no feature columns" in message and "Add at least one" in message


def test_duplicate_column_names_are_refused():
    table = good_table()
    table.columns = ["height", "height", "flag", "target"]
    message = refusal(table)
    assert "more than once: height" in message and "Rename" in message


def test_fewer_rows_than_folds_are_refused():
    message = refusal(good_table().iloc[:4])
    assert "4 rows, fewer than the 5 folds" in message and "`split.folds`" in message


def test_fewer_rows_than_folds_after_dropping_are_refused():
    height = np.where(np.arange(ROWS) < 4, 1.0, np.nan)
    message = refusal(with_column("height", height), CLASSIFICATION | {"missing": "drop"})
    assert "4 rows (20 of 24 dropped, `missing: drop`)" in message
    assert "`datasets.mine.missing` to `impute`" in message


def test_features_that_are_all_constant_are_refused():
    table = good_table().assign(height=1.0, count=2, flag=True)
    assert "the same value in every row of each feature column" in refusal(table)


# The target


@pytest.mark.parametrize("entry", [CLASSIFICATION, REGRESSION])
def test_a_constant_target_is_refused(entry):
    message = refusal(with_column("target", 7), entry)
    assert "only one value in the target: 7" in message and "right column" in message


def test_a_target_that_is_constant_once_rows_are_dropped_is_refused():
    table = with_column("target", [0] * 20 + [1] * 4)
    table["height"] = [1.0] * 20 + [np.nan] * 4
    check_table("mine", table, CLASSIFICATION | {"missing": "impute"}, 5)
    assert "only one value" in refusal(table, CLASSIFICATION | {"missing": "drop"})


def test_missing_target_values_are_refused_unless_their_rows_are_dropped():
    table = with_column("target", [None, *repeated("cat", "dog")[1:]])
    message = refusal(table)
    assert "no target in 1 of 24 rows" in message
    assert "`datasets.mine.missing: drop`" in message
    assert "never imputed" in refusal(table, CLASSIFICATION | {"missing": "impute"})
    check_table("mine", table, CLASSIFICATION | {"missing": "drop"}, 5)


@pytest.mark.parametrize(
    "target",
    [np.linspace(0, 1, ROWS), np.arange(ROWS) * 10, [f"id {row}" for row in range(ROWS)]],
    ids=["fractional", "whole", "text"],
)
def test_a_classification_target_that_looks_like_a_regression_or_identifier_is_refused(target):
    message = refusal(with_column("target", target))
    assert "24 different" in message
    assert "looks like a regression target" in message
    assert "`datasets.mine.task` to `regression`" in message


def test_a_regression_target_of_text_is_refused():
    message = refusal(with_column("target", repeated("cheap", "dear")), REGRESSION)
    assert "not numeric (for example 'cheap')" in message
    assert "`datasets.mine.task` to `classification`" in message


@pytest.mark.parametrize("entry", [CLASSIFICATION, REGRESSION])
def test_infinite_target_values_are_refused(entry):
    target = np.array(repeated(0.0, 1.0))
    target[3] = np.inf
    message = refusal(with_column("target", target), entry)
    assert "infinite values in its target" in message and "Correct these rows" in message


def test_class_labels_that_are_neither_numbers_nor_text_are_refused():
    message = refusal(with_column("target", repeated([1], [2])))
    assert "class labels that are neither numbers nor text" in message


# The features


def test_missing_feature_values_are_refused_unless_a_treatment_is_named():
    table = with_column("height", [np.nan, np.nan, *np.linspace(0, 1, ROWS - 2)])
    message = refusal(table)
    assert "missing values in the feature columns height (2 rows)" in message
    assert "`datasets.mine.missing`" in message and "`drop`" in message and "`impute`" in message
    for treatment in ("drop", "impute"):
        check_table("mine", table, CLASSIFICATION | {"missing": treatment}, 5)


@pytest.mark.parametrize("treatment", [{}, {"missing": "impute"}, {"missing": "drop"}])
def test_a_feature_without_any_value_is_refused(treatment):
    message = refusal(with_column("height", np.nan), CLASSIFICATION | treatment)
    assert "without any value: height" in message and "Remove" in message


@pytest.mark.parametrize("treatment", [{}, {"missing": "impute"}])
def test_infinite_feature_values_are_refused(treatment):
    table = with_column("height", [-np.inf, *np.linspace(0, 1, ROWS - 1)])
    message = refusal(table, CLASSIFICATION | treatment)
    assert "infinite values in the feature columns height" in message
    assert "`datasets.mine.missing`" in message


@pytest.mark.parametrize(
    "colour",
    [
        repeated("red", "blue"),
        np.array(repeated("red", "blue"), dtype=object),
        pd.Categorical(repeated("red", "blue")),
    ],
    ids=["str", "object", "category"],
)
def test_text_features_are_refused_unless_an_encoding_is_named(colour):
    table = with_column("colour", colour)
    message = refusal(table)
    assert "text instead of numbers in the feature columns colour" in message
    assert "`datasets.mine.categorical` to `one_hot`" in message and "`ordinal`" in message
    for encoding in ("one_hot", "ordinal"):
        check_table("mine", table, CLASSIFICATION | {"categorical": encoding}, 5)


def test_a_text_feature_that_looks_like_an_identifier_is_refused():
    table = with_column("passenger", [f"name {row}" for row in range(ROWS)])
    message = refusal(table, CLASSIFICATION | {"categorical": "one_hot"})
    assert (
        "passenger" in message and "identifiers" in message and "leave the columns out" in message
    )


@pytest.mark.parametrize(
    "when",
    [
        pd.date_range("2023-11-01", periods=ROWS),
        pd.to_timedelta(np.arange(ROWS), unit="h"),
        [date(2023, 11, 1 + row) for row in range(ROWS)],
        pd.period_range("2023-01", periods=ROWS, freq="M"),
    ],
    ids=["timestamps", "timedeltas", "dates", "periods"],
)
def test_dates_and_times_are_refused_with_advice_whatever_the_encoding(when):
    message = refusal(with_column("when", when), CLASSIFICATION | {"categorical": "ordinal"})
    assert "dates or times in the feature columns when" in message
    assert "days since a date" in message


@pytest.mark.parametrize("values", [repeated([1, 2], [3]), repeated(1 + 2j, 3j), repeated("a", 1)])
def test_features_that_are_neither_numbers_nor_text_are_refused(values):
    message = refusal(with_column("odd", values), CLASSIFICATION | {"categorical": "one_hot"})
    assert "neither numbers nor text in the feature columns odd" in message
    assert "Convert" in message


def test_long_lists_of_columns_are_cut_short():
    table = good_table()
    text = pd.DataFrame({f"text_{number}": repeated("a", "b") for number in range(20)})
    message = refusal(pd.concat([text, table], axis=1))
    assert "text_7 and 12 more" in message
