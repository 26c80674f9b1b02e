"""pyproject.toml says what is needed; the lock and the conda environment follow it."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "envs" / "requirements.lock").read_text()
CONDA = (ROOT / "envs" / "environment.yaml").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name_of(requirement):
    return re.match(r"[\w-]+", requirement).group()


def locked_versions(name):
    return set(re.findall(rf"^{re.escape(name)}==(\S+)", LOCK, re.MULTILINE))


def test_the_lock_holds_every_package_of_the_project():
    requirements = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    assert [r for r in requirements if not locked_versions(name_of(r))] == []


def test_every_locked_package_has_hashes_and_no_host_is_named():
    packages = re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert [p.split()[0] for p in packages if "--hash=sha256:" not in p] == []
    assert "://" not in LOCK


def test_the_conda_environment_pins_the_projects_packages_as_the_lock_does():
    *_, pip = yaml.safe_load(CONDA)["dependencies"]
    pinned = dict(requirement.split("==") for requirement in pip["pip"])
    assert set(pinned) == set(PROJECT["dependencies"])
    assert [r for r, version in pinned.items() if version not in locked_versions(name_of(r))] == []
