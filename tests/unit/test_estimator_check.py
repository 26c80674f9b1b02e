"""Entries of algorithms are tried before anything runs, and mistakes are named with their place."""

import textwrap

import pytest

from sysstop.plan.estimator_check import check_estimators
from sysstop.run.errors import UserError
from tests.shipped import ENTRIES

GRID = {"batch_size": [8], "learning_rate": [0.1, 0.01], "alpha": [0.001]}


def check(entry, grid=GRID):
    """Check one entry; return the message, or nothing."""
    config = {"algorithms": {"mine": entry}, "grid": grid}
    try:
        check_estimators(config, ["mine"])
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ENTRIES)
def test_every_shipped_algorithm_can_be_trained_with_all_its_values(name):
    assert check(ENTRIES[name]) == ""


def network(**changes):
    """The entry of a multilayer perceptron with some of its parameters or hyperparameters changed."""
    entry = ENTRIES["multilayer_perceptron"]
    hyperparameters = changes.pop("hyperparameters", {})
    return entry | {
        "parameters": entry["parameters"] | changes.pop("parameters", {}),
        "hyperparameters": entry["hyperparameters"] | hyperparameters,
        **changes,
    }


def own(*values, parameter=""):
    return {"parameter": parameter, "values": list(values)}


MISTAKES = {
    "no such module": (
        network(estimator="sklearn.neural.MLPClassifier"),
        "algorithms.mine.estimator: 'sklearn.neural.MLPClassifier' cannot be imported: ModuleNotFound",
    ),
    "no such class": (
        network(estimator="sklearn.neural_network.MLP"),
        "algorithms.mine.estimator: 'sklearn.neural_network.MLP' cannot be imported: AttributeError",
    ),
    "no class": (
        network(estimator="sklearn.metrics.log_loss"),
        "algorithms.mine.estimator: 'sklearn.metrics.log_loss' is no class",
    ),
    "no partial_fit": (
        network(parameters={"solver": "lbfgs"}),
        "MLPClassifier has no partial_fit with these parameters",
    ),
    "unknown parameter": (
        network(parameters={"solvr": "sgd"}),
        "algorithms.mine.parameters: unknown parameter 'solvr' of MLPClassifier; did you mean 'solver'?",
    ),
    "unknown parameter of a hyperparameter": (
        network(hyperparameters={"width": own(1, parameter="widths")}),
        "algorithms.mine.hyperparameters.width: unknown parameter 'widths'",
    ),
    "bad parameter": (
        network(parameters={"early_stopping": True}),
        "algorithms.mine: cannot be used: ValueError: partial_fit does not support early_stopping",
    ),
    "bad value": (
        network(hyperparameters={"activation": own("relu", "rellu")}),
        "algorithms.mine.hyperparameters.activation: rellu cannot be used: InvalidParameterError",
    ),
    "bad first value": (
        network(hyperparameters={"hidden_layer_sizes": own([0], [16])}),
        "algorithms.mine.hyperparameters.hidden_layer_sizes: [0] cannot be used: ValueError",
    ),
    "a loss that it cannot give": (
        network(loss="hinge"),
        "the loss hinge needs decision_function, which MLPClassifier has not",
    ),
}


@pytest.mark.parametrize(("entry", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_the_entry(entry, expected):
    assert expected in check(entry)


def test_a_learning_rate_at_which_a_model_diverges_is_no_mistake():
    entry = ENTRIES["multilayer_perceptron_regressor"]
    assert check(entry, GRID | {"learning_rate": [0.1, 1e10]}) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def", "cannot be imported: SyntaxError"),
        ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError"),
        ("Other = 1", "cannot be imported: AttributeError"),
        ("class Net:\n    pass", "Net has no partial_fit"),
        (
            """
            class Net:
                def partial_fit(self, features, target):
                    pass

                def predict(self, features):
                    return features[:, :1]
            """,
            "predict returns an array of (24, 1), (24,) is needed",
        ),
    ],
)
def test_a_mistake_in_a_users_file_is_named(tmp_path, monkeypatch, text, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(textwrap.dedent(text))
    entry = ENTRIES["linear_regression"] | {"parameters": {}, "hyperparameters": {}}
    assert expected in check(entry | {"estimator": "mine.py:Net"})


def test_an_estimator_whose_predict_fails_is_named_although_its_loss_does_not_need_it(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    text = """
        from sklearn.naive_bayes import GaussianNB

        class Silent(GaussianNB):
            def predict(self, features):
                raise NotImplementedError("no classes")
    """
    (tmp_path / "mine.py").write_text(textwrap.dedent(text))
    message = check(ENTRIES["naive_bayes"] | {"estimator": "mine.py:Silent"})
    assert "cannot be used: NotImplementedError: no classes" in message
