"""Whatever a data file holds, it ends in a valid split or in one message that names the data set.

The files go through the scripts that Snakemake runs, `fetch` and `split`, as they are.
"""

import contextlib
import gzip
import hashlib
import io
import runpy
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.iocontainers import InputFiles, OutputFiles

from sysstop.data import checks as data_checks
from sysstop.data import files as table_files
from sysstop.data import sources as data_sources
from sysstop.data.split import ARRAYS, load_split
from sysstop.plan.config_check import check_config
from sysstop.run.errors import UserError
from sysstop.run.machine import Machine
from sysstop.study.studies import Budget, Trial
from sysstop.trial.training import train
from tests.hostile.ending import TRIED, assert_clear, folder_of_case, watched
from tests.hostile.hostile_configs import CONFIG, HOSTILE_NAMES
from tests.hostile.hostile_files import (
    CASES,
    HOSTILE_CELLS,
    PLAIN,
    TABLE,
    Case,
    csv,
    frame,
    nothing,
    parquet,
    synthetic,
)
from tests.project import ROOT
from tests.shipped import ALGORITHMS, point

SCRIPTS = ROOT / "workflow" / "scripts"
ENOUGH = 200  # inputs that these tests try, at least
FOLDS = 3

sys.path.append(str(SCRIPTS))  # as Snakemake does for the imports of each script

ENTRY = {"source": "file", "path": "data/hostile.csv", "target": "y", "task": "classification"}


class RefusedError(Exception):
    """The last message of a script."""


def run_script(name, folder, **context):
    """Run a script of the workflow as Snakemake does, in this process."""
    log = folder / "results" / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    snakemake = SimpleNamespace(log=[str(log)], **context)
    try:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            runpy.run_path(str(SCRIPTS / f"{name}.py"), {"snakemake": snakemake})
    except SystemExit as end:
        assert end.code == 1
        assert said.getvalue() == log.read_text()
        raise RefusedError(log.read_text().removeprefix("error: ").strip()) from None


def fetch_and_split(name, entry, folder):
    """Check the config, fetch and split, and return the split and the raw table."""
    study = {"datasets": [name], "arms": ["none"], "algorithms": [algorithm_of(entry)]}
    grid = CONFIG["grid"] | {"batch_size": "powers_of_two"}
    config = CONFIG | {"grid": grid, "study": CONFIG["study"] | study, "datasets": {name: entry}}
    config = check_config(config)
    entry = config["datasets"][name]
    place = folder / "results" / "data" / name
    place.mkdir(parents=True)
    params = SimpleNamespace(name=name, entry=entry, folds=FOLDS, test_fraction=0.3, seed=1)
    table = str(place / "table.parquet")
    files = {"table": table, "provenance": str(place / "provenance.json")}
    output = OutputFiles(fromdict=files)
    run_script("fetch", folder, output=output, params=params, config=config)
    output = OutputFiles([str(place / "split")])
    table_file = InputFiles(fromdict={"table": table})
    run_script("split", folder, input=table_file, output=output, params=params, config=config)
    return load_split(place / "split"), pd.read_parquet(table)


def algorithm_of(entry):
    return {"classification": "logistic_regression"}.get(entry["task"], "linear_regression")


def assert_valid(split, table, entry):
    """Every row of the split is a row of the table, numbers are finite, and a trial can train."""
    rows = len(table.dropna()) if entry.get("missing") == "drop" else len(table)
    assert len(split.train_features) + len(split.test_features) == rows
    assert len(split.train_features) == len(split.train_target) == len(split.fold_of_row)
    assert len(split.test_features) == len(split.test_target) > 0
    assert split.train_features.shape[1] == split.test_features.shape[1] == len(split.feature_names)
    assert set(split.fold_of_row) == set(range(FOLDS))
    for array in ARRAYS:
        assert np.isfinite(getattr(split, array)).all(), array
    assert (split.feature_scale > 0).all() and (split.target_scale > 0).all()
    if entry["task"] == "classification":
        assert set(split.train_target) == set(range(len(split.class_labels)))
        assert set(split.test_target) <= set(split.train_target)
    if len(split.class_labels) > 100:
        return  # each step takes seconds
    budget = Budget(2, None, None, 2, 0)
    trial = Trial(point(1, 0.001, 0.001), ALGORITHMS[algorithm_of(entry)], budget, 2, seed=1)
    assert list(train(trial, split))[-1].end.status in ("completed", "diverged")


def try_data(make, entry, name="hostile"):
    """Fetch and split one hostile file; return the message about it, or None if it can be used.

    `make` is the file's content, or a function that makes the file.
    """
    with folder_of_case() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning would be a user's only hint
        file = folder / entry.get("path", "data/unused")
        (folder / "data").mkdir()
        make(file) if callable(make) else file.write_bytes(make)
        before = sorted(folder.glob("*"))
        try:
            with watched(folder / "results"):
                split, table = fetch_and_split(name, entry, folder)
            assert_valid(split, table, entry)
        except (RefusedError, UserError) as error:
            TRIED["data sets refused"] += 1
            assert_clear(str(error), f"'{name}'", "datasets")
            return str(error)
        finally:
            assert sorted(folder.glob("*")) == before
            assert not list(folder.rglob("*.part"))
        TRIED["data sets used"] += 1
        return None


def entry_of(case):
    entry = ENTRY | {"path": f"data/{case.file}"} | case.entry
    return {key: value for key, value in entry.items() if value is not None}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_hostile_file_is_used_or_refused(case):
    message = try_data(case.make, entry_of(case))
    assert message is None if case.expected is None else case.expected in (message or "it was used")


@st.composite
def damaged_files(draw):
    """The content of a file with some damage, and changes to its entry."""
    rows = [list(row) for row in TABLE]
    cells = st.sampled_from(HOSTILE_CELLS) | st.text(max_size=5)
    cells |= st.floats().map(repr) | st.integers().map(str)
    kinds = st.sampled_from(["cell", "column", "name", "row", "end"])
    for damage in draw(st.lists(kinds, max_size=3)):
        at, column, cell = draw(st.integers(1, len(rows))), draw(st.integers(0, 3)), draw(cells)
        damaged = {"name": rows[:1], "column": rows[1:]}.get(damage, rows[at - 1 : at])
        for row in damaged:
            row[column:] = [] if damage == "row" else [cell, *row[column + 1 :]]
        if damage == "end":
            rows = rows[:at]
    one_of = st.sampled_from
    separator, end = draw(one_of([","] * 15 + ["\t"])), draw(one_of(["\n", "\n", "\r\n", "\r"]))
    encoding = draw(one_of(["utf-8"] * 12 + ["utf-8-sig", "utf-16", "latin-1"]))
    content = csv(rows, separator, end).decode().encode(encoding, "replace")
    zipped = draw(st.booleans())
    content = gzip.compress(content, mtime=0) if zipped else content
    if draw(one_of([False, False, True])):
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.binary(max_size=9)) + draw(one_of([content[at:], b""]))
    changes = {
        "target": rows[0][-1] if rows[0] and rows[0][-1] else "y",
        "task": draw(one_of(["classification", "regression"])),
        "categorical": draw(one_of([None, "one_hot", "ordinal"])),
        "missing": draw(one_of([None, "drop", "impute"])),
    }
    return Case(content, None, changes, "hostile.csv.gz" if zipped else "hostile.csv")


@given(damaged_files())
@settings(max_examples=100)
def test_a_damaged_file_is_used_or_refused(case):
    try_data(case.make, entry_of(case))


# Names: those of data sets are tried with the configs


@pytest.mark.parametrize("name", list(filter(None, HOSTILE_NAMES)), ids=ascii)
def test_a_target_may_have_any_name(name):
    content = parquet(frame().rename(columns={"y": name}))
    case = Case(content, None, {"target": name}, "hostile.parquet")
    assert try_data(case.make, entry_of(case)) is None


# What is larger than memory is refused before it is created

TOO_LARGE = {
    "text": Case(b"a,b\n" + b"1,2\n" * 200_000, "reading data/hostile.csv"),
    "empty fields": Case(b"a,b,c,d,e,f\n" + b",,,,,\n" * 100_000, "reading data/hostile.csv"),
    "Parquet": Case(
        parquet(pd.DataFrame({"a": np.zeros(10**6), "y": 1})),
        "reading its 1000000 rows",
        file="hostile.parquet",
    ),
    "categories": Case(
        csv([["a", "y"], *([f"c{row % 3000}", str(row % 2)] for row in range(9000))]),
        "features after encoding",
        {"categorical": "one_hot"},
    ),
    "synthetic": Case(nothing, "generating it", synthetic(rows=10**5)),
}


@pytest.mark.parametrize("case", TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_outgrows_the_memory_is_refused_before_it_is_there(case, monkeypatch):
    monkeypatch.setattr(data_checks, "this_machine", lambda: Machine(8 * 2**20, 1.0))
    assert f"{case.expected} would take" in (try_data(case.make, entry_of(case)) or "it was used")


# A file that is replaced while it is read


def test_the_content_that_is_used_is_the_one_whose_hash_was_taken(tmp_path, monkeypatch):
    file, other = tmp_path / "mine.csv", tmp_path / "other.csv"
    file.write_bytes(PLAIN)
    other.write_bytes(PLAIN.replace(b"30.0", b"99.9"))

    def hash_then_replace(content):
        other.replace(file)
        return hashlib.sha256(content)

    monkeypatch.setattr(table_files, "hashlib", SimpleNamespace(sha256=hash_then_replace))
    entry = ENTRY | {"path": str(file)}
    table, provenance = data_sources.fetch_table("mine", entry, None, tmp_path)
    assert b"99.9" in file.read_bytes()
    assert table["area"][0] == 30.0
    assert provenance["sha256"] == hashlib.sha256(PLAIN).hexdigest()
