"""Fetching: what each source gives, and which message a user gets when it gives nothing usable."""

import gzip
import hashlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import Field

from sysstop.data import pmlb_files, sources
from sysstop.data.sources import DataSet, Origin, data_sets_type, fetch_table, write_table
from sysstop.plan.config_check import check_config
from sysstop.plan.config_schema import checked_section
from sysstop.run.errors import UserError

PROJECT = Path(__file__).parents[2]
DATA = PROJECT / "tests" / "data"
REGISTRY = yaml.safe_load((PROJECT / "config" / "datasets.yaml").read_text())["datasets"]


def full_config():
    files = ("config/datasets.yaml", "config/algorithms.yaml", "config/config.yaml")
    first, second, third = (yaml.safe_load((PROJECT / file).read_text()) for file in files)
    return first | second | third


FLOWERS = {
    "source": "file",
    "path": str(DATA / "flowers.csv"),
    "target": "species",
    "task": "classification",
    "type": "tabular",
}
TINY_TABLE = b"target\ta\tb\n0\t1\t2\n1\t3\t4\n"
TINY_FILE = gzip.compress(TINY_TABLE, mtime=0)
TINY_SHA256 = hashlib.sha256(TINY_FILE).hexdigest()
TINY = {
    "source": "pmlb",
    "name": "tiny",
    "task": "classification",
    "type": "tabular",
    "sha256": TINY_SHA256,
}


def fetch_file(path, **changes):
    """Fetch the user's own file as data set `mine`."""
    entry = {**FLOWERS, "path": str(path), **changes}
    return fetch_table("mine", entry, None, Path("unused"))


def refusal(*arguments, **changes):
    with pytest.raises(UserError) as raised:
        fetch_file(*arguments, **changes)
    message = str(raised.value)
    assert "Data set 'mine'" in message
    return message


def put_in_cache(folder, name, content=TINY_FILE):
    file = folder / name / f"{name}.tsv.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file


def files_in(folder):
    return sorted(
        str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()
    )


@pytest.fixture
def upstream(monkeypatch):
    """A local server in place of PMLB's; `answers` maps a path to a list of answers in turn."""
    answers, requested = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requested.append(self.path)
            queue = answers.get(self.path, [(404, b"")])
            status, body, *length = queue.pop(0) if len(queue) > 1 else queue[0]
            self.send_response(status)
            self.send_header("Content-Length", str(length[0] if length else len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    server.answers, server.requested = answers, requested
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(
        pmlb_files, "PMLB_ADDRESS", f"http://127.0.0.1:{server.server_port}/datasets"
    )
    monkeypatch.setattr(pmlb_files, "RETRY_DELAYS_S", (0, 0))
    yield server
    server.shutdown()
    server.server_close()


# The registry


def mistakes_in(**entries):
    return checked_section(data_sets_type(), entries, "datasets")[1]


def without(entry, key):
    return {name: value for name, value in entry.items() if name != key}


def test_the_registry_is_valid():
    assert mistakes_in(**REGISTRY) == []


CLASSES, NUMBERS = REGISTRY["synthetic_classification"], REGISTRY["synthetic_regression"]


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        ({**TINY, "name": None}, "mine.name: found None, expected a name of at most"),
        (without(TINY, "sha256"), "mine.sha256: missing, expected 64 hexadecimal digits (SHA-256"),
        ({**TINY, "sha256": "abc"}, "mine.sha256: found 'abc', expected 64 hexadecimal digits"),
        ({**TINY, "path": "mine.csv"}, "unknown key datasets.mine.path; known: categorical, "),
        (without(FLOWERS, "target"), "mine.target: missing, expected a string (Name of the column"),
        (
            {**FLOWERS, "format": "xlsx"},
            "mine.format: found 'xlsx', expected `csv`, `tsv`, `parquet` or null (The",
        ),
        ({**FLOWERS, "tusk": "regression"}, "unknown key datasets.mine.tusk; did you mean 'task'?"),
        ({**FLOWERS, "categorical": "onehot"}, "or null; did you mean 'one_hot'? (How feature"),
        ({**FLOWERS, "task": "regresion"}, "or `regression`; did you mean 'regression'? (What is"),
        (
            {**FLOWERS, "task": "regression", "classes": 3},
            "mine.classes: found 3; a regression has",
        ),
        ({**FLOWERS, "rows": 2.0}, "mine.rows: found 2.0, expected a whole number of at least 1"),
        (
            {**REGISTRY["digits"], "name": "mnist"},
            "mine.name: found 'mnist', expected `breast_cancer`,",
        ),
        ({**CLASSES, "noise": 2}, "mine: `noise` is a share of the rows, found 2; use at most 1"),
        (without(CLASSES, "classes"), "mine: a classification needs the number of its classes"),
        (
            {**CLASSES, "informative": 21},
            "mine: 21 informative features of 20; lower `informative`",
        ),
        (
            {**CLASSES, "informative": 1},
            "mine: 1 informative features can distinguish at most 2 classes",
        ),
        (without(NUMBERS, "rows"), "mine.rows: missing, expected a whole number of at least 1"),
    ],
)
def test_a_wrong_entry_is_refused(entry, mistake):
    (message,) = mistakes_in(mine=entry)
    assert mistake in message


@pytest.mark.parametrize("name", ["../mine", "a..b", ".hidden", "a/b", "", "with space", "a\n"])
def test_a_name_that_is_no_safe_folder_name_is_refused(name):
    (message,) = mistakes_in(**{name: FLOWERS})
    assert f"datasets: the name {name!r} cannot be used" in message


@pytest.mark.parametrize("name", ["529_pollen", "a.b-c_d", "a.", "9", "a" * 100])
def test_a_name_that_is_a_folder_name_is_accepted(name):
    assert mistakes_in(**{name: FLOWERS}) == []


def test_null_takes_a_key_away():
    entry = {**FLOWERS, "rows": None, "categorical": None}
    data_sets, mistakes = checked_section(data_sets_type(), {"mine": entry}, "datasets")
    assert mistakes == []
    assert data_sets["mine"].model_dump() == FLOWERS


class DiceDataSet(DataSet):
    """Throws of dice, a source that no module knows."""

    source: Literal["dice"]
    rows: Annotated[int, Field(ge=1)]
    """How often the dice are thrown."""
    sides: Annotated[int, Field(ge=2)] = 6
    """Sides of a die."""

    def fetch(self, name, folders):
        throws = np.random.default_rng(1).integers(1, self.sides + 1, (self.rows, 2))
        table = pd.DataFrame(throws, columns=["red", "blue"])
        table["target"] = table.sum(axis=1)
        return table, Origin("a cup")


def test_a_new_source_is_one_class_in_the_registry(tmp_path, monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "dice", DiceDataSet)
    dice = {"source": "dice", "task": "regression", "rows": 9}
    assert mistakes_in(dice={**dice, "sides": 1, "colour": "red"}) == [
        "datasets.dice.sides: found 1, expected a whole number of at least 2 (Sides of a die)",
        "unknown key datasets.dice.colour; known: "
        "categorical, classes, drop, features, keep, licence, missing, rows, sides, source, task, type",
    ]
    config = full_config()
    config["datasets"]["dice"] = dice
    config["study"]["datasets"].append("dice")
    entry = check_config(config)["datasets"]["dice"]
    assert entry["sides"] == 6
    table, provenance = fetch_table("dice", entry, None, tmp_path)
    assert list(table.columns) == ["red", "blue", "target"]
    assert (provenance["source"], provenance["address"]) == ("dice", "a cup")


@pytest.mark.parametrize(
    "name",
    [name for name, entry in REGISTRY.items() if entry["source"] in ("sklearn", "synthetic")],
)
def test_data_sets_without_a_file_have_the_registered_counts(name, tmp_path):
    entry = REGISTRY[name]
    table, provenance = fetch_table(name, entry, None, tmp_path)
    assert table.shape == (entry["rows"], entry["features"] + 1)
    assert table.columns[-1] == "target"
    assert provenance["address"].startswith("sklearn.datasets.")
    if entry["task"] == "classification":
        assert table["target"].nunique() == entry["classes"]


# Provenance


def test_provenance_says_where_the_table_came_from():
    table, provenance = fetch_file(DATA / "flowers.csv")
    content = (DATA / "flowers.csv").read_bytes()
    assert provenance["source"] == "file"
    assert provenance["address"] == str(DATA / "flowers.csv")
    assert provenance["sha256"] == hashlib.sha256(content).hexdigest()
    assert provenance["sha256_expected"] is None
    assert provenance["rows"] == len(table) == 36
    assert provenance["columns"] == ["length_cm", "width_cm", "petals", "target"]
    assert pd.Timestamp(provenance["fetched_at"]).tz is not None
    assert provenance["versions"]["pandas"] == pd.__version__


def test_table_and_provenance_survive_being_written(tmp_path):
    table, provenance = fetch_file(DATA / "flowers.csv")
    write_table(table, provenance, tmp_path / "raw.parquet", tmp_path / "provenance.json")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "raw.parquet"), table)
    assert json.loads((tmp_path / "provenance.json").read_text()) == provenance
    assert files_in(tmp_path) == ["provenance.json", "raw.parquet"]


def test_synthetic_data_depend_on_their_seed_only(tmp_path):
    entry = REGISTRY["synthetic_regression"]
    first, again, other = (
        fetch_table("made", {**entry, "seed": seed}, None, tmp_path)[0] for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first, other)


# PMLB: cache and download


def test_a_cached_file_is_read_without_any_download(upstream, tmp_path):
    put_in_cache(tmp_path / "cache", "tiny")
    table, provenance = fetch_table("tiny", TINY, tmp_path / "cache", tmp_path / "downloads")
    assert list(table.columns) == ["a", "b", "target"]
    assert table["target"].tolist() == [0, 1]
    assert provenance["sha256"] == TINY_SHA256
    assert upstream.requested == []


def test_rows_with_missing_values_are_not_dropped_behind_the_users_back(tmp_path):
    content = gzip.compress(b"a\tb\ttarget\n1\t\t0\n2\t3\t1\n")
    put_in_cache(tmp_path, "tiny", content)
    entry = {**TINY, "sha256": hashlib.sha256(content).hexdigest()}
    table, _ = fetch_table("tiny", entry, tmp_path, tmp_path)
    assert len(table) == 2


def test_a_data_set_renamed_upstream_is_found_in_the_cache_under_either_name(tmp_path, monkeypatch):
    monkeypatch.setitem(pmlb_files.PMLB_RENAMED, "tiny", "_deprecated_tiny")
    put_in_cache(tmp_path, "_deprecated_tiny")
    table, _ = fetch_table("tiny", TINY, tmp_path, tmp_path)
    assert len(table) == 2


def test_a_data_set_renamed_upstream_is_downloaded_under_its_new_name(
    upstream, tmp_path, monkeypatch
):
    monkeypatch.setitem(pmlb_files.PMLB_RENAMED, "tiny", "_deprecated_tiny")
    upstream.answers["/datasets/_deprecated_tiny/_deprecated_tiny.tsv.gz"] = [(200, TINY_FILE)]
    table, _ = fetch_table("tiny", TINY, tmp_path, tmp_path)
    assert len(table) == 2


def test_the_registered_diabetes_is_the_one_that_upstream_renamed():
    assert pmlb_files.PMLB_RENAMED[REGISTRY["diabetes"]["name"]] == "_deprecated_diabetes"


def test_a_download_is_kept_byte_for_byte_in_the_cache(upstream, tmp_path):
    upstream.answers["/datasets/tiny/tiny.tsv.gz"] = [(200, TINY_FILE)]
    _, provenance = fetch_table("tiny", TINY, tmp_path, tmp_path / "unused")
    assert provenance["downloaded"]
    assert files_in(tmp_path) == ["tiny/tiny.tsv.gz"]
    assert (tmp_path / "tiny" / "tiny.tsv.gz").read_bytes() == TINY_FILE
    fetch_table("tiny", TINY, tmp_path, tmp_path / "unused")
    assert len(upstream.requested) == 1


def test_a_download_goes_elsewhere_when_the_cache_is_read_only(upstream, tmp_path):
    upstream.answers["/datasets/tiny/tiny.tsv.gz"] = [(200, TINY_FILE)]
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o555)
    fetch_table("tiny", TINY, cache, tmp_path / "downloads")
    assert files_in(tmp_path) == ["downloads/tiny/tiny.tsv.gz"]


def test_without_any_writable_folder_the_message_says_what_to_name(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o555)
    with pytest.raises(UserError, match=r"'tiny'.*cannot be written.*data\.pmlb_cache"):
        fetch_table("tiny", TINY, cache, cache)


@pytest.mark.parametrize(
    "first_answer", [(503, b"busy"), (200, TINY_FILE[:20], len(TINY_FILE))], ids=["503", "half"]
)
def test_a_passing_failure_of_the_download_is_overcome(upstream, tmp_path, first_answer):
    upstream.answers["/datasets/tiny/tiny.tsv.gz"] = [first_answer, (200, TINY_FILE)]
    table, _ = fetch_table("tiny", TINY, tmp_path, tmp_path)
    assert len(table) == 2
    assert len(upstream.requested) == 2


@pytest.mark.parametrize(
    ("answer", "expected", "attempts"),
    [
        ((404, b""), "HTTP 404", 1),
        ((503, b""), "HTTP 503", 3),
        ((200, TINY_FILE[:20], len(TINY_FILE)), "no complete answer", 3),
    ],
)
def test_a_failed_download_reports_what_the_server_answered_and_how_to_go_on_offline(
    upstream, tmp_path, answer, expected, attempts
):
    upstream.answers["/datasets/tiny/tiny.tsv.gz"] = [answer]
    with pytest.raises(UserError) as raised:
        fetch_table("tiny", TINY, tmp_path, tmp_path)
    message = str(raised.value)
    assert "Data set 'tiny'" in message
    assert expected in message
    assert f"{pmlb_files.PMLB_ADDRESS}/tiny/tiny.tsv.gz" in message
    assert f"put the file with SHA-256 {TINY_SHA256} at {tmp_path}/tiny/tiny.tsv.gz" in message
    assert "`data.pmlb_cache`" in message and "PMLB_CACHE" in message
    assert len(upstream.requested) == attempts
    assert files_in(tmp_path) == []


def test_no_connection_at_all_is_reported_as_such(upstream, tmp_path, monkeypatch):
    # Port 9 (discard) of the loopback has no listener.
    monkeypatch.setattr(pmlb_files, "PMLB_ADDRESS", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"'tiny'.*ConnectionError.*go on offline"):
        fetch_table("tiny", TINY, tmp_path, tmp_path)


def test_a_wrong_download_is_refused_and_not_kept(upstream, tmp_path):
    upstream.answers["/datasets/tiny/tiny.tsv.gz"] = [(200, b"<html>Please log in</html>")]
    with pytest.raises(UserError, match=rf"'tiny'.*expected {TINY_SHA256}.*not kept"):
        fetch_table("tiny", TINY, tmp_path, tmp_path)
    assert files_in(tmp_path) == []


def test_a_cached_file_with_another_hash_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    file = put_in_cache(tmp_path, "tiny", TINY_FILE[:-4])
    monkeypatch.setattr(sources, "read_table", lambda *_: pytest.fail("opened"))
    with pytest.raises(UserError) as raised:
        fetch_table("tiny", TINY, tmp_path, tmp_path)
    message = str(raised.value)
    found = hashlib.sha256(TINY_FILE[:-4]).hexdigest()
    assert str(file) in message
    assert f"SHA-256 is {found}, expected {TINY_SHA256}" in message
    assert "Remove the file to have it downloaded again" in message


def test_a_git_lfs_pointer_in_the_place_of_the_data_is_recognised(tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    put_in_cache(tmp_path, "tiny", pointer)
    with pytest.raises(UserError, match="git lfs pull"):
        fetch_table("tiny", TINY, tmp_path, tmp_path)


def test_a_download_without_an_end_is_given_up(upstream, tmp_path, monkeypatch):
    monkeypatch.setattr(pmlb_files, "LARGEST_DOWNLOAD_BYTES", 10)
    upstream.answers["/datasets/tiny/tiny.tsv.gz"] = [(200, TINY_FILE)]
    with pytest.raises(UserError, match="more than 10 bytes were sent"):
        fetch_table("tiny", TINY, tmp_path, tmp_path)
    assert len(upstream.requested) == 1
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("cut", [1, 20])
def test_a_damaged_file_of_the_cache_whose_hash_is_expected_is_named(tmp_path, cut):
    content = TINY_FILE[:-cut]
    file = put_in_cache(tmp_path, "tiny", content)
    entry = {**TINY, "sha256": hashlib.sha256(content).hexdigest()}
    with pytest.raises(UserError, match=f"'tiny'.*{file} cannot be read as tsv"):
        fetch_table("tiny", entry, tmp_path, tmp_path)


# The user's own files


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "tsv.gz", "parquet"])
def test_the_format_is_known_by_the_ending(tmp_path, ending):
    flowers = pd.read_csv(DATA / "flowers.csv")
    file = tmp_path / f"flowers.{ending}"
    if ending == "parquet":
        flowers.to_parquet(file)
    else:
        flowers.to_csv(file, index=False, sep="\t" if "tsv" in ending else ",")
    table, _ = fetch_file(file)
    pd.testing.assert_frame_equal(table, flowers.rename(columns={"species": "target"}))


def test_the_format_can_be_given(tmp_path):
    file = tmp_path / "flowers.tsv"
    file.write_bytes((DATA / "flowers.csv").read_bytes())
    assert "`datasets.mine.format`" in refusal(file)
    assert len(fetch_file(file, format="csv")[0]) == 36


def test_the_target_comes_last_wherever_it_was(tmp_path):
    table, _ = fetch_file(DATA / "flats.tsv", target="rent_eur", task="regression")
    assert list(table.columns) == ["area_m2", "district", "floor", "target"]


def test_a_missing_file_is_named_with_the_folder_it_is_looked_for_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refusal("nowhere/flowers.csv")
    assert "no file nowhere/flowers.csv" in message
    assert "`datasets.mine.path`" in message
    assert str(tmp_path) in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    file = tmp_path / "secret.csv"
    file.write_text("a,species\n1,x\n")
    file.chmod(0)
    assert f"{file} cannot be read" in refusal(file)


def test_a_wrong_hash_is_reported_with_both_hashes():
    found = hashlib.sha256((DATA / "flowers.csv").read_bytes()).hexdigest()
    message = refusal(DATA / "flowers.csv", sha256="0" * 64)
    assert f"SHA-256 is {found}, expected {'0' * 64}" in message
    assert "`datasets.mine.sha256`" in message


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_corrupt_gzip_file_is_named(tmp_path, damage):
    content = gzip.compress((DATA / "flowers.csv").read_bytes())
    file = tmp_path / "flowers.csv.gz"
    file.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "flipped": content[:60] + bytes(255 - byte for byte in content[60:90]) + content[90:],
        }[damage]
    )
    message = refusal(file)
    assert f"{file} cannot be read as csv" in message
    assert "Check that it is whole" in message


def test_an_unreadable_parquet_file_is_named(tmp_path):
    file = tmp_path / "flowers.parquet"
    file.write_bytes(b"length_cm,species\n1,daisy\n")
    message = refusal(file)
    assert f"{file} cannot be read as parquet" in message
    assert "`datasets.mine.format`" in message


def test_an_empty_file_is_named(tmp_path):
    file = tmp_path / "flowers.csv"
    file.touch()
    assert f"{file} cannot be read as csv" in refusal(file)


def test_ragged_rows_are_reported_with_their_line(tmp_path):
    file = tmp_path / "flowers.csv"
    file.write_text("a,species\n1,daisy\n2,daisy,5\n")
    assert "line 3" in refusal(file)


def test_rows_with_more_fields_than_the_header_are_refused(tmp_path):
    file = tmp_path / "flowers.csv"
    file.write_text("a,species\n1,daisy,5\n2,poppy,6\n")
    assert "more fields than its header" in refusal(file)


def test_a_file_in_another_encoding_is_reported(tmp_path):
    file = tmp_path / "flowers.csv"
    file.write_bytes("größe,species\n1,daisy\n".encode("latin-1"))
    assert "not in UTF-8" in refusal(file)


@pytest.mark.parametrize(
    ("separator", "word"), [(";", "semicolon"), ("\t", "tab"), ("|", "vertical bar")]
)
def test_a_wrong_delimiter_is_reported_with_the_likely_one(tmp_path, separator, word):
    file = tmp_path / "flowers.csv"
    file.write_text(f"a{separator}species\n1{separator}daisy\n")
    message = refusal(file)
    assert f"{file} has only one column, " in message
    assert "when the fields of its first line are separated by a comma" in message
    assert f"a {word} seems to separate them" in message
    assert "`datasets.mine.format`" in message


def test_an_absent_target_is_reported_with_the_columns_and_a_close_match():
    message = refusal(DATA / "flowers.csv", target="specie")
    assert "no column 'specie' (key `datasets.mine.target`)" in message
    assert "Did you mean 'species'?" in message
    assert "length_cm, width_cm, petals, species" in message


def test_a_feature_named_target_is_refused(tmp_path):
    file = tmp_path / "flowers.csv"
    file.write_text("target,species\n1,daisy\n")
    assert "a feature column is named 'target'" in refusal(file)


@pytest.mark.parametrize(
    ("header", "expected"),
    [("a,b,a,species", "more than once: a"), ("a,species,species", "more than once: species")],
)
def test_repeated_column_names_are_refused_as_the_file_has_them(tmp_path, header, expected):
    file = tmp_path / "flowers.csv"
    file.write_text(f"{header}\n{','.join('1' for _ in header.split(','))}\n")
    message = refusal(file)
    assert expected in message
    assert "Rename or remove" in message


def test_a_column_without_a_name_is_refused(tmp_path):
    file = tmp_path / "flowers.csv"
    file.write_text(",a,species\n0,1,daisy\n")
    assert "no name in the header for column number 1" in refusal(file)


@pytest.mark.parametrize(("key", "found"), [("rows", 36), ("features", 3), ("classes", 3)])
def test_counts_that_differ_from_the_expected_ones_are_refused(key, found):
    message = refusal(DATA / "flowers.csv", **{key: 99})
    assert f"found {found} {key}, expected 99 (key `datasets.mine.{key}`)" in message
    fetch_file(DATA / "flowers.csv", **{key: found})


# Synthetic


def test_what_a_synthetic_data_set_does_not_say_has_a_default(tmp_path):
    entry = {"source": "synthetic", "task": "regression", "rows": 50, "features": 3}
    table, _ = fetch_table("made", entry, None, tmp_path)
    spelled_out = {**entry, "informative": 3, "noise": 0, "seed": 2023}
    pd.testing.assert_frame_equal(table, fetch_table("made", spelled_out, None, tmp_path)[0])
