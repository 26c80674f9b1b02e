"""Whatever a config contains, it is refused in one message or its studies can be planned.

The configs are handled as a user's are: Snakemake reads the files and merges them, and
`check_config` decides.
"""

import contextlib
import copy
import functools
import json
import operator
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config
from snakemake_interface_common.exceptions import WorkflowError

from sysstop.plan.config_check import check_config
from sysstop.plan.config_files import check_config_files
from sysstop.run.errors import UserError
from sysstop.study.arms import arm_entry, make_rule, needs_baseline
from sysstop.study.hyperparameters import algorithm_grid
from sysstop.study.studies import Budget, grid_configurations, planned_studies
from tests.hostile.ending import TRIED, assert_clear, folder_of_case, watched
from tests.hostile.hostile_configs import CONFIG, HOSTILE_NAMES, HOSTILE_VALUES, TEXTS
from tests.project import ROOT


def places(value, path=()):
    """The paths of all values in a config, containers too."""
    yield path
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from places(part, (*path, key))


ENOUGH = 200  # inputs that these tests try, at least
PLACES = [path for path in places(CONFIG) if path]


def at(path):
    return functools.reduce(operator.getitem, path, CONFIG)


numbers = st.integers(0, 2**33) | st.integers(1, 50) | st.floats(0, 1e6)
names = st.sampled_from([*HOSTILE_NAMES, 1, 1.5, None, True]) | st.text(max_size=20)
values = (
    st.sampled_from([*HOSTILE_VALUES, *HOSTILE_NAMES])
    | numbers
    | st.lists(numbers, max_size=4)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda parts: (
            st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5), parts, max_size=3)
        ),
        max_leaves=5,
    )
)
actions = st.sampled_from(["replace", "delete", "rename", "add"])
hostile_change = st.tuples(actions, st.sampled_from(PLACES), names, values)
NUMBERS = [path for path in PLACES if isinstance(at(path), int | float)]
other_number = st.tuples(st.just("replace"), st.sampled_from(NUMBERS), st.just(""), numbers)
changes = st.lists(hostile_change, min_size=1, max_size=3) | st.lists(
    other_number, min_size=1, max_size=2
)


def changed(config, changes):
    """The config with some values replaced, deleted, renamed or added."""
    config = copy.deepcopy(config)
    for action, (*path, last), name, value in changes:
        # An earlier change may have taken the place away; a list has no names.
        with contextlib.suppress(KeyError, IndexError, TypeError, AttributeError):
            section = functools.reduce(operator.getitem, path, config)
            old = section[last]
            if action in ("delete", "rename"):
                del section[last]
            if action == "replace":
                section[last] = value
            elif action != "delete":
                section.update({name: old if action == "rename" else value})
    return config


def dumped(config):
    return yaml.dump(config, Dumper=yaml.CSafeDumper)


def through_the_door(*files):
    """What Snakemake makes of these config files, checked; or its message for one it cannot read."""
    config = {}
    for file in files:
        update_config(config, load_configfile(str(file)))
    check_config_files(files)
    return check_config(config)


def assert_grid_can_be_planned(grid, budget):
    try:
        configurations = grid_configurations(grid, 1000, "any", sample_seed=1)
    except UserError as error:
        assert_clear(str(error), "grid.batch_size")
    else:
        assert len({point.trial_id for point in configurations}) == len(configurations)
        assert all(budget.steps_planned(point.batch_size, 1000) >= 1 for point in configurations)


def assert_can_be_planned(config):
    """Everything that the workflow makes of an accepted config, as in common.smk and the rules."""
    re.compile(
        "|".join(map(re.escape, [*config["datasets"], *config["algorithms"], *config["arms"]]))
    )
    studies = planned_studies(config)
    assert studies
    results = Path("results").resolve()
    for study in studies[:100]:
        for path in (f"studies/{study.key}/trials.jsonl", f"logs/fetch/{study.dataset}.log"):
            file = (results / path).resolve()
            assert file == results / path
            assert max(len(part.encode()) for part in file.parts) < 200
    assert set(config["algorithms"]) >= {study.algorithm for study in studies}
    json.dumps(config["datasets"], allow_nan=False)
    budget = Budget(**config["budget"])
    for algorithm in config["study"]["algorithms"]:
        assert_grid_can_be_planned(algorithm_grid(config, algorithm), budget)
    for name in config["study"]["arms"]:
        arm = arm_entry(config, name)
        if not needs_baseline(arm):
            make_rule(arm, None)


def try_config(text, *earlier):
    """Put one config through the door; it must be planned or refused clearly."""
    with folder_of_case() as folder:
        (folder / "hostile.yaml").write_text(text)
        try:
            with watched(folder / "results"):
                config = through_the_door(*earlier, folder / "hostile.yaml")
                assert_can_be_planned(config)
        except UserError as error:
            TRIED["configs refused"] += 1
            assert_clear(str(error), *CONFIG, "config")
            return str(error)
        except WorkflowError as error:
            TRIED["configs refused"] += 1
            assert "Config file" in str(error)
            return str(error)
        TRIED["configs planned"] += 1
        return None


@given(changes)
@settings(max_examples=150)
def test_a_changed_config_is_planned_or_refused(changes):
    try_config(dumped(changed(CONFIG, changes)))


@pytest.mark.parametrize(("section", "known"), [("datasets", "iris"), ("arms", "memory")])
@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_no_name_leaves_the_folder_of_results(section, known, name):
    config = copy.deepcopy(CONFIG)
    config[section][name] = config[section][known]
    config["study"][section].append(name)
    message = try_config(dumped(config))
    assert message is None if name == "con" else section in message


BASE = [ROOT / "config" / name for name in ("datasets.yaml", "algorithms.yaml", "config.yaml")]


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_no_text_of_yaml_does_more_than_set_keys(text, expected):
    message = try_config(text, *BASE)
    assert message is None if expected is None else expected in message
