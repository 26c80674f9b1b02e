import os

import numpy as np
import pandas as pd
import pytest

from sysstop.data.split import write_split
from sysstop.data.splitting import make_split
from sysstop.run.job_server import start_servers
from sysstop.search.ray_head import private_environment
from sysstop.study.studies import Budget, Configuration, Trial
from tests.shipped import ALGORITHMS, point

# Ray reads this when it is imported, so it comes before any test module.
os.environ |= private_environment(os.getpid())

ENTRY = {"source": "synthetic"}


def random_table(task, rows=300, features=5, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(loc=3.0, scale=2.0, size=(rows, features))
    table = pd.DataFrame(values, columns=[f"feature_{i}" for i in range(features)])
    signal = values[:, 0] - values[:, 1] + rng.normal(scale=0.5, size=rows)
    if task == "classification":
        table["target"] = pd.qcut(signal, classes, labels=False)
    else:
        table["target"] = 50 + 10 * signal
    return table


def random_split(task, folds=3, **shape):
    return make_split(
        random_table(task, **shape),
        ENTRY | {"task": task},
        name="random",
        test_fraction=0.3,
        folds=folds,
        seed=1,
    )


@pytest.fixture(scope="session")
def classification_split():
    return random_split("classification")


@pytest.fixture(scope="session")
def regression_split():
    return random_split("regression")


@pytest.fixture(scope="session")
def make_random_split():
    return random_split


@pytest.fixture(scope="session")
def split_folder(classification_split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "split"
    write_split(classification_split, folder)
    return folder


@pytest.fixture
def serve():
    """Start servers of jobs, which end with the test."""
    started = []

    def start(modules):
        started.append(start_servers(modules))
        return started[-1]

    yield start
    for server in started:
        server.kill()
        server.wait()


@pytest.fixture
def make_trial():
    def make(
        algorithm="logistic_regression",
        batch_size=8,
        learning_rate=0.01,
        others=None,
        nominal_reference_us=500.0,
        nominal_repeated_us=400.0,
        **budget,
    ):
        limits = {"steps": 30, "epochs": None, "seconds": None, "window_steps": 10}
        budget = Budget(**(limits | {"warmup_steps": 2} | budget))
        configuration = point(batch_size, learning_rate)
        if others is not None:
            configuration = Configuration({"batch_size": batch_size, **others})
        if isinstance(algorithm, str):
            algorithm = ALGORITHMS[algorithm]
        nominal = (nominal_reference_us, nominal_repeated_us)
        return Trial(configuration, algorithm, budget, budget.steps, 7, *nominal)

    return make
