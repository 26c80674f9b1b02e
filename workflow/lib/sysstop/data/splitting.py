"""Split a table into training and test part, and the training part into folds."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler

from sysstop.data.checks import TARGET, check_memory, listed, without_dropped_rows
from sysstop.data.encoding import encoded, fit_columns, plain_cells
from sysstop.data.split import Column, Split
from sysstop.run.errors import UserError
from sysstop.study.studies import rows_for_test


def make_split(
    table: pd.DataFrame,
    entry: Mapping,
    *,
    name: str,
    test_fraction: float,
    folds: int,
    seed: int,
) -> Split:
    """Return the split of a table that `check_table` accepts; the same one for the same seed.

    Classification is stratified by class as far as the classes' sizes allow, and every class has
    at least one row in the training part. Encodings and imputed values are fitted on the training
    part only. A category unknown to it becomes -1 (ordinal) or zeros (one_hot).

    Raises
    ------
    UserError
        Where the training part is too small for its folds or classes, or has no value at all in
        a feature that is to be imputed.
    """
    usable = without_dropped_rows(table.reset_index(drop=True), entry)
    is_classification = entry["task"] == "classification"
    if is_classification:
        target, labels = pd.factorize(usable[TARGET], sort=True)
        target, class_values = target.astype(np.int64), plain_cells(labels)
    else:
        target, class_values = usable[TARGET].to_numpy(dtype=np.float64), []
    class_labels = [str(value) for value in class_values]
    _check_sizes(name, len(usable), len(class_labels), test_fraction, folds)

    if is_classification:
        train_rows, test_rows, split_note = _stratified_rows(
            target, class_labels, test_fraction, seed
        )
        fold_of_row, folds_note = _stratified_folds(target[train_rows], class_labels, folds, seed)
    else:
        train_rows, test_rows = train_test_split(
            np.arange(len(usable)),
            test_size=rows_for_test(len(usable), test_fraction),
            random_state=seed,
        )
        fold_of_row = _fold_of_row(
            KFold(folds, shuffle=True, random_state=seed), target[train_rows]
        )
        split_note = folds_note = "not stratified: a regression has no classes"

    columns = fit_columns(name, usable, train_rows, entry)
    train_features, test_features = _encoded_features(
        name, usable, columns, train_rows, test_rows, impute=entry.get("missing") == "impute"
    )
    feature_mean, feature_scale = _scaling(train_features, fold_of_row, folds)
    if is_classification:
        target_mean, target_scale = np.zeros(folds + 1), np.ones(folds + 1)
    else:
        target_mean, target_scale = (
            statistic[:, 0]
            for statistic in _scaling(target[train_rows, np.newaxis], fold_of_row, folds)
        )
    summary = {
        "rows": len(usable),
        "rows_dropped": len(table) - len(usable),
        "train_rows": len(train_rows),
        "test_rows": len(test_rows),
        "features": train_features.shape[1],
        "features_before_encoding": table.shape[1] - 1,
        "classes": len(class_labels),
        "test_fraction": test_fraction,
        "folds": folds,
        "seed": seed,
        "stratified": all(note.startswith("stratified") for note in (split_note, folds_note)),
        "stratification": {"train_and_test": split_note, "folds": folds_note},
        "missing": entry.get("missing"),
        "categorical": entry.get("categorical"),
    }
    return Split(
        name=name,
        task=entry["task"],
        train_features=train_features,
        train_target=target[train_rows],
        test_features=test_features,
        test_target=target[test_rows],
        fold_of_row=fold_of_row,
        feature_mean=feature_mean,
        feature_scale=feature_scale,
        target_mean=target_mean,
        target_scale=target_scale,
        test_rows=usable.index.to_numpy()[test_rows],
        class_values=class_values,
        columns=columns,
        summary=summary,
    )


def _check_sizes(name: str, rows: int, classes: int, test_fraction: float, folds: int) -> None:
    train_rows = rows - rows_for_test(rows, test_fraction)
    for needed, things in ((folds, "folds (`split.folds`)"), (classes, "classes")):
        if train_rows < needed:
            raise UserError(
                f"Data set '{name}': its training part would have {train_rows} of {rows} rows, "
                f"fewer than there are {things}: {needed}. Lower `split.test_fraction` "
                f"({test_fraction}) or use a larger data set."
            )


def _stratified_rows(
    codes: np.ndarray, class_labels: list[str], test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return training rows, test rows and a note on how small classes were treated."""
    counts = np.bincount(codes)
    # A stratum needs two rows: a class of one row is drawn together with the largest class.
    strata = np.where(counts[codes] < 2, counts.argmax(), codes)
    test_size = rows_for_test(len(codes), test_fraction)
    stratified = len(np.unique(strata)) <= min(test_size, len(codes) - test_size)
    train_rows, test_rows = train_test_split(
        np.arange(len(codes)),
        test_size=test_size,
        stratify=strata if stratified else None,
        random_state=seed,
    )
    moved = _move_absent_classes_into_training(codes, train_rows, test_rows)

    notes = [
        "stratified by class" if stratified else "not stratified: too few rows for the classes"
    ]
    if (counts < 2).any():
        notes.append(f"classes of a single row: {_labels(class_labels, counts < 2)}")
    if moved:
        notes.append(
            "given a training row in exchange for one of the largest class: "
            + listed(class_labels[code] for code in moved)
        )
    only_in_training = ~np.isin(np.arange(len(counts)), codes[test_rows])
    if only_in_training.any():
        notes.append(f"without a test row: {_labels(class_labels, only_in_training)}")
    return train_rows, test_rows, "; ".join(notes)


def _move_absent_classes_into_training(
    codes: np.ndarray, train_rows: np.ndarray, test_rows: np.ndarray
) -> list[int]:
    """Swap rows, in place, until each class has a training row; return the classes moved."""
    absent = np.setdiff1d(codes, codes[train_rows])
    for code in absent:
        into_training = np.flatnonzero(codes[test_rows] == code)[0]
        largest = np.bincount(codes[train_rows]).argmax()
        into_test = np.flatnonzero(codes[train_rows] == largest)[0]
        train_rows[into_test], test_rows[into_training] = (
            test_rows[into_training],
            train_rows[into_test],
        )
    return absent.tolist()


def _stratified_folds(
    codes: np.ndarray, class_labels: list[str], folds: int, seed: int
) -> tuple[np.ndarray, str]:
    """Return the fold of each training row and a note on classes too small for every fold."""
    counts = np.bincount(codes)
    if counts.max() < folds:
        splitter = KFold(folds, shuffle=True, random_state=seed)
        return _fold_of_row(splitter, codes), "not stratified: no class has a row for each fold"
    with warnings.catch_warnings():
        # The note says so instead.
        warnings.filterwarnings("ignore", message="The least populated class")
        fold_of_row = _fold_of_row(StratifiedKFold(folds, shuffle=True, random_state=seed), codes)
    note = "stratified by class"
    if (counts < folds).any():
        note += f"; not in every fold: {_labels(class_labels, counts < folds)}"
    return fold_of_row, note


def _labels(class_labels: list[str], chosen: np.ndarray) -> str:
    return listed(class_labels[code] for code in np.flatnonzero(chosen))


def _fold_of_row(splitter: KFold | StratifiedKFold, target: np.ndarray) -> np.ndarray:
    fold_of_row = np.empty(len(target), dtype=np.int16)
    for fold, (_, validation_rows) in enumerate(splitter.split(target, target)):
        fold_of_row[validation_rows] = fold
    return fold_of_row


def _encoded_features(
    name: str,
    table: pd.DataFrame,
    columns: Sequence[Column],
    train_rows: np.ndarray,
    test_rows: np.ndarray,
    *,
    impute: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return training features and test features (float64, C order).

    The arrays are filled column by column, so that no second copy of the table is ever held.
    """
    features = sum(len(column.feature_names) for column in columns)
    check_memory(
        name,
        f"its {features} features after encoding",
        8 * len(table) * features,
        f"Set `datasets.{name}.categorical` to `ordinal`, or remove columns of many categories",
    )
    train_features = np.empty((len(train_rows), features))
    test_features = np.empty((len(test_rows), features))
    first = 0
    for column in columns:
        values = encoded(column, table[column.name], impute=impute)
        end = first + values.shape[1]
        train_features[:, first:end] = values[train_rows]
        test_features[:, first:end] = values[test_rows]
        first = end
    return train_features, test_features


def _scaling(
    values: np.ndarray, fold_of_row: np.ndarray, folds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation, each (k+1) x d, without each fold and of all rows.

    Merged from one fold at a time, so that only one fold's rows are ever copied.
    """
    scalers = [StandardScaler() for _ in range(folds + 1)]
    for fold in range(folds):
        fold_values = values[fold_of_row == fold]
        for left_out, scaler in enumerate(scalers):
            if left_out != fold:
                scaler.partial_fit(fold_values)
    return (
        np.stack([scaler.mean_ for scaler in scalers]),
        np.stack([scaler.scale_ for scaler in scalers]),
    )
