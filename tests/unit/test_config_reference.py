"""The schema and the README describe the config as its models do."""

import copy
import runpy
from pathlib import Path

import jsonschema
import pytest
import yaml
from snakemake.utils import update_config

ROOT = Path(__file__).parents[2]
FILES = runpy.run_path(str(ROOT / "docs" / "config_reference.py"))["generated_files"]()
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


def config_with(*overlays):
    config = {}
    for file in ("datasets.yaml", "algorithms.yaml", "config.yaml"):
        update_config(config, yaml.safe_load((ROOT / "config" / file).read_text()))
    for overlay in overlays:
        update_config(config, copy.deepcopy(overlay))
    return config


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_written_from_the_models_is_up_to_date(file):
    assert file.read_text() == FILES[file], "run `make docs`"


@pytest.mark.parametrize("overlay", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_the_schema_accepts_every_config_of_the_project(overlay):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(config_with(yaml.safe_load(overlay.read_text())), SCHEMA)


@pytest.mark.parametrize(
    "mistake",
    [
        {"tuning": {}},
        {"budget": {"stepz": 5}},
        {"split": {"folds": 1}},
        {"study": {"arms": ["memory"]}},
        {"study": {"datasets": ["iris", "iris"]}},
        {"grid": {"batch_size": "all"}},
        {"arms": {"../x": {"rule": "none"}}},
        {"arms": {"memory": {"rule": 5}}},
        {"arms": {"memory": {"rules": []}}},
        {"datasets": {"iris": {"source": "file"}}},
        {"datasets": {"iris": {"path": "iris.csv"}}},
        {"datasets": {"a..b": {"source": "sklearn", "name": "iris", "task": "classification"}}},
    ],
    ids=str,
)
def test_the_schema_refuses_a_mistake(mistake):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config_with(mistake), SCHEMA)


def test_every_key_has_a_meaning():
    for name, model in SCHEMA["$defs"].items():
        for key, values in model["properties"].items():
            assert values.get("description"), f"{name}.{key}"
