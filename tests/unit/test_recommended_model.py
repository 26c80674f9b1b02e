"""A recommendation becomes a folder that MLflow loads, or one that says why there is no model."""

import json
import sys

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest

from sysstop.analysis.holdout import score_winners
from sysstop.data.splitting import make_split
from sysstop.models.recommended import recommendation_of, write_model
from sysstop.run.errors import UserError
from sysstop.study.algorithms import make_algorithm
from sysstop.study.metrics import metric_names
from sysstop.study.studies import Budget
from tests.shipped import ALGORITHMS, point

BUDGET = Budget(steps=50, epochs=None, seconds=None, window_steps=10, warmup_steps=0)
GRID = {"batch_size": [8], "learning_rate": [0.01, 1e3], "alpha": [0.0001]}
GOOD, DIVERGING = (point(8, rate).trial_id for rate in GRID["learning_rate"])
ENTRY = {"task": "regression", "categorical": "one_hot", "missing": "impute"}
SHAKY = '''
import numpy as np
from sklearn.linear_model import SGDRegressor

class Shaky(SGDRegressor):
    """Predicts something else each time."""

    def predict(self, features):
        return super().predict(features) + np.random.normal(size=len(features))
'''
UNUSUAL = '''
from sklearn.linear_model import SGDRegressor

class Unusual(SGDRegressor):
    """Has something that only a pickle of its code can hold."""

    def __init__(self, **parameters):
        super().__init__(**parameters)
        self.double = lambda numbers: 2 * numbers
'''


def flats(rows=60):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "rooms": rng.integers(1, 5, rows),
            "area": rng.normal(60, 20, rows),
            "district": rng.choice(["harbour", "old town"], rows),
            "balcony": pd.Series(rng.choice([True, False, None], rows), dtype=object),
        }
    )
    table["target"] = 10 * table["area"] + 50 * table["rooms"]
    table.loc[3:9, ["area", "district"]] = None
    return table


TABLE = flats()


@pytest.fixture(scope="module")
def split():
    return make_split(TABLE, ENTRY, name="flats", test_fraction=0.3, folds=2, seed=1)


def trial(repetition=1, trial_id=GOOD, **columns):
    return {
        "dataset": "flats",
        "algorithm": "linear_regression",
        "arm": "none",
        "repetition": repetition,
        "trial_id": trial_id,
        "status": "completed",
        "steps_used": 50,
        "mlflow_run_id": f"run-{repetition}",
        **dict.fromkeys(metric_names("quality"), np.nan),
        **dict.fromkeys(metric_names("system"), 1.0),
        "rmse": 12.5,
        "score": -12.5,
        "memory_mb": 100.0 + repetition,
    } | columns


def recommendation(constraints=None, trials=(), **columns):
    """What the tables recommend, after two repetitions, if nothing else is said."""
    trials = pd.DataFrame(trials or [trial(1), trial(2)])
    row = {
        "dataset": "flats",
        "algorithm": "linear_regression",
        "trial_id": GOOD,
        "score": -12.0,
        **trials[metric_names("system")].median(),
    } | columns
    names = ("flats", "linear_regression")
    return recommendation_of(pd.DataFrame([row]), trials, *names, constraints or {})


def written(folder, split, what=None, **changes):
    searched = {
        "algorithm": ALGORITHMS["linear_regression"],
        "grid": GRID,
        "budget": BUDGET,
        "seed": 1,
    }
    return write_model(folder, what or recommendation(), split, TABLE, **searched | changes)


def own(tmp_path, text, name):
    """An algorithm of the user's own in a file."""
    (tmp_path / "mine.py").write_text(text)
    entry = {
        "estimator": f"{tmp_path}/mine.py:{name}",
        "task": "regression",
        "loss": "squared_error",
        "parameters": {"learning_rate": "constant", "eta0": 0.01},
        "hyperparameters": {},
    }
    return make_algorithm("linear_regression", entry)


def rows_of(split):
    return TABLE.drop(columns="target").iloc[split.test_rows]


def test_the_stored_model_reaches_the_test_score_of_the_tables(tmp_path, split):
    folder = tmp_path / "model"
    description = written(folder, split)
    winner = trial(1, score=-12.5)
    (score,) = score_winners(
        pd.DataFrame([winner]),
        split,
        algorithm=ALGORITHMS["linear_regression"],
        grid=GRID,
        budget=BUDGET,
        seed=1,
    )["test_score"]
    assert description["scores"]["test"]["score"] == score
    predicted = mlflow.pyfunc.load_model(str(folder)).predict(rows_of(split))
    rmse = np.sqrt(np.mean((predicted - split.test_target) ** 2))
    assert rmse == pytest.approx(-score, rel=1e-12)


def test_the_folder_says_what_the_model_takes_what_it_needs_and_what_is_trusted(tmp_path, split):
    written(tmp_path / "model", split)
    model = mlflow.models.Model.load(str(tmp_path / "model"))
    types = {spec.name: str(spec.type) for spec in model.get_input_schema()}
    assert types["rooms"] == "DataType.long"
    assert types["area"] == "DataType.double"
    assert types["district"] == "DataType.string"
    assert list(types) == ["rooms", "area", "district", "balcony"]
    assert model.flavors["sklearn"]["serialization_format"] == "skops"
    assert set(model.flavors["sklearn"]["skops_trusted_types"] or ()) <= {"numpy.dtype"}
    assert model.flavors["sklearn"]["code"] is None
    needed = (tmp_path / "model" / "requirements.txt").read_text()
    assert "scikit-learn==" in needed and "skops==" in needed
    example = model.load_input_example(str(tmp_path / "model"))
    assert example["district"].item() in {"harbour", "old town"}
    usual = rows_of(split)["area"].median()
    assert example["area"].item() == pytest.approx(usual, rel=0.5)


def test_its_description_has_scores_metrics_and_by_how_much_the_worst_repetition_keeps_limits(
    tmp_path, split
):
    description = written(tmp_path / "model", split, recommendation({"memory_mb": 110}))
    assert json.loads((tmp_path / "model" / "model.json").read_text()) == description
    assert description["model"] and description["reason"] == ""
    assert description["hyperparameters"] == {
        "batch_size": 8,
        "learning_rate": 0.01,
        "alpha": 0.0001,
    }
    assert description["constraints"] == {"memory_mb": {"limit": 110, "value": 102, "margin": 8}}
    assert description["system_metrics"]["memory_mb"] == 101.5
    assert description["scores"]["validation"]["score"] == -12.5
    assert description["scores"]["validation_over_repetitions"] == -12
    assert description["scores"]["validation"]["accuracy"] is None
    assert description["trial"]["mlflow_run_id"] == "run-1"


def test_where_nothing_keeps_the_limits_there_is_no_model_and_the_folder_says_so(tmp_path, split):
    what = recommendation({"memory_mb": 50}, trial_id="")
    description = written(tmp_path / "model", split, what)
    assert [file.name for file in (tmp_path / "model").iterdir()] == ["model.json"]
    assert not description["model"]
    assert description["reason"].startswith("None of the 1 configurations keeps the constraints")
    assert description["constraints"]["memory_mb"] == {"limit": 50, "value": 101, "margin": -51}


def test_where_every_trial_failed_there_is_no_model_either(tmp_path, split):
    tables = (
        pd.DataFrame(columns=["dataset", "algorithm"]),
        pd.DataFrame([trial(status="failed")]),
    )
    what = recommendation_of(*tables, "flats", "linear_regression", {"memory_mb": 50})
    description = written(tmp_path / "model", split, what)
    assert description["reason"].startswith("No configuration completed")
    assert description["constraints"]["memory_mb"]["value"] is None


def test_a_configuration_that_diverges_on_the_whole_training_part_is_no_model(tmp_path, split):
    what = recommendation(trials=[trial(1, DIVERGING)], trial_id=DIVERGING)
    description = written(tmp_path / "model", split, what)
    assert [file.name for file in (tmp_path / "model").iterdir()] == ["model.json"]
    assert "diverged on the whole training part" in description["reason"]


def test_a_model_takes_the_place_of_the_one_before(tmp_path, split):
    written(tmp_path / "model", split)
    written(tmp_path / "model", split, recommendation(trial_id=""))
    assert [file.name for file in (tmp_path / "model").iterdir()] == ["model.json"]
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_the_code_of_the_users_own_estimator_goes_along(tmp_path, split):
    text = SHAKY.replace(" + np.random.normal(size=len(features))", "")
    written(tmp_path / "model", split, algorithm=own(tmp_path, text, "Shaky"))
    here = {name for name in sys.modules if name.startswith("own_estimator_")}
    for name in here:  # as in a process that has never seen the file
        del sys.modules[name]
    (tmp_path / "mine.py").unlink()
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert np.isfinite(model.predict(rows_of(split))).all()
    kept = [file.read_text() for file in (tmp_path / "model" / "code").glob("*.py")]
    assert text in kept
    trusted = model.metadata.flavors["sklearn"]["skops_trusted_types"]
    assert any(name.endswith(".Shaky") for name in trusted)


def test_what_skops_cannot_keep_is_pickled_and_the_description_says_so(tmp_path, split):
    algorithm = own(tmp_path, UNUSUAL, "Unusual")
    description = written(tmp_path / "model", split, algorithm=algorithm)
    assert description["serialization"]["format"] == "cloudpickle"
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert np.isfinite(model.predict(rows_of(split))).all()


def test_a_model_that_predicts_something_else_each_time_is_refused(tmp_path, split):
    with pytest.raises(UserError, match=r"'flats'.*test score.*instead of.*check its class"):
        written(tmp_path / "model", split, algorithm=own(tmp_path, SHAKY, "Shaky"))
