"""Any estimator with partial_fit: of scikit-learn, or of a user's own file, with losses that fit it."""

import math
import textwrap
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.linear_model import SGDClassifier, SGDRegressor

from sysstop.study.algorithms import file_digest, make_algorithm
from sysstop.study.losses import LOSSES
from sysstop.study.metrics import metric_names
from sysstop.study.status import Status
from sysstop.trial.training import FoldModel, train
from tests.shipped import ALGORITHMS, ENTRIES, point

HYPERPARAMETERS = {
    "multilayer_perceptron": {
        "learning_rate": 0.1,
        "alpha": 0.001,
        "hidden_layer_sizes": [8, 4],
    },
    "multilayer_perceptron_regressor": {
        "learning_rate": 0.01,
        "alpha": 0.001,
        "hidden_layer_sizes": [8],
    },
    "naive_bayes": {"var_smoothing": 0.001},
    "perceptron": {"learning_rate": 0.01, "alpha": 0.0001},
}
NEAREST_MEAN = """
    import numpy as np

    class NearestMean:
        '''Predicts the class whose mean is nearest; forgets old samples at a rate.'''

        def __init__(self, rate, breaks=""):
            self.rate, self.breaks, self.means = rate, breaks, None

        def partial_fit(self, features, target, classes):
            if self.breaks:
                raise FloatingPointError(self.breaks)
            if self.means is None:
                self.means = np.zeros((len(classes), features.shape[1]))
            for row, label in zip(features, target):
                self.means[label] += self.rate * (row - self.means[label])

        def predict_proba(self, features):
            distances = ((features[:, None, :] - self.means) ** 2).sum(axis=2)
            shares = np.exp(distances.min(axis=1, keepdims=True) - distances)
            return shares / shares.sum(axis=1, keepdims=True)
"""
WRAPPED = """
    from sklearn.linear_model import SGDClassifier

    class Wrapped:
        '''A linear model that does not look like one.'''

        def __init__(self):
            inner = SGDClassifier(random_state=0)
            self.partial_fit, self.score = inner.partial_fit, inner.score
            self.decision_function, self.predict = inner.decision_function, inner.predict
"""


def split_of(algorithm, classification_split, regression_split):
    return classification_split if algorithm.task == "classification" else regression_split


@pytest.mark.parametrize(
    ("name", "kind", "loss"),
    [
        ("linear_regression", SGDRegressor, "squared_error"),
        ("logistic_regression", SGDClassifier, "log_loss"),
        ("support_vector_machine", SGDClassifier, "hinge"),
        ("support_vector_regressor", SGDRegressor, "epsilon_insensitive"),
    ],
)
def test_linear_models_are_made_as_ever(name, kind, loss):
    model = ALGORITHMS[name].make_model(point(8, 0.1, 0.01).values, seed=7)
    expected = kind(
        loss=loss,
        penalty="l2",
        alpha=0.01,
        learning_rate="constant",
        eta0=0.1,
        shuffle=False,
        random_state=7,
    )
    assert type(model) is kind
    assert model.get_params() == expected.get_params()


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_a_shipped_algorithm_learns_and_reports_every_metric(
    name, classification_split, regression_split, make_trial
):
    algorithm = ALGORITHMS[name]
    split = split_of(algorithm, classification_split, regression_split)
    trial = make_trial(name, 32, others=HYPERPARAMETERS[name], steps=300, window_steps=150)
    *_, last = train(trial, split)
    assert last.end.status == Status.COMPLETED
    assert set(last.metrics) == set(metric_names())
    assert math.isfinite(last.metrics["val_loss"])
    if algorithm.task == "classification":
        assert last.metrics["accuracy"] > 0.6  # a third of it by guessing
    else:
        assert last.metrics["rmse"] < split.test_target.std() / 2


def test_the_same_seed_gives_the_same_network(classification_split, make_trial):
    trial = make_trial("multilayer_perceptron", others=HYPERPARAMETERS["multilayer_perceptron"])
    first, second = ([w.losses for w in train(trial, classification_split)] for _ in range(2))
    assert np.array_equal(first, second)


def test_a_network_takes_the_whole_mini_batch_at_once(classification_split, make_trial):
    others = HYPERPARAMETERS["multilayer_perceptron"]
    trial = make_trial("multilayer_perceptron", 150, others=others)
    model = FoldModel(trial, classification_split, fold=0)
    model.fit_batch()
    assert model.model.batch_size == 150
    assert model.model.t_ == 150  # samples of one update of the weights


def test_a_networks_log_loss_and_accuracy_are_scikit_learns(classification_split, make_trial):
    split, others = classification_split, HYPERPARAMETERS["multilayer_perceptron"]
    model = FoldModel(make_trial("multilayer_perceptron", 16, others=others), split, fold=0)
    for _ in range(20):
        model.fit_batch()
    rows = model.validation_rows
    found = model.evaluate(split.train_features, split.train_target, rows)
    features, target = model.scaled(split.train_features, rows), split.train_target[rows]
    expected = sklearn_metrics.log_loss(target, model.model.predict_proba(features))
    assert found["val_loss"] == pytest.approx(expected)
    assert found["accuracy"] == model.model.score(features, target)


def test_a_network_whose_weights_overflow_diverged(regression_split, make_trial):
    others = HYPERPARAMETERS["multilayer_perceptron_regressor"] | {"learning_rate": 1e10}
    *_, last = train(make_trial("multilayer_perceptron_regressor", others=others), regression_split)
    assert last.end.status == Status.DIVERGED


@pytest.mark.parametrize("name", ["perceptron", "hinge", "zero_one"])
@pytest.mark.parametrize("classes", [2, 4])
def test_a_loss_of_scores_or_of_classes_serves_other_estimators_too(
    name, classes, make_random_split, make_trial, own_file
):
    split = make_random_split("classification", classes=classes)
    wrapped = replace(own_file(WRAPPED, "Wrapped"), loss_name=name, passed_on={})
    model = FoldModel(make_trial(wrapped, 16), split, fold=0)
    batch = model.fit_batch()
    assert model.batch_loss(*batch) >= 0
    found = model.evaluate(split.train_features, split.train_target, model.train_rows)
    features = model.scaled(split.train_features, model.train_rows)
    assert found["accuracy"] == model.model.score(features, split.train_target[model.train_rows])


def test_the_log_loss_of_what_is_not_finite_is_not_finite_either():
    outputs, target = np.array([[np.nan, np.nan], [0.5, 0.5]]), np.array([0, 1])
    assert math.isnan(LOSSES["log_loss"].mean(outputs, target))


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    """A function that writes a user's own file and returns the algorithm of an entry that names it."""
    monkeypatch.chdir(tmp_path)

    def write(text=NEAREST_MEAN, name="NearestMean", **parameters):
        (tmp_path / "mine.py").write_text(textwrap.dedent(text))
        entry = ENTRIES["logistic_regression"] | {
            "estimator": f"mine.py:{name}",
            "parameters": parameters,
            "hyperparameters": {"pace": {"parameter": "rate", "values": [0.1, 0.01]}},
        }
        return make_algorithm("nearest_mean", entry)

    return write


def test_an_estimator_written_with_numpy_alone_in_a_users_file_is_trained(
    own_file, classification_split, make_trial
):
    trial = make_trial(own_file(), 16, others={"pace": 0.01}, steps=300, window_steps=150)
    *_, last = train(trial, classification_split)
    assert last.end.status == Status.COMPLETED
    assert last.metrics["accuracy"] > 0.6


def test_a_search_trains_the_file_as_it_was_when_it_began(
    own_file, classification_split, make_trial
):
    trial = make_trial(own_file(), others={"pace": 0.1})
    own_file("raise RuntimeError")
    *_, last = train(trial, classification_split)
    assert last.end.status == Status.COMPLETED


def test_a_change_to_the_file_changes_its_digest(own_file):
    own_file()
    before = file_digest("mine.py:NearestMean")
    own_file(NEAREST_MEAN + "# more")
    assert file_digest("mine.py:NearestMean") != before
    assert file_digest("sklearn.naive_bayes.GaussianNB") == ""


def test_an_estimator_that_gives_up_with_a_floating_point_error_diverged(
    own_file, classification_split, make_trial
):
    trial = make_trial(own_file(breaks="no more digits"), others={"pace": 0.1})
    *_, last = train(trial, classification_split)
    assert (last.end.status, last.end.reason) == (Status.DIVERGED, "no more digits")


def test_any_other_error_of_an_estimator_is_its_own(own_file, classification_split, make_trial):
    text = NEAREST_MEAN.replace("FloatingPointError", "KeyError")
    trial = make_trial(own_file(text, breaks="key"), others={"pace": 0.1})
    with pytest.raises(KeyError):
        list(train(trial, classification_split))
