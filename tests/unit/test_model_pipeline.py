"""A refitted model takes raw rows, does to them what the split did, and answers in the user's own terms."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sysstop.data.splitting import make_split
from sysstop.models.pipeline import make_predictor
from sysstop.study.algorithms import make_algorithm
from sysstop.trial.refit import refitted
from tests.shipped import ALGORITHMS

ROWS = 120
NET = '''
import numpy as np

class Net:
    """Says of each class how near its mean is; knows nothing of scikit-learn."""

    def __init__(self, shrink):
        self.shrink, self.sums, self.counts = shrink, None, None

    def partial_fit(self, features, target, classes):
        if self.sums is None:
            self.sums = np.zeros((len(classes), features.shape[1]))
            self.counts = np.full(len(classes), self.shrink)
        np.add.at(self.sums, target, features)
        np.add.at(self.counts, target, 1)

    def decision_function(self, features):
        means = self.sums / self.counts[:, None]
        nearness = -((features[:, None] - means) ** 2).sum(axis=2)
        return nearness if len(means) > 2 else nearness[:, 1] - nearness[:, 0]
'''
LINEAR = {"learning_rate": 0.01, "alpha": 0.0001}
CLASSIFIERS = {
    "logistic_regression": LINEAR,
    "support_vector_machine": LINEAR,
    "perceptron": LINEAR,
    "multilayer_perceptron": LINEAR | {"hidden_layer_sizes": [5]},
    "naive_bayes": {"var_smoothing": 0.001},
}
REGRESSORS = {
    "linear_regression": LINEAR,
    "support_vector_regressor": LINEAR,
    "multilayer_perceptron_regressor": LINEAR | {"hidden_layer_sizes": [5]},
}
LABELS = {
    "text": ["setosa", "versicolor", "virginica"],
    "numbers": [3, 10, 20],
    "two texts": ["no", "yes"],
    "truth": [False, True],
}


def flats(rows=ROWS):
    """Columns of every kind, between each other, some cells missing; `quay` occurs in few rows."""
    rng = np.random.default_rng(0)
    area = rng.normal(60, 20, rows)
    table = pd.DataFrame(
        {
            "area": area,
            "district": rng.choice(["harbour", "old town", "quay"], rows, p=[0.6, 0.37, 0.03]),
            "rooms": rng.integers(1, 5, rows),
            "lift": pd.Series(rng.choice([True, False], rows), dtype=object),
            "new": rng.choice([True, False], rows),
            "heating": pd.Categorical(rng.choice(["gas", "wood"], rows)),
        }
    )
    table["target"] = 10 * area + 50 * table["rooms"] + rng.normal(0, 5, rows)
    for column in ("area", "district", "lift", "heating"):
        table.loc[rng.choice(rows, 9, replace=False), column] = None
    return table


def flowers(labels, rows=ROWS):
    rng = np.random.default_rng(1)
    codes = np.arange(rows) % len(labels)
    table = pd.DataFrame(rng.normal(codes[:, None], 1, (rows, 3)), columns=["a", "b", "c"])
    return table.assign(target=[labels[code] for code in codes])


def split_of(table, task, **entry):
    entry = {"task": task, **entry}
    return make_split(table, entry, name="mine", test_fraction=0.3, folds=2, seed=3)


@pytest.fixture
def predictor_of(make_trial):
    """The refit of an algorithm on a split, and what predicts with it."""

    def make(split, algorithm, others=None, **budget):
        trial = make_trial(algorithm, others=others, **budget)
        model = refitted(trial, split)
        return model, make_predictor(model, trial.algorithm)

    return make


def raw_test_rows(table, split):
    return table.drop(columns="target").iloc[split.test_rows]


def features_of(pipeline, rows):
    """What the pipeline makes of raw rows, up to the model."""
    return pipeline[:-1].transform(rows)


def scaled(split, features):
    return (features - split.feature_mean[-1]) / split.feature_scale[-1]


@pytest.mark.parametrize("categorical", ["one_hot", "ordinal"])
def test_raw_rows_become_the_trials_own_features_bit_for_bit(predictor_of, categorical):
    table = flats()
    split = split_of(table, "regression", categorical=categorical, missing="impute")
    _, predictor = predictor_of(split, "linear_regression")
    rows = raw_test_rows(table, split)
    assert rows.isna().any(axis=None)
    expected = scaled(split, split.test_features)
    assert_array_equal(features_of(predictor.pipeline, rows), expected)


def test_columns_may_come_in_another_order_and_with_others_among_them(predictor_of):
    table = flats()
    split = split_of(table, "regression", categorical="one_hot", missing="impute")
    _, predictor = predictor_of(split, "linear_regression")
    rows = raw_test_rows(table, split)
    shuffled = rows[rows.columns[::-1]].assign(note="?")
    predicted = predictor.pipeline.predict(rows)
    assert_array_equal(predictor.pipeline.predict(shuffled), predicted)


@pytest.mark.parametrize(("categorical", "code"), [("one_hot", [0, 0, 0]), ("ordinal", [-1])])
def test_a_category_unseen_in_training_is_none_of_the_known_ones(predictor_of, categorical, code):
    table = flats()
    split = split_of(table, "regression", categorical=categorical, missing="impute")
    _, predictor = predictor_of(split, "linear_regression")
    rows = raw_test_rows(table, split).assign(district="moon")
    columns = [name.startswith("district") for name in split.feature_names]
    found = features_of(predictor.pipeline, rows)[:, columns]
    expected = scaled(split, np.tile(split.test_features[:1], (len(rows), 1)))
    expected[:, columns] = (np.array(code) - split.feature_mean[-1][columns]) / (
        split.feature_scale[-1][columns]
    )
    assert_array_equal(found, expected[:, columns])


@pytest.mark.parametrize("missing", [None, np.nan])
def test_missing_text_is_imputed_however_it_is_written(predictor_of, missing):
    table = flats()
    split = split_of(table, "regression", categorical="one_hot", missing="impute")
    _, predictor = predictor_of(split, "linear_regression")
    rows = raw_test_rows(table, split)
    usual = rows.assign(district="harbour")
    gone = rows.assign(district=pd.Series([missing] * len(rows), rows.index, dtype=object))
    assert_array_equal(predictor.pipeline.predict(gone), predictor.pipeline.predict(usual))


def test_a_missing_number_is_refused_where_none_is_to_be_imputed(predictor_of):
    table = flowers([0, 1])
    _, predictor = predictor_of(split_of(table, "classification"), "logistic_regression")
    with pytest.raises(ValueError, match="NaN"):
        predictor.pipeline.predict(table.drop(columns="target").assign(a=np.nan))


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("algorithm", CLASSIFIERS)
def test_a_classifier_answers_with_the_labels_of_the_raw_table(predictor_of, labels, algorithm):
    table = flowers(labels)
    split = split_of(table, "classification")
    model, predictor = predictor_of(split, algorithm, CLASSIFIERS[algorithm], steps=60)
    rows = raw_test_rows(table, split)
    predicted = predictor.pipeline.predict(rows)
    assert set(predicted.tolist()) <= set(labels)
    scores = model.evaluate(split.test_features, split.test_target, np.arange(len(rows)))
    truth = table["target"].iloc[split.test_rows].to_numpy(dtype=object)
    assert (predicted.astype(object) == truth).mean() == scores["accuracy"] > 1 / len(labels)
    assert not predictor.code


@pytest.mark.parametrize("algorithm", REGRESSORS)
def test_a_regressor_answers_in_the_targets_own_unit(predictor_of, algorithm):
    table = flats()
    split = split_of(table, "regression", categorical="one_hot", missing="impute")
    model, predictor = predictor_of(split, algorithm, REGRESSORS[algorithm], steps=60)
    predicted = predictor.pipeline.predict(raw_test_rows(table, split))
    expected = model.evaluate(split.test_features, split.test_target, np.arange(len(predicted)))
    rmse = np.sqrt(np.mean((predicted - split.test_target) ** 2))
    assert_allclose(rmse, expected["rmse"], rtol=1e-12)
    assert not predictor.code


@pytest.mark.parametrize("labels", [LABELS["text"], LABELS["two texts"]], ids=len)
def test_an_estimator_of_the_users_own_predicts_by_what_its_loss_needs(
    predictor_of, tmp_path, labels
):
    (tmp_path / "mine.py").write_text(NET)
    entry = {
        "estimator": f"{tmp_path}/mine.py:Net",
        "task": "classification",
        "loss": "hinge",
        "parameters": {"shrink": 1.0},
        "hyperparameters": {},
    }
    table = flowers(labels)
    split = split_of(table, "classification")
    model, predictor = predictor_of(split, make_algorithm("net", entry), {})
    rows = raw_test_rows(table, split)
    predicted = predictor.pipeline.predict(rows)
    scores = model.evaluate(split.test_features, split.test_target, np.arange(len(rows)))
    truth = table["target"].iloc[split.test_rows].to_numpy(dtype=object)
    assert (predicted.astype(object) == truth).mean() == scores["accuracy"] > 0.5
    assert NET in predictor.code.values()


def test_the_model_that_was_refitted_is_left_as_it_was(predictor_of):
    split = split_of(flowers(LABELS["text"]), "classification")
    model, _ = predictor_of(split, "logistic_regression")
    assert model.model.classes_.tolist() == [0, 1, 2]


def test_every_shipped_algorithm_is_tried_here():
    assert set(ALGORITHMS) == {*CLASSIFIERS, *REGRESSORS}
