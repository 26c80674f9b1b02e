"""Every mistake in a config ends in a message that names the key, what was found and the remedy."""

import copy
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_config

from sysstop.analysis.recommendations import pareto_schema, recommendations_schema
from sysstop.plan.config_check import check_config
from sysstop.results.tables import trials_schema, windows_schema
from sysstop.run.errors import UserError
from sysstop.study.algorithms import make_algorithm
from sysstop.study.config import SECTIONS
from sysstop.study.hyperparameters import algorithm_grid
from sysstop.study.keys import RESERVED
from sysstop.study.metrics import metric_names

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config():
    files = ("config/datasets.yaml", "config/algorithms.yaml", "config/config.yaml")
    parts = [yaml.safe_load((ROOT / file).read_text()) for file in files]
    return copy.deepcopy(parts[0] | parts[1] | parts[2])


def change(config, key, value):
    *path, last = key.split(".")
    for name in path:
        config = config[name]
    config[last] = value


def merged(base, overlay):
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        base[key] = merged(base[key], value) if both else value
    return base


def test_the_full_study_is_accepted(config):
    check_config(config)


@pytest.mark.parametrize("overlay", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_every_config_of_the_project_is_accepted(config, overlay):
    check_config(merged(config, yaml.safe_load(overlay.read_text())))


LIMIT = {"rule": "metric_limit", "metric": "memory_mb"}

MISTAKES = {
    "unknown key": ("study.datsets", ["mnist"], "study.datsets; did you mean 'datasets'?"),
    "unknown section": ("tuning", {}, "unknown key config.tuning"),
    "missing key": (
        "study",
        {"datasets": ["iris"], "arms": ["none"]},
        "study.algorithms: missing, expected a list",
    ),
    "section that is none": ("study", 3, "study: found 3, expected a mapping"),
    "fraction": ("study.repetitions", 2.0, "found 2.0, expected a whole number from 1 to 1000"),
    "repetition twice": ("study.repetitions", [1, 1], "study.repetitions: found 1 twice"),
    "repetition 0": ("study.repetitions", [0], "found 0, expected a whole number from 1 to 1000"),
    "import of something": ("tracking.import", "all", "found 'all', expected true or false"),
    "truth as a number": (
        "budget.steps",
        True,
        "budget.steps: found True, expected a whole number",
    ),
    "null": ("budget.steps", None, "budget.steps: found None, expected a whole number"),
    "number of a unit": (
        "search.trial_timeout_s",
        "5 min",
        "found '5 min', expected a number above 0 and at most 2000000 or null, without a unit",
    ),
    "limit of a unit": (
        "arms.memory",
        {"rule": "metric_limit", "metric": "memory_mb", "limit": "2 GB"},
        "arms.memory.limit: found '2 GB', a number is needed; write it without a unit",
    ),
    "name twice": ("study.datasets", ["iris", "iris"], "study.datasets: found 'iris' twice"),
    "empty list": (
        "grid.alpha",
        [],
        "grid.alpha: found [], expected a list of one or more numbers",
    ),
    "value in a list": (
        "grid.alpha",
        [0.1, -1],
        "grid.alpha.1: found -1, expected a number of at least 0",
    ),
    "name of an arm": ("arms.a/b", {"rule": "none"}, "arms: the name 'a/b' cannot be used"),
    "arm without a rule": (
        "arms.memory",
        {"metric": "memory_mb"},
        "arms.memory: has no rule; give `rule` with its parameters beside it, or `rules`",
    ),
    "unknown source": (
        "datasets.iris.source",
        "sklern",
        "source: found 'sklern', expected `file`, `pmlb`, `sklearn` or `synthetic`; did you mean 'sklearn'?",
    ),
    "no source": (
        "datasets.iris",
        {"task": "regression"},
        "datasets.iris.source: missing, expected `file`, `pmlb`,",
    ),
    "unknown choice": (
        "datasets.iris.type",
        "imag",
        "datasets.iris.type: found 'imag', expected `image` or `tabular`; did you mean 'image'?",
    ),
    "key of another source": ("datasets.iris.path", "x.csv", "unknown key datasets.iris.path; "),
    "name that is no folder": ("datasets./x", {}, "datasets: the name '/x' cannot be used"),
    "wrong type": (
        "budget.steps",
        "many",
        "budget.steps: found 'many', expected a whole number of at least 1 (Training steps",
    ),
    "out of range": (
        "split.folds",
        1,
        "split.folds: found 1, expected a whole number from 2 to 100",
    ),
    "no baseline": ("study.arms", ["memory"], "study.arms: must contain 'none'"),
    "batch size": (
        "grid.batch_size",
        "all",
        "grid.batch_size: found 'all', expected `powers_of_two`, a list of",
    ),
    "batch sizes as far as something else": (
        "grid.batch_size",
        {"up_to": [8]},
        "grid.batch_size: the name 'up_to' cannot be used (Samples in a mini-batch",
    ),
    "batch sizes as far as the rows": (
        "grid.batch_size",
        {"up_to_rows": [0]},
        "grid.batch_size.up_to_rows.0: found 0, expected a whole number of at least 1",
    ),
    "no batch sizes": (
        "grid.batch_size",
        {"up_to_rows": []},
        "grid.batch_size.up_to_rows: found [], expected a list of one or more whole numbers",
    ),
    "unknown data set": (
        "study.datasets",
        ["minst"],
        "'minst' in study.datasets; did you mean 'mni",
    ),
    "unknown metric of a constraint": (
        "constraints",
        {"memory_peak": 512},
        "constraints.memory_peak: unknown system metric 'memory_peak'; did you mean 'memory_peak_mb'?",
    ),
    "constraint of nothing": (
        "constraints",
        {"memory_mb": 0},
        "constraints.memory_mb: found 0, expected a number",
    ),
    "unknown algorithm": ("study.algorithms", ["svm"], "unknown name 'svm' in study.algorithms"),
    "loss of the other task": (
        "algorithms.linear_regression.loss",
        "hinge",
        "algorithms.linear_regression: the loss of a regression is one of `squared_error`",
    ),
    "no estimator": (
        "algorithms.mine",
        {"task": "regression", "loss": "squared_error"},
        "algorithms.mine.estimator: missing, expected an import path such as",
    ),
    "estimator that is no path": (
        "algorithms.linear_regression.estimator",
        "SGDRegressor",
        "algorithms.linear_regression.estimator: found 'SGDRegressor', expected an import path",
    ),
    "file that is not there": (
        "algorithms.linear_regression.estimator",
        "models/none.py:Net",
        "algorithms.linear_regression.estimator: there is no file 'models/none.py'",
    ),
    "hyperparameter without values": (
        "algorithms.linear_regression.hyperparameters.epsilon",
        "epsilon",
        "algorithms.linear_regression.hyperparameters.epsilon: has no values; add `values` there, or a "
        "list grid.epsilon",
    ),
    "values of a kind that is none": (
        "algorithms.linear_regression.hyperparameters.epsilon",
        {"values": [0.1, {}]},
        "algorithms.linear_regression.hyperparameters.epsilon.values.1: found {}; a number, a text",
    ),
    "values whose trials would share a name": (
        "algorithms.linear_regression.hyperparameters.epsilon",
        {"values": ["a b", "a_b"]},
        "epsilon.values: 'a b' and 'a_b' would give trials the same name; remove one of them",
    ),
    "hyperparameter that is a column": (
        "algorithms.linear_regression.hyperparameters.status",
        {"parameter": "epsilon", "values": [1]},
        "hyperparameters.status: the tables have a column of that name; choose another name, with "
        "`parameter: epsilon`",
    ),
    "hyperparameter that is a metric": (
        "algorithms.linear_regression.hyperparameters.memory_mb",
        {"values": [1]},
        "hyperparameters.memory_mb: the tables have a column of that name",
    ),
    "unknown key of a hyperparameter": (
        "algorithms.linear_regression.hyperparameters.epsilon",
        {"value": [1]},
        "hyperparameters.epsilon.value; did you mean 'values'?",
    ),
    "parameter given twice": (
        "algorithms.linear_regression.hyperparameters.rate",
        {"parameter": "eta0", "values": [1]},
        "algorithms.linear_regression: the estimator's parameter 'eta0' is given twice",
    ),
    "hyperparameter kept from the estimator": (
        "algorithms.linear_regression.hyperparameters.alpha",
        {"parameter": None},
        "hyperparameters.alpha.parameter: only a batch size may be kept from the estimator",
    ),
    "batch sizes that are none": (
        "algorithms.linear_regression.hyperparameters.batch_size",
        {"parameter": None, "values": [2, 0.5]},
        "hyperparameters.batch_size.values: found 0.5, whole numbers of at least 1 are needed",
    ),
    "grid of no hyperparameter": (
        "grid.learnin_rate",
        [0.1],
        "unknown key grid.learnin_rate; did you mean 'learning_rate'?",
    ),
    "sample of nothing": ("grid.sample", 0, "grid.sample: found 0, expected a whole number of at"),
    "unknown arm": ("study.arms", ["none", "ram"], "unknown name 'ram' in study.arms"),
    "no algorithm for data": (
        "study.algorithms",
        ["linear_regression"],
        "no algorithm of study.algorithms does the classification of 'mnist'",
    ),
    "no data for algorithm": ("study.datasets", ["mnist"], "'linear_regression' does regression"),
    "batch too large": ("grid.batch_size", [2, 999], "999 is larger than the 429 rows"),
    "unknown rule": ("arms.memory", {"rule": "metric_limits"}, "did you mean 'metric_limit'?"),
    "unknown metric": (
        "arms.memory",
        LIMIT | {"metric": "ram", "limit": 1},
        "unknown metric 'ram'",
    ),
    "metric of another rule": (
        "arms.plateau",
        {"rule": "plateau", "metric": "memory_mb", "patience": 1},
        "'plateau' cannot watch 'memory_mb'; it can watch val_loss",
    ),
    "rule parameter": (
        "arms.memory",
        LIMIT | {"limt": 1},
        "arms.memory.limt; did you mean 'limit'?",
    ),
    "missing parameter": ("arms.plateau", {"rule": "plateau"}, "arms.plateau.patience: missing"),
    "parameter's type": (
        "arms.memory",
        LIMIT | {"limit": "1 GB"},
        "found '1 GB', a number is needed",
    ),
    "no limit": ("arms.memory", LIMIT, "give either `limit`"),
    "two limits": ("arms.memory", LIMIT | {"limit": 1, "quantile": 0.5}, "give either `limit`"),
    "changed baseline": ("arms.none", LIMIT | {"limit": 1}, "arms.none.rule"),
    "password of a server": (
        "tracking.uri",
        "https://me:secret@mlflow.example.org",
        "variables MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    ),
    "password of a database": (
        "tracking.uri",
        "postgresql://me@db/runs?password=secret",
        "write null and put its whole address into MLFLOW_TRACKING_URI",
    ),
    "tracking store in no variable": ("tracking.uri", None, "MLFLOW_TRACKING_URI, and that is not"),
    "address of Ray's client": ("search.ray_address", "ray://head:10001", "as in 10.0.0.1:6379"),
    "baseline parameter": ("arms.none", {"rule": "none", "limit": 1}, "has no parameters"),
}

NEVER_FIRES = {
    "memory beyond the machine": LIMIT | {"limit": 1e9},
    "cpu beyond a core": {"rule": "metric_limit", "metric": "cpu_percent", "limit": 100},
    "quantile of one": LIMIT | {"quantile": 1.0},
    "grace beyond the budget": LIMIT | {"limit": 1, "grace_windows": 9},
    "patience beyond the budget": {"rule": "plateau", "patience": 8},
}


@pytest.mark.parametrize(("key", "value", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_remedy(config, key, value, message, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    change(config, key, value)
    with pytest.raises(UserError) as error:
        check_config(config)
    assert message in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("arm", NEVER_FIRES.values(), ids=NEVER_FIRES)
def test_a_limit_that_can_never_fire_is_refused(config, arm):
    config["arms"]["memory"] = arm
    with pytest.raises(UserError, match=r"arms\.memory"):
        check_config(config)


def test_a_limit_beyond_this_machine_is_accepted_where_a_cluster_runs_the_trials(config):
    config["arms"]["memory"] = LIMIT | {"limit": 1e9}
    config["search"]["ray_address"] = "head:6379"
    check_config(config)


def test_a_tracking_store_without_a_password_is_accepted(config, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@db/runs")
    for uri in ("postgresql://me@db/runs", "https://mlflow.example.org", None):
        config["tracking"]["uri"] = uri
        check_config(config)


def test_a_limit_that_can_just_fire_is_accepted(config):
    config["arms"]["memory"] = {"rule": "plateau", "patience": 7}
    config["arms"]["plateau"] = LIMIT | {"limit": 1, "grace_windows": 8}
    check_config(config)


def test_a_training_time_limit_beyond_the_time_budget_is_refused(config):
    config["budget"]["seconds"] = 5
    config["arms"]["memory"] = {"rule": "metric_limit", "metric": "steady_train_time_s", "limit": 5}
    with pytest.raises(UserError, match=r"budget\.seconds ends trials at 5 s"):
        check_config(config)


def test_one_message_names_all_mistakes(config):
    config["split"]["folds"] = "five"
    config["grid"]["alpha"] = []
    config["study"]["datasets"].append("minst")
    config["arms"]["memory"] = LIMIT
    with pytest.raises(UserError) as error:
        check_config(config)
    for key in (
        "split.folds",
        "grid.alpha",
        "'minst' in study.datasets",
        "arms.memory: give either",
    ):
        assert key in str(error.value)


# Values given as text


def test_texts_are_taken_for_the_numbers_and_nulls_that_they_are(config):
    given = {
        "study": {"repetitions": "2", "seed": "0x10"},
        "grid": {"batch_size": ["8", "32"], "learning_rate": ["1e-3", "0.01"], "alpha": [".5"]},
        "budget": {"epochs": "null", "seconds": "~", "steps": "+800"},
        "arms": {"memory": {"limit": "2e3", "quantile": "null"}},
        "constraints": {"memory_mb": "512"},
        "tracking": {"experiment_prefix": "1"},
        "data": {"pmlb_cache": "null"},
        "datasets": {"iris": {"rows": "150", "classes": "null"}},
    }
    checked = check_config(merged(config, given))
    assert checked["study"]["repetitions"] == 2
    assert checked["study"]["seed"] == 16
    assert checked["grid"] == {
        "batch_size": [8, 32],
        "learning_rate": [0.001, 0.01],
        "alpha": [0.5],
        "sample": None,
    }
    assert (checked["budget"]["epochs"], checked["budget"]["seconds"]) == (None, None)
    assert checked["budget"]["steps"] == 800
    assert checked["arms"]["memory"]["limit"] == 2000
    assert checked["arms"]["memory"]["quantile"] is None
    assert checked["constraints"] == {"memory_mb": 512}
    assert checked["tracking"]["experiment_prefix"] == "1"
    assert checked["data"]["pmlb_cache"] is None
    assert checked["datasets"]["iris"]["rows"] == 150
    assert "classes" not in checked["datasets"]["iris"]


def test_numbers_given_on_the_command_line_are_taken_for_numbers(config):
    """Snakemake passes them on as strings."""
    given = parse_config(["search={workers: 1}", "budget={epochs: null, steps: 800}"])
    assert given["search"]["workers"] == "1"
    checked = check_config(merged(config, given))
    assert checked["search"]["workers"] == 1
    assert checked["budget"]["epochs"] is None
    assert checked["budget"]["steps"] == 800


def test_1e_3_is_a_number(config):
    """In YAML 1.1, which Snakemake reads, it is a string."""
    text = "{grid: {learning_rate: [1e-3]}, arms: {memory: {limit: 2e3, quantile: null}}}"
    checked = check_config(merged(config, yaml.safe_load(text)))
    assert checked["grid"]["learning_rate"] == [0.001]
    assert checked["arms"]["memory"]["limit"] == 2000


def test_numbers_stay_as_they_are_written(config):
    config["budget"]["seconds"] = 5
    config["grid"]["learning_rate"] = [1, 0.5]
    checked = check_config(config)
    assert repr(checked["budget"]["seconds"]) == "5"
    assert repr(checked["grid"]["learning_rate"]) == "[1, 0.5]"


@pytest.mark.parametrize(
    "text", ["", "1,5", "1e", "0b1", "1_000", "5 min", ".inf", "1e999", "9" * 5000]
)
def test_a_text_that_is_no_finite_number_is_refused(config, text):
    config["budget"]["seconds"] = text
    with pytest.raises(
        UserError, match=r"budget\.seconds: found .*, expected a number above 0 or null"
    ):
        check_config(config)


# Defaults


def test_the_full_study_names_every_key_with_its_default(config):
    checked = check_config(config)
    for name, kind in SECTIONS.items():
        if not isinstance(kind, type):
            continue
        fields = {field.alias or key: field for key, field in kind.model_fields.items()}
        assert set(config[name]) == set(fields), name
        for key, field in fields.items():
            if not field.is_required():
                assert checked[name][key] == field.default, f"{name}.{key}"


def test_a_key_that_is_left_out_has_its_default(config):
    del config["budget"]["warmup_steps"], config["tracking"]
    checked = check_config(config)
    assert checked["budget"]["warmup_steps"] == 10
    assert checked["tracking"]["uri"].startswith("sqlite:")


def test_a_hyperparameter_takes_its_own_values_or_the_grids_of_its_name(config):
    entry = config["algorithms"]["linear_regression"]["hyperparameters"]
    entry |= {"epsilon": "epsilon", "average": {"values": ["true", "2e1"]}, "alpha": None}
    entry["batch_size"] = {"parameter": None, "values": ["4", 8]}
    config["grid"]["epsilon"] = ["0.1", 1]
    checked = check_config(config)
    assert algorithm_grid(checked, "linear_regression") == {
        "batch_size": [4, 8],
        "learning_rate": config["grid"]["learning_rate"],
        "epsilon": [0.1, 1],
        "average": [True, 20.0],
        "sample": None,
    }
    assert make_algorithm("a", checked["algorithms"]["linear_regression"]).passed_on == {
        "learning_rate": "eta0",
        "epsilon": "epsilon",
        "average": "average",
    }


def test_a_sample_makes_a_grid_possible_that_is_too_large_to_search(config):
    config["grid"]["learning_rate"] = [10.0**-power for power in range(1, 200)]
    config["grid"]["alpha"] = list(range(1, 999))
    with pytest.raises(UserError, match=r"or let grid\.sample draw some of them"):
        check_config(config)
    config["grid"]["sample"] = 40
    check_config(config)


def test_no_column_of_a_table_can_be_the_name_of_a_hyperparameter():
    levels = {}
    schemas = (
        trials_schema(levels),
        windows_schema(),
        pareto_schema(levels),
        recommendations_schema(levels),
    )
    columns = {name for schema in schemas for name in schema.columns}
    assert columns <= RESERVED | set(metric_names())
