"""The split: what goes where, what is fitted on which rows, and that it comes back from disk."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.testing import assert_allclose, assert_array_equal

from sysstop.data.checks import check_table
from sysstop.data.sources import fetch_table
from sysstop.data.split import ARRAYS, Split, load_split, write_split
from sysstop.data.splitting import make_split
from sysstop.run.errors import UserError

PROJECT = Path(__file__).parents[2]
REGISTRY = yaml.safe_load((PROJECT / "config" / "datasets.yaml").read_text())["datasets"]

CLASSIFICATION = {"task": "classification"}
REGRESSION = {"task": "regression"}


def split_of(table, entry=CLASSIFICATION, *, test_fraction=0.3, folds=5, seed=1):
    return make_split(
        table, entry, name="mine", test_fraction=test_fraction, folds=folds, seed=seed
    )


def classes_table(*rows_of_class):
    """A table with these numbers of rows of class a, b, c, ...; feature `row` numbers the rows."""
    labels = np.repeat([chr(ord("a") + code) for code in range(len(rows_of_class))], rows_of_class)
    return pd.DataFrame(
        {"row": np.arange(len(labels), dtype=float), "constant": 3, "target": labels}
    )


def regression_table(rows=100):
    row = np.arange(rows, dtype=float)
    return pd.DataFrame({"row": row, "square": row**2, "target": 5 * row + 1})


def rows_of(features):
    return features[:, 0].astype(int)


# Rows


@pytest.mark.parametrize(
    ("table", "entry"),
    [(classes_table(60, 30, 10), CLASSIFICATION), (regression_table(), REGRESSION)],
)
def test_each_row_is_in_exactly_one_part_with_its_own_target(table, entry):
    split = split_of(table, entry)
    assert len(split.train_features) == 70
    assert len(split.test_features) == 30
    rows = np.concatenate([rows_of(split.train_features), rows_of(split.test_features)])
    assert_array_equal(np.sort(rows), np.arange(100))
    targets = np.concatenate([split.train_target, split.test_target])
    if split.class_labels:
        targets = np.array(split.class_labels)[targets]
    assert_array_equal(targets, table["target"].to_numpy()[rows])


def test_each_training_row_validates_in_exactly_one_fold():
    split = split_of(regression_table(), REGRESSION, folds=4)
    assert split.folds == 4
    validated = []
    for fold in range(split.folds):
        training, validation = split.fold_rows(fold)
        assert_array_equal(np.sort(np.concatenate([training, validation])), np.arange(70))
        validated.extend(validation)
    assert_array_equal(np.sort(validated), np.arange(70))
    assert np.bincount(split.fold_of_row).tolist() == [18, 18, 17, 17]


def test_classes_keep_their_shares_in_both_parts_and_in_every_fold():
    split = split_of(classes_table(100, 50, 50))
    assert np.bincount(split.train_target).tolist() == [70, 35, 35]
    assert np.bincount(split.test_target).tolist() == [30, 15, 15]
    for fold in range(5):
        _, validation = split.fold_rows(fold)
        assert np.bincount(split.train_target[validation]).tolist() == [14, 7, 7]
    assert split.summary["stratified"] is True


@pytest.mark.parametrize("test_fraction", [0.1, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("rows", [(100, 3, 2, 1), (40, 2, 2, 2, 2), (20, 1, 1, 1), (9, 4, 3, 2, 1)])
def test_every_class_however_small_is_in_the_training_part(rows, test_fraction):
    for seed in range(5):
        split = split_of(classes_table(*rows), test_fraction=test_fraction, folds=3, seed=seed)
        assert set(split.train_target) == set(range(len(rows)))
        assert len(split.test_target) == int(np.ceil(test_fraction * sum(rows) - 1e-9))
        assert set(split.fold_of_row) == {0, 1, 2}


def test_the_treatment_of_small_classes_is_noted():
    split = split_of(classes_table(100, 3, 1))
    notes = split.summary["stratification"]
    assert "classes of a single row: c" in notes["train_and_test"]
    assert "not in every fold: b, c" in notes["folds"]


def test_a_test_part_with_fewer_rows_than_classes_is_drawn_unstratified_and_said_so():
    split = split_of(classes_table(6, 6, 6, 6), test_fraction=0.1)
    assert split.summary["stratified"] is False
    assert "not stratified" in split.summary["stratification"]["train_and_test"]


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    table = classes_table(60, 30, 10)
    first, again, other = (split_of(table, seed=seed) for seed in (1, 1, 2))
    for array in ARRAYS:
        assert_array_equal(getattr(first, array), getattr(again, array))
    assert not np.array_equal(rows_of(first.train_features), rows_of(other.train_features))


@pytest.mark.parametrize(
    ("table", "test_fraction", "expected"),
    [
        (classes_table(4, 4), 0.5, "fewer than there are folds (`split.folds`): 5"),
        (classes_table(*[2] * 8), 0.6, "fewer than there are classes: 8"),
    ],
)
def test_a_training_part_that_is_too_small_is_refused(table, test_fraction, expected):
    with pytest.raises(UserError) as raised:
        split_of(table, test_fraction=test_fraction)
    message = str(raised.value)
    assert "Data set 'mine'" in message and expected in message
    assert "Lower `split.test_fraction`" in message


# Targets


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["dog", "cat"], ["cat", "dog"]),
        ([10, 9], ["9", "10"]),
        ([True, False], ["False", "True"]),
    ],
)
def test_class_codes_follow_the_sorted_labels(labels, expected):
    table = pd.DataFrame({"row": np.arange(40.0), "target": labels * 20})
    split = split_of(table)
    assert split.class_labels == expected
    assert split.train_target.dtype == np.int64
    found = np.array(split.class_labels)[split.test_target]
    assert_array_equal(found, [str(labels[row % 2]) for row in rows_of(split.test_features)])


def test_a_classification_target_is_not_scaled():
    split = split_of(classes_table(50, 50))
    assert split.target_mean.tolist() == [0] * 6
    assert split.target_scale.tolist() == [1] * 6


# Scaling


@pytest.mark.parametrize("folds", [2, 5])
def test_scaling_is_fitted_on_the_training_rows_of_each_fold_only(folds):
    split = split_of(regression_table(), REGRESSION, folds=folds)
    for fold in range(folds + 1):
        training, _ = split.fold_rows(fold)
        features, target = split.train_features[training], split.train_target[training]
        assert_allclose(split.feature_mean[fold], features.mean(axis=0))
        assert_allclose(split.feature_scale[fold], features.std(axis=0))
        assert_allclose(split.target_mean[fold], target.mean())
        assert_allclose(split.target_scale[fold], target.std())
    assert len(split.fold_rows(folds)[0]) == len(split.train_features)


def test_the_scale_of_a_constant_feature_is_one():
    split = split_of(classes_table(50, 50))
    assert split.feature_scale[:, 1].tolist() == [1] * 6
    assert split.feature_mean[:, 1].tolist() == [3] * 6


# Treatments


def test_incomplete_rows_are_dropped_and_counted():
    table = regression_table()
    table.loc[[3, 50], "square"] = np.nan
    table.loc[7, "target"] = np.nan
    split = split_of(table, REGRESSION | {"missing": "drop"})
    rows = np.concatenate([rows_of(split.train_features), rows_of(split.test_features)])
    assert set(rows) == set(range(100)) - {3, 7, 50}
    assert split.summary["rows"] == 97
    assert split.summary["rows_dropped"] == 3


@pytest.mark.parametrize("dtype", ["float64", "Int64"])
def test_missing_numbers_become_the_median_of_the_training_part(dtype):
    table = regression_table()
    table["square"] = table["square"].astype(dtype)
    missing = list(range(0, 100, 10))
    table.loc[missing, "square"] = pd.NA if dtype == "Int64" else np.nan
    split = split_of(table, REGRESSION | {"missing": "impute"})
    train_rows = rows_of(split.train_features)
    median = np.median([row**2 for row in train_rows if row not in missing])
    for features in (split.train_features, split.test_features):
        imputed = features[np.isin(rows_of(features), missing), 1]
        assert len(imputed) and set(imputed) == {median}


def colours_table():
    """Colour blue occurs in a single row, which the seed used below puts into the test part."""
    table = regression_table(40)
    table.insert(1, "colour", ["red", "green", "red", "amber"] * 10)
    test_row = rows_of(split_of(table.drop(columns="colour"), REGRESSION).test_features)[0]
    table.loc[test_row, "colour"] = "blue"
    return table, test_row


def test_one_hot_knows_the_sorted_categories_of_the_training_part_and_ignores_others():
    table, blue_row = colours_table()
    split = split_of(table, REGRESSION | {"categorical": "one_hot"})
    assert split.feature_names == ["row", "colour=amber", "colour=green", "colour=red", "square"]
    for features in (split.train_features, split.test_features):
        for row, encoded in zip(rows_of(features), features[:, 1:4], strict=True):
            colour = table.loc[row, "colour"]
            assert encoded.tolist() == [colour == known for known in ("amber", "green", "red")]
    assert blue_row in rows_of(split.test_features)


@pytest.mark.parametrize("dtype", ["str", "object", "category"])
def test_ordinals_are_sorted_and_minus_one_for_an_unknown_category(dtype):
    table, _ = colours_table()
    codes = {"amber": 0, "green": 1, "red": 2, "blue": -1}
    expected = table["colour"].map(codes).to_numpy()
    split = split_of(table.astype({"colour": dtype}), REGRESSION | {"categorical": "ordinal"})
    assert split.feature_names == ["row", "colour", "square"]
    for features in (split.train_features, split.test_features):
        assert_array_equal(features[:, 1], expected[rows_of(features)])


def test_missing_categories_become_the_most_frequent_one_of_the_training_part():
    table = regression_table(40)
    table["colour"] = ["red", "green", "red", None] * 10
    split = split_of(table, REGRESSION | {"categorical": "ordinal", "missing": "impute"})
    colour = split.feature_names.index("colour")
    features = np.concatenate([split.train_features, split.test_features])
    assert set(features[rows_of(features) % 4 == 3, colour]) == {1}


def test_a_feature_that_cannot_be_imputed_from_the_training_part_is_refused():
    table = regression_table()
    test_row = rows_of(split_of(table, REGRESSION).test_features)[0]
    table["rare"] = np.where(table["row"] == test_row, 1.0, np.nan)
    with pytest.raises(UserError, match=r"'mine'.*'rare'.*`datasets.mine.missing` to `drop`"):
        split_of(table, REGRESSION | {"missing": "impute"})


# On disk


def test_a_split_comes_back_from_disk_as_it_was_and_read_only(tmp_path):
    split = split_of(classes_table(60, 30, 10))
    write_split(split, tmp_path / "split")
    loaded = load_split(tmp_path / "split")
    assert isinstance(loaded, Split)
    for array in ARRAYS:
        written, read = getattr(split, array), getattr(loaded, array)
        assert_array_equal(read, written)
        assert read.dtype == written.dtype
        assert isinstance(read, np.memmap) and not read.flags.writeable
    for name in ("name", "task", "class_labels", "feature_names", "summary", "folds"):
        assert getattr(loaded, name) == getattr(split, name)


def test_features_are_stored_as_contiguous_rows_of_doubles():
    split = split_of(classes_table(60, 30, 10))
    for features in (split.train_features, split.test_features):
        assert features.dtype == np.float64 and features.flags.c_contiguous


def test_the_folder_holds_the_arrays_and_a_description(tmp_path):
    write_split(split_of(classes_table(60, 30, 10), seed=9), tmp_path / "split")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["split"]
    names = sorted(path.name for path in (tmp_path / "split").iterdir())
    assert names == sorted([*(f"{array}.npy" for array in ARRAYS), "split.json"])
    description = json.loads((tmp_path / "split" / "split.json").read_text())
    assert description["class_labels"] == ["a", "b", "c"]
    summary = description["summary"]
    expected = {
        "rows": 100,
        "rows_dropped": 0,
        "train_rows": 70,
        "test_rows": 30,
        "features": 2,
        "classes": 3,
        "seed": 9,
        "folds": 5,
        "test_fraction": 0.3,
        "stratified": True,
        "missing": None,
        "categorical": None,
    }
    assert {key: summary[key] for key in expected} == expected


def test_writing_again_replaces_what_was_there(tmp_path):
    for seed in (1, 2):
        write_split(split_of(regression_table(), REGRESSION, seed=seed), tmp_path / "split")
    assert load_split(tmp_path / "split").summary["seed"] == 2


# Real data


def folder_of_pmlb_files(name):
    """Return the folder that holds PMLB's file; without it skip, but fail where CI is set."""
    folder = Path(os.environ.get("PMLB_CACHE") or PROJECT.parent / "shared" / "data" / "pmlb")
    if not (folder / name / f"{name}.tsv.gz").is_file():
        reason = f"PMLB's file of {name} is not in {folder}; name its folder by PMLB_CACHE"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.mark.parametrize("name", ["diabetes", "529_pollen", "kddcup"])
def test_real_data_sets_of_pmlb_are_the_registered_ones_and_can_be_split(name, tmp_path):
    entry = REGISTRY[name]
    table, provenance = fetch_table(name, entry, folder_of_pmlb_files(name), tmp_path)
    assert provenance["sha256"] == provenance["sha256_expected"] == entry["sha256"]
    assert table.shape == (entry["rows"], entry["features"] + 1)
    check_table(name, table, entry, folds=5)

    split = make_split(table, entry, name=name, test_fraction=0.3, folds=5, seed=2023)
    assert len(split.test_target) == np.ceil(0.3 * entry["rows"])
    assert split.train_features.shape[1] == entry["features"]
    assert set(split.fold_of_row) == set(range(5))
    if entry["task"] == "classification":
        assert set(split.train_target) == set(range(entry["classes"]))
    training, _ = split.fold_rows(0)
    mean = split.train_features[training].mean(axis=0)
    assert_allclose(split.feature_mean[0], mean, rtol=1e-6, atol=1e-9)
