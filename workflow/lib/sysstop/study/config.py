"""Check a config before anything runs: every mistake ends in one message naming key and remedy."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import yaml

from sysstop.run.errors import UserError, unknown_name
from sysstop.study.algorithms import ALGORITHMS
from sysstop.study.arms import arm_entry, arm_mistakes
from sysstop.study.metrics import metric_names
from sysstop.study.studies import LOCAL_RAY, planned_pairs, rows_for_test, rows_of_fold_model

MAX_VALUES = 100_000
MAX_DEPTH = 20
MAX_TRIALS = 100_000
# The largest whole number that NumPy and Parquet can hold.
LARGEST_NUMBER = 2**63 - 1

# JSON Schema takes 2.0 for an integer; Python's range() does not.
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def check_config(config: Mapping[str, Any], schemas: Path) -> None:
    """Check a complete config, data sets included, against the schemas and against itself.

    Raises `UserError` that lists every mistake found, one line each.
    """
    mistakes = list(_value_mistakes(config))
    if not mistakes:
        mistakes += _schema_mistakes(config, schemas / "config.schema.yaml", "")
        mistakes += _schema_mistakes(
            config.get("datasets", {}), schemas / "datasets.schema.yaml", "datasets"
        )
    if not mistakes:
        mistakes += _name_mistakes(config)
    if not mistakes:
        mistakes += _pair_mistakes(config)
        mistakes += _grid_mistakes(config["grid"])
        mistakes += _batch_size_mistakes(config)
        mistakes += _constraint_mistakes(config["constraints"])
        mistakes += _ray_address_mistakes(config["search"]["ray_address"])
        mistakes += _tracking_mistakes(config["tracking"]["uri"])
        for name in config["study"]["arms"]:
            arm, here = arm_entry(config, name), config["search"]["ray_address"] == LOCAL_RAY
            mistakes += arm_mistakes(name, arm, config["budget"], here)
    if mistakes:
        raise UserError("The config cannot be used:\n" + "\n".join(f"  - {m}" for m in mistakes))


def _value_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what no schema can: names that are no text, numbers that are none, and endless nesting.

    YAML's aliases can make a small file hold more values than there is memory, or hold itself, so
    nothing may walk through a config before its values have been counted.
    """
    left, seen = [("", config, 0)], 0
    while left:
        key, value, depth = left.pop()
        seen += 1
        if isinstance(value, Mapping):
            for name in value:
                if not isinstance(name, str):
                    yield f"{key or 'config'}: the key {name!r} is no text; write it in quotes"
            left += [(f"{key}.{name}".lstrip("."), part, depth + 1) for name, part in value.items()]
        elif isinstance(value, list):
            left += [(f"{key}.{place}", part, depth + 1) for place, part in enumerate(value)]
        elif isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:
            found = value if isinstance(value, float) else f"one of {value.bit_length()} bits"
            yield f"{key}: a finite number up to {LARGEST_NUMBER:g} is needed, found {found}"
        elif not isinstance(value, str | int | float | None):
            yield f"{key}: found {value!r}, of the type {type(value).__name__}; write it in quotes"
        if depth > MAX_DEPTH or seen + len(left) > MAX_VALUES:
            yield (
                f"{key}: the config has more than {MAX_VALUES} values or {MAX_DEPTH} levels; "
                "does an alias of YAML repeat or hold itself?"
            )
            return


def _schema_mistakes(value: Any, schema_file: Path, prefix: str) -> Iterator[str]:
    schema = yaml.safe_load(schema_file.read_text())
    for error in Validator(schema).iter_errors(value):
        key = ".".join(filter(None, [prefix, *map(str, error.absolute_path)])) or "config"
        yield _schema_message(key, error)


def _schema_message(key: str, error: jsonschema.ValidationError) -> str:
    description = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    meaning = f" ({description.rstrip('.')})" if description else ""
    if error.validator == "additionalProperties":
        allowed = error.schema.get("properties", {})
        unknown = [name for name in error.instance if name not in allowed]
        return "; ".join(unknown_name(f"key {key}.{name}", name, allowed) for name in unknown)
    if error.validator == "contains":
        return f"{key}: must contain {error.schema['contains']['const']!r}{meaning}"
    if error.validator == "anyOf":
        choices = " or ".join(sorted({branch.message for branch in error.context}))
        return f"{key}: found {error.instance!r}: {choices}{meaning}"
    return f"{key}: {error.message}{meaning}"


def _name_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    study = config["study"]
    known_names = {
        "datasets": config["datasets"],
        "algorithms": ALGORITHMS,
        "arms": config["arms"],
    }
    for key, known in known_names.items():
        for name in study[key]:
            if name not in known:
                yield unknown_name(f"name '{name}' in study.{key}", name, known)


def _pair_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    pairs = planned_pairs(config)
    for dataset in config["study"]["datasets"]:
        if dataset not in {pair[0] for pair in pairs}:
            task = config["datasets"][dataset]["task"]
            fitting = [a.name for a in ALGORITHMS.values() if a.task == task]
            yield (
                f"study.datasets: no algorithm of study.algorithms does the {task} of '{dataset}'; "
                f"add one of {', '.join(fitting)}, or leave the data set out"
            )
    for algorithm in config["study"]["algorithms"]:
        if algorithm not in {pair[1] for pair in pairs}:
            yield (
                f"study.algorithms: '{algorithm}' does {ALGORITHMS[algorithm].task}, which is the "
                "task of no data set in study.datasets; leave it out, or add such a data set"
            )


def _grid_mistakes(grid: Mapping[str, Any]) -> Iterator[str]:
    for key in ("learning_rate", "alpha"):
        first_of: dict[str, float] = {}
        for value in grid[key]:
            # Six digits are what the names of trials show.
            first = first_of.setdefault(f"{value:g}", value)
            if first is not value:
                yield f"grid.{key}: {first!r} and {value!r} agree in six digits; remove one of them"
    batch_sizes = grid["batch_size"]
    sizes = 1 if batch_sizes == "powers_of_two" else len(batch_sizes)
    trials = sizes * len(grid["learning_rate"]) * len(grid["alpha"])
    if trials > MAX_TRIALS:
        yield f"grid: {trials} trials in each study; at most {MAX_TRIALS} are possible, so thin it out"


def _batch_size_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    batch_sizes, split = config["grid"]["batch_size"], config["split"]
    if batch_sizes == "powers_of_two":
        return
    for dataset in config["study"]["datasets"]:
        rows = config["datasets"][dataset].get("rows")
        if rows is None:
            continue
        train_rows = rows - rows_for_test(rows, split["test_fraction"])
        fold_rows = rows_of_fold_model(train_rows, split["folds"])
        if max(batch_sizes) > fold_rows:
            yield (
                f"grid.batch_size: {max(batch_sizes)} is larger than the {fold_rows} rows that a "
                f"fold model of '{dataset}' trains on; use at most that, or `powers_of_two`"
            )


def _constraint_mistakes(constraints: Mapping[str, float]) -> Iterator[str]:
    for metric in constraints:
        if metric not in metric_names("system"):
            yield unknown_name(
                f"system metric in constraints.{metric}", metric, metric_names("system")
            )


def _ray_address_mistakes(address: str) -> Iterator[str]:
    if "://" in address:
        yield (
            f"search.ray_address: found '{address}'; a Ray Client address cannot be used, because the "
            "search itself would run elsewhere. Run Snakemake on a node of the cluster and give the "
            f"address of its head, as in 10.0.0.1:6379, or `{LOCAL_RAY}` for a private Ray"
        )


def _tracking_mistakes(uri: str | None) -> Iterator[str]:
    if uri is None and not os.environ.get("MLFLOW_TRACKING_URI"):
        yield (
            "tracking.uri: found null, which stands for the environment variable MLFLOW_TRACKING_URI, "
            "and that is not set; set it, or give a database or a tracking server here"
        )
    try:
        parts = urlsplit(uri or "")
    except ValueError as error:
        yield f"tracking.uri: found an address that cannot be read: {error}"
        return
    if parts.password or "password" in parse_qs(parts.query):
        yield (
            f"tracking.uri: holds a password, which does not belong into a config. Take it out "
            f"('{parts.scheme}://{parts.hostname}...'): a tracking server's user and password are taken "
            "from the environment variables MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; "
            "for a database write null and put its whole address into MLFLOW_TRACKING_URI"
        )
