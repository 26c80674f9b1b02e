"""Check a config before anything runs: each mistake gets one message that names key and remedy."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sysstop.data.sources import data_sets_type
from sysstop.plan.config_schema import checked_section
from sysstop.run.errors import UserError, unknown_name
from sysstop.study.algorithms import own_file
from sysstop.study.arms import arm_mistakes, given_arm
from sysstop.study.config import SECTIONS
from sysstop.study.config_section import LARGEST_NUMBER
from sysstop.study.hyperparameters import (
    BATCH_SIZE,
    SAMPLE,
    algorithm_grid,
)
from sysstop.study.keys import RESERVED
from sysstop.study.metrics import metric_names
from sysstop.study.studies import (
    LOCAL_RAY,
    grid_size,
    planned_pairs,
    rows_for_test,
    rows_of_fold_model,
)

MAX_TRIALS = 100_000
MAX_VALUES = 100_000
MAX_DEPTH = 20


def config_sections() -> dict[str, Any]:
    """Return the type of each section of the config."""
    return {**SECTIONS, "datasets": data_sets_type()}


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete config, data sets included, with its defaults, checked.

    Strings that denote numbers, booleans or null become these, unless the key takes a string.
    Raises a `UserError` that lists every mistake found, one line each.
    """
    mistakes = list(_value_mistakes(config))
    if mistakes:
        raise _refusal(mistakes)
    sections = config_sections()
    mistakes = [
        unknown_name(f"key config.{key}", key, sections) for key in config if key not in sections
    ]
    checked = {}
    for key, kind in sections.items():
        section, found = checked_section(kind, config.get(key, {}), key)
        mistakes += found
        if not found:
            checked[key] = TypeAdapter(kind).dump_python(section, by_alias=True)
    mistakes += _mistakes_between_sections(checked)
    if mistakes:
        raise _refusal(mistakes)
    return checked


def _refusal(mistakes: Collection[str]) -> UserError:
    return UserError("The config cannot be used:\n" + "\n".join(f"  - {m}" for m in mistakes))


def _value_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what no section can hold: keys that are not strings, endless numbers, endless nesting.

    YAML's aliases can make a small file hold more values than fit into memory, or contain itself,
    so nothing may walk through a config before its values have been counted.
    """
    left, seen = [("", config, 0)], 0
    while left:
        key, value, depth = left.pop()
        seen += 1
        if isinstance(value, Mapping):
            for name in value:
                if not isinstance(name, str):
                    yield f"{key or 'config'}: the key {name!r} is not a string; write it in quotes"
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
                "does a YAML alias repeat or contain itself?"
            )
            return


def _mistakes_between_sections(checked: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not fit together, where the sections concerned have no other mistakes."""

    def sound(*sections: str) -> bool:
        return all(section in checked for section in sections)

    unknown = set()
    for key, known in (
        ("datasets", checked.get("datasets")),
        ("algorithms", checked.get("algorithms")),
        ("arms", checked.get("arms")),
    ):
        if not sound("study") or known is None:
            continue
        for name in checked["study"][key]:
            if name not in known:
                unknown.add(key)
                yield unknown_name(f"name '{name}' in study.{key}", name, known)
    pairs_known = not unknown & {"datasets", "algorithms"}
    if sound("study", "datasets", "algorithms") and pairs_known:
        yield from _pair_mistakes(checked)
    if sound("algorithms", "grid"):
        yield from _grid_key_mistakes(checked)
    if sound("study", "algorithms", "grid") and "algorithms" not in unknown:
        mistakes = list(_hyperparameter_mistakes(checked))
        yield from mistakes
        if sound("datasets", "split") and pairs_known and not mistakes:
            yield from dict.fromkeys(_grid_mistakes(checked))
    if sound("study", "arms", "constraints", "budget", "search") and "arms" not in unknown:
        here = checked["search"]["ray_address"] == LOCAL_RAY
        constraints, budget = checked["constraints"], checked["budget"]
        for name in checked["study"]["arms"]:
            arm = given_arm(checked, name)
            yield from arm_mistakes(name, arm, constraints, budget, here)


def _pair_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    pairs = planned_pairs(config)
    for dataset in config["study"]["datasets"]:
        if dataset not in {pair[0] for pair in pairs}:
            task = config["datasets"][dataset]["task"]
            fitting = [a for a, entry in config["algorithms"].items() if entry["task"] == task]
            yield (
                f"study.datasets: no algorithm of study.algorithms does the {task} of '{dataset}'; "
                f"add one of {', '.join(fitting)}, or leave the data set out"
            )
    for algorithm in config["study"]["algorithms"]:
        if algorithm not in {pair[1] for pair in pairs}:
            yield (
                f"study.algorithms: '{algorithm}' does {config['algorithms'][algorithm]['task']}, "
                "which is the task of no data set in study.datasets; leave it out, or add such a data "
                "set"
            )


def _grid_key_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of the grid that are no hyperparameter of any algorithm."""
    known = {BATCH_SIZE, SAMPLE, "learning_rate", "alpha"}
    for entry in config["algorithms"].values():
        known |= set(entry["hyperparameters"])
    for name in config["grid"]:
        if name not in known:
            yield unknown_name(f"key grid.{name}", name, known)


def _hyperparameter_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the hyperparameters of the algorithms in the study."""
    for algorithm in config["study"]["algorithms"]:
        entry = config["algorithms"][algorithm]
        place = f"algorithms.{algorithm}"
        file = own_file(entry["estimator"])
        if file is not None and not file.is_file():
            yield (
                f"{place}.estimator: there is no file '{file}' in the working directory "
                f"({Path.cwd()}); correct the path"
            )
        for name, given in entry["hyperparameters"].items():
            if name in RESERVED or name in metric_names() or name == SAMPLE:
                yield (
                    f"{place}.hyperparameters.{name}: the tables have a column of that name; choose "
                    f"another name, with `parameter: {given['parameter'] or name}`"
                )
            elif given["values"] is None and name not in config["grid"]:
                yield (
                    f"{place}.hyperparameters.{name}: has no values; add `values` there, or a list "
                    f"grid.{name}"
                )


def _grid_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield grids of too many trials, and batches larger than the rows that a fold model trains on."""
    split = config["split"]
    for dataset, algorithm in planned_pairs(config):
        grid, rows = algorithm_grid(config, algorithm), config["datasets"][dataset].get("rows")
        trials = grid_size(grid, 2)
        if grid[SAMPLE] is not None:
            trials = min(trials, grid[SAMPLE])
        if trials > MAX_TRIALS:
            yield (
                f"grid: {trials} trials in each study of '{algorithm}'; at most {MAX_TRIALS} are "
                "possible, so thin it out, or let grid.sample draw some of them"
            )
        # The others go as far as the rows allow.
        if rows is None or not isinstance(grid[BATCH_SIZE], list):
            continue
        train_rows = rows - rows_for_test(rows, split["test_fraction"])
        fold_rows = rows_of_fold_model(train_rows, split["folds"])
        largest = max(grid[BATCH_SIZE])
        if largest > fold_rows:
            yield (
                f"grid.batch_size: {largest} is larger than the {fold_rows} rows that a fold model of "
                f"'{dataset}' trains on; use at most that, `powers_of_two` or `{{up_to_rows: [...]}}`"
            )
