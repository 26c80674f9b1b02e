"""Adding an estimator takes an overlay alone: one of scikit-learn, and one in a file of the user's own."""

import re

import pandas as pd
import pytest

from tests.project import copy_project

NET = '''
"""A network of one hidden layer, written with NumPy alone."""

import numpy as np


class Net:
    """Trained by gradient descent on the log loss."""

    def __init__(self, step_size, width, random_state):
        self.step_size, self.width, self.random_state = step_size, width, random_state
        self.weights = None

    def partial_fit(self, features, target, classes):
        """Take one step on a mini-batch."""
        if self.weights is None:
            rng = np.random.default_rng(self.random_state)
            self.weights = [
                rng.normal(0, 0.5, (features.shape[1], self.width)),
                rng.normal(0, 0.5, (self.width, len(classes))),
            ]
        first, second = self.weights
        hidden = np.tanh(features @ first)
        error = self._shares(hidden @ second)
        error[np.arange(len(target)), target] -= 1
        back = error @ second.T * (1 - hidden**2)
        second -= self.step_size / len(target) * hidden.T @ error
        first -= self.step_size / len(target) * features.T @ back

    def predict_proba(self, features):
        """Return the classes' probabilities."""
        return self._shares(np.tanh(features @ self.weights[0]) @ self.weights[1])

    def _shares(self, scores):
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
'''
ALGORITHMS = {
    "small_network": {
        "estimator": "models/mine.py:Net",
        "task": "classification",
        "loss": "log_loss",
        "hyperparameters": {"learning_rate": "step_size", "width": {"values": [2, 64]}},
    },
    "bernoulli": {
        "estimator": "sklearn.naive_bayes.BernoulliNB",
        "task": "classification",
        "loss": "log_loss",
        "hyperparameters": {
            "smoothing": {"parameter": "alpha", "values": [0.1, 1, 10]},
            "fit_prior": {"values": [True, False]},
        },
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = copy_project(tmp_path_factory.mktemp("own"))
    (project.folder / "models").mkdir()
    (project.folder / "models" / "mine.py").write_text(NET)
    project.write_config(
        "own.yaml",
        algorithms=ALGORITHMS,
        study__datasets=["iris"],
        study__algorithms=["small_network", "bernoulli", "logistic_regression"],
        study__arms=["none", "plateau"],
        grid__sample=5,
    )
    return project


@pytest.fixture(scope="module")
def run(project):
    run = project.snakemake("results/report.html", config="own.yaml")
    assert run.returncode == 0, run.stderr
    return project


def table(project, name):
    return pd.read_parquet(project.folder / "results" / "tables" / f"{name}.parquet")


def test_their_trials_are_a_sample_of_their_grid_the_same_in_all_arms(run):
    trials = table(run, "trials")
    counts = trials.groupby(["algorithm", "arm"])["trial_id"].nunique()
    assert counts.to_dict() == {
        (algorithm, arm): 4 if algorithm == "logistic_regression" else 5
        for algorithm in trials["algorithm"].unique()
        for arm in ("none", "plateau")
    }
    assert trials.groupby(["algorithm", "trial_id"])["arm"].nunique().eq(2).all()


def test_the_tables_have_a_column_for_each_hyperparameter_empty_where_there_is_none(run):
    trials = table(run, "trials")
    of = dict(iter(trials.groupby("algorithm")))
    assert set(of["small_network"]["width"]) <= {2.0, 64.0}
    assert set(of["bernoulli"]["fit_prior"]) <= {"true", "false"}
    assert of["bernoulli"][["learning_rate", "width", "alpha"]].isna().all(axis=None)
    assert of["logistic_regression"][["smoothing", "fit_prior", "width"]].isna().all(axis=None)
    assert trials["status"].isin(["completed", "stopped"]).all()


def test_effects_are_those_of_each_algorithms_own_hyperparameters(run):
    effects = table(run, "effects")
    found = effects.groupby("algorithm")["hyperparameter"].unique()
    assert set(found["small_network"]) == {"batch_size", "learning_rate", "width"}
    assert set(found["bernoulli"]) == {"batch_size", "smoothing", "fit_prior"}


def test_the_report_shows_them(run):
    page = (run.folder / "results" / "report.html").read_text()
    assert "Small network" in page
    assert "models/mine.py:Net" in page
    assert re.search(r"at most\s+5\s+configurations", page)


def test_a_change_to_the_users_file_reruns_what_trains_it_and_nothing_else(run):
    file = run.folder / "models" / "mine.py"
    file.write_text(NET + "# another line\n")
    searched = {job[1] for job in run.planned_jobs(config="own.yaml") if job[0] == "search"}
    assert searched
    assert all("small_network" in wildcards for wildcards in searched)
    file.write_text(NET)


def test_a_mistake_in_an_entry_ends_the_run_before_it_begins(run):
    mistaken = ALGORITHMS["small_network"] | {"parameters": {"depth": 3}}
    overlay = run.write_config(
        "mistaken.yaml",
        algorithms=ALGORITHMS | {"small_network": mistaken},
        study__datasets=["iris"],
        study__algorithms=["small_network"],
    )
    failed = run.snakemake("--dry-run", config=overlay)
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "algorithms.small_network.parameters: unknown parameter 'depth' of Net" in said
    assert "Traceback" not in said
