"""The rows that a fold model trains on: the config's check and the real split agree."""

import pytest

from sysstop.study.studies import rows_for_test, rows_of_fold_model


def test_ten_rows_a_test_part_of_three_tenths_and_five_folds():
    train_rows = 10 - rows_for_test(10, 0.3)
    assert (train_rows, rows_of_fold_model(train_rows, 5)) == (7, 5)


@pytest.mark.parametrize("rows", [10, 11, 29, 100, 101])
@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize(("task", "classes"), [("regression", 3), ("classification", 2), ("classification", 3)])  # fmt: skip
def test_every_fold_model_of_a_split_has_at_least_so_many_rows(
    make_random_split, task, classes, rows, folds
):
    split = make_random_split(task, rows=rows, folds=folds, classes=classes)
    least = min(len(split.fold_rows(fold)[0]) for fold in range(folds))
    assert least == rows_of_fold_model(rows - rows_for_test(rows, 0.3), folds)
    assert least == split.fold_train_rows
