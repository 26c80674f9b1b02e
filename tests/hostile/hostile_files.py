"""Hostile data files, each with what the message must say, or None where it can be used."""

import gzip
import io
import json
import os
import pickle
import random
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

ROWS = 40
TABLE = [
    ["area", "rooms", "kind", "y"],
    *([f"{30 + 1.5 * row}", str(row % 4), str(row % 5), str(row % 3)] for row in range(ROWS)),
]


def csv(rows=TABLE, separator=",", end="\n"):
    return "".join(separator.join(row) + end for row in rows).encode()


def with_cells(column, cells):
    """The table with the first cells of a column changed."""
    rows = [list(row) for row in TABLE]
    for row, cell in zip(rows[1:], cells, strict=False):
        row[column] = cell
    return csv(rows)


def titled(*header):
    return csv([list(header), *TABLE[1:]])


def frame(**columns):
    good = {"area": np.linspace(0, 1, ROWS), "y": np.arange(ROWS) % 3}
    return pd.DataFrame(good | columns)


def parquet(table):
    content = io.BytesIO()
    if isinstance(table, pd.DataFrame):
        table.to_parquet(content)
    else:
        pa.parquet.write_table(table, content)
    return content.getvalue()


def columns(**values):
    good = {"area": np.linspace(0, 1, ROWS), "y": np.arange(ROWS) % 3}
    return parquet(pa.table(good | values))


def gzip_bomb(file):
    """More zeros than the memory can hold, in a few megabytes: members of a gzip file add up."""
    header = gzip.compress(b"area,y\n")
    member = gzip.compress(b"0,1\n" * 2**23)
    with file.open("wb") as bomb:
        bomb.write(header + member * 2000)


def nothing(file):
    """Make no file."""


def synthetic(**changes):
    """Changes that make the entry one of synthetic data."""
    entry = {"source": "synthetic", "rows": 60, "features": 4, "informative": 2, "classes": 2}
    return {"path": None, "target": None, "noise": 0.1, "seed": 1, **entry, **changes}


class Runs:
    """Makes a folder if it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("pwned",))


NOISE = random.Random(1).randbytes(5000)
PLAIN = csv()
ZIPPED = gzip.compress(PLAIN)
MANY_CLASSES = [[str(row % 7), str(row % 10_000)] for row in range(40_000)]

HOSTILE_CELLS = [
    *("", "NaN", "NA", "None", "inf", "-inf", "1e400", "1e150", "1e-320", "9" * 30, "True", "1,5"),
    *("x", "'", '"', '"a,b"', "\0", " ", "=1+1", "<script>", "é", "\ufeff", "\x1b[2J", "x" * 5000),
    *("2023-11-01", "target", "area", "-"),
]


class Case(NamedTuple):
    """A file's content or a function that makes it; the expected message; changes to its entry."""

    make: object
    expected: str | None
    entry: Mapping = MappingProxyType({})
    file: str = "hostile.csv"


TEXT = {
    # Shape
    "empty": Case(b"", "cannot be read as csv"),
    "an empty line": Case(b"\n", "cannot be read as csv"),
    "header alone": Case(csv(TABLE[:1]), "no rows"),
    "one row": Case(csv(TABLE[:2]), "1 rows, fewer than the 3 folds"),
    "one column": Case(b"y\n1\n2\n", "only one column"),
    "target alone": Case(b"y,\n1,\n2,\n", "no name in the header"),
    "more columns than can be": Case(b"a," * 200_000 + b"y\n", "is not a header"),
    "one endless line": Case(b"1" * (17 * 2**20), "is not a header"),
    "ragged": Case(PLAIN + b"1,2,3,4,5\n", f"line {ROWS + 2}"),
    "short rows": Case(PLAIN + b"1,2\n", "no target in 1"),
    "more fields than names": Case(
        csv([TABLE[0][:3], *TABLE[1:]]), "more fields", {"target": "kind"}
    ),
    "constant columns": Case(
        csv([TABLE[0], *(["1", "1", "1", row[3]] for row in TABLE[1:])]), "the same value"
    ),
    "a constant column": Case(with_cells(0, ["7"] * ROWS), None),
    "a constant target": Case(with_cells(3, ["7"] * ROWS), "only one value in the target"),
    "a column twice": Case(titled("area", "area", "kind", "y"), "more than once: area"),
    "the same column under two names": Case(with_cells(0, [row[1] for row in TABLE[1:]]), None),
    "the target twice": Case(with_cells(0, [row[3] for row in TABLE[1:]]), None),
    "a column without a name": Case(titled("area", "", "kind", "y"), "no name in the header"),
    "a column named NA": Case(titled("area", "NA", "kind", "y"), None),
    "a feature named target": Case(
        titled("target", "rooms", "kind", "y"), "a feature column is named"
    ),
    "no such target": Case(titled("area", "rooms", "kind", "z"), "no column 'y'"),
    # Values
    "missing": Case(with_cells(0, [""]), "missing values in the feature columns area"),
    "missing, dropped": Case(with_cells(0, ["", " "]), None, {"missing": "drop"}),
    "missing, imputed": Case(with_cells(0, ["", '""']), None, {"missing": "impute"}),
    "missing, as declared": Case(
        with_cells(0, ["", "nan", "-999", " NA"]),
        None,
        {"missing": "impute", "missing_values": ["nan", "NA", -999]},
    ),
    "not a number": Case(with_cells(0, ["nan"]), "'nan' in 1 of 40", {"missing": "impute"}),
    "all missing": Case(
        with_cells(0, [""] * ROWS), "without any value: area", {"missing": "impute"}
    ),
    "all but one missing": Case(
        with_cells(0, ["1"] + [""] * (ROWS - 1)), "1 rows (39 of 40", {"missing": "drop"}
    ),
    "no target": Case(with_cells(3, [""]), "no target in 1"),
    "infinite": Case(with_cells(0, ["inf", "-Infinity"]), "infinite values"),
    "infinite target": Case(
        with_cells(3, ["inf"]), "infinite values in its target", {"task": "regression"}
    ),
    "beyond all floats": Case(with_cells(0, ["1e999"]), "infinite values"),
    "squares beyond all floats": Case(with_cells(0, ["1e200", "-1e200"]), "infinite values"),
    "huge": Case(with_cells(0, ["1e99", "-1e99"]), None),
    "huge target": Case(with_cells(3, ["1e99", "-1e99"]), None, {"task": "regression"}),
    "huge target beyond": Case(with_cells(3, ["1e160"]), "its target", {"task": "regression"}),
    "tiny": Case(with_cells(0, [f"{row}e-320" for row in range(ROWS)]), None),
    "whole numbers beyond 64 bits": Case(with_cells(0, ["9" * 30]), "more than 19 digits"),
    "only whole numbers beyond 64 bits": Case(
        with_cells(1, ["9" * 30] * ROWS), "more than 19 digits"
    ),
    "whole numbers beyond 5000 digits": Case(with_cells(1, ["9" * 5000] * ROWS), "rooms"),
    "64 bits, unsigned": Case(with_cells(1, [str(2**64 - 1 - row) for row in range(ROWS)]), None),
    "text": Case(with_cells(0, ["?"]), "texts among the numbers"),
    "text, encoded": Case(with_cells(2, ["a", "b"] * 20), None, {"categorical": "one_hot"}),
    "identifiers": Case(
        with_cells(2, [f"id{row}" for row in range(ROWS)]),
        "identifiers",
        {"categorical": "one_hot"},
    ),
    "dates": Case(with_cells(2, [f"2023-11-{1 + row % 9}" for row in range(ROWS)]), "text instead"),
    "truths": Case(with_cells(2, ["True", "False"] * 20), None),
    "truths and gaps": Case(
        with_cells(2, ["True", "False", ""] * 13 + [""]),
        None,
        {"missing": "impute", "categorical": "ordinal"},
    ),
    "numbers and truths": Case(with_cells(2, ["True", "1"] * 20), "text instead"),
    "formulas": Case(with_cells(2, ["=1+1", "@SUM(A1)"] * 20), None, {"categorical": "ordinal"}),
    "markup": Case(
        with_cells(2, ["<script>alert(1)</script>", "</td>"] * 20),
        None,
        {"categorical": "one_hot"},
    ),
    "a text of a megabyte": Case(with_cells(0, ["x" * 2**20]), "texts among the numbers"),
    # Classes
    "a class of one row": Case(with_cells(3, ["9"]), None),
    "three classes of one row": Case(with_cells(3, ["7", "8", "9"]), None),
    "a class in each row": Case(
        with_cells(3, [f"c{row}" for row in range(ROWS)]), "not like classes"
    ),
    "10,000 classes": Case(csv([["a", "y"], *MANY_CLASSES]), None),
    "10,000 classes of text": Case(csv([["a", "y"], *MANY_CLASSES], ",c"), None, {"target": "cy"}),
    "a class beyond 64 bits": Case(with_cells(3, ["-1.5e46", "-1.5e46"]), None),
    "text as regression": Case(
        with_cells(3, ["cheap"]), "'cheap' in 1 of 40", {"task": "regression"}
    ),
    "labels of markup": Case(with_cells(3, ["<script>", "'\x22;--"] * 20), None),
    "labels that command terminals": Case(
        with_cells(3, ["\x1b[2J", "\x07"] * 20), "not numeric", {"task": "regression"}
    ),
    # Bytes
    "semicolons": Case(csv(separator=";"), "a semicolon seems to separate them"),
    "tabs": Case(csv(separator="\t"), "a tab seems to separate them"),
    "tabs as declared": Case(csv(separator="\t"), None, {"format": "tsv"}),
    "decimal commas": Case(csv(separator=";").replace(b".", b","), "a semicolon seems"),
    "byte order mark": Case(b"\xef\xbb\xbf" + PLAIN, None),
    "UTF-16": Case(PLAIN.decode().encode("utf-16"), "not in UTF-8"),
    "Latin-1": Case(
        titled("area", "größe", "kind", "y").decode().encode("latin-1"), "not in UTF-8"
    ),
    "CRLF": Case(csv(end="\r\n"), None),
    "CR": Case(csv(end="\r"), None),
    "blank lines": Case(b"\n\n" + csv(end="\n\n"), None),
    "no last line end": Case(PLAIN.rstrip(b"\n"), None),
    "NUL bytes": Case(PLAIN.replace(b"30.0", b"3\x000"), "texts among the numbers"),
    "NUL in a name": Case(titled("area", "roo\x00ms", "kind", "y"), None),
    "open quotes": Case(with_cells(2, ['"1']), "cannot be read as csv"),
    "gzip without saying so": Case(ZIPPED, None),
    "noise": Case(NOISE, "hostile.csv"),
    "a web page": Case(
        b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n", "is a web page"
    ),
    "JSON": Case(json.dumps([{"area": 1, "y": 2}] * ROWS, indent=1).encode(), "hostile.csv"),
    "a pickle": Case(pickle.dumps([Runs()] * 9), "hostile.csv"),
}

ZIP = {
    "gzip": Case(ZIPPED, None),
    "not gzip": Case(PLAIN, None),
    "cut gzip": Case(ZIPPED[:-20], "cannot be read as csv"),
    "gzip of nothing": Case(gzip.compress(b""), "cannot be read as csv"),
    "empty gzip": Case(b"", "cannot be read as csv"),
    "gzip in gzip": Case(gzip.compress(ZIPPED), "compressed more than once"),
    "gzip and noise": Case(ZIPPED + NOISE, "cannot be read as csv"),
    "gzip with a wrong checksum": Case(ZIPPED[:-8] + bytes(8), "cannot be read as csv"),
    "gzip bomb": Case(gzip_bomb, "GiB of memory or more"),
    "gzip bomb of one line": Case(gzip.compress(bytes(2**25)), "is not a header"),
}

PARQUET = {
    "a pickle as Parquet": Case(pickle.dumps([Runs()] * 9), "is a Python pickle"),
    "Parquet": Case(parquet(frame()), None),
    "cut Parquet": Case(parquet(frame())[:-20], "cannot be read as parquet"),
    "damaged Parquet": Case(
        parquet(frame()).replace(b"area", b"\xff\xff\xff\xff"), "cannot be read as parquet"
    ),
    "Parquet without rows": Case(parquet(frame().iloc[:0]), "no rows"),
    "Parquet without columns": Case(parquet(pd.DataFrame()), "no column 'y'"),
    "Parquet of numbered columns": Case(
        parquet(pd.DataFrame(np.eye(ROWS)).rename(columns=str).assign(y=frame()["y"])), None
    ),
    "Parquet of nested columns": Case(
        parquet(pd.DataFrame({("a", "b"): frame()["area"], ("c", "d"): 1})), "no column 'y'"
    ),
    "Parquet with the target as index": Case(parquet(frame().set_index("y")), None),
    "Parquet with a column twice": Case(
        parquet(pa.table([np.arange(ROWS)] * 2 + [np.arange(ROWS) % 3], names=["a", "a", "y"])),
        "hostile",
    ),
    "lists": Case(columns(a=pa.array([[1]] * ROWS)), "neither numbers nor text"),
    "structures": Case(columns(a=pa.array([{"b": 1}] * ROWS)), "neither numbers nor text"),
    "bytes": Case(columns(a=pa.array([b"\x80", b"x"] * 20)), "neither numbers nor text"),
    "decimals": Case(columns(a=pa.array([1, 5] * 20, pa.decimal128(30, 2))), None),
    "real dates": Case(columns(a=pa.array(range(ROWS), pa.date32())), "dates or times"),
    "times of day": Case(columns(a=pa.array(range(ROWS), pa.time64("us"))), "dates or times"),
    "timestamps out of range": Case(
        columns(a=pa.array([2**60] * ROWS, pa.timestamp("ms"))), "hostile"
    ),
    "durations": Case(columns(a=pa.array(range(ROWS), pa.duration("s"))), "dates or times"),
    "dates as categories": Case(
        columns(a=pa.array([1, 2] * 20, pa.date32()).dictionary_encode()),
        "dates or times",
        {"categorical": "ordinal"},
    ),
    "categories": Case(
        columns(a=pa.array(["a", "b"] * 20).dictionary_encode()), None, {"categorical": "one_hot"}
    ),
    "categories of numbers": Case(
        columns(a=pa.array([1.5, np.inf] * 20).dictionary_encode()),
        "infinite values",
        {"categorical": "ordinal"},
    ),
    "nothing at all": Case(columns(a=pa.nulls(ROWS)), "without any value"),
    "half floats": Case(columns(a=pa.array(np.linspace(0, 1, ROWS, dtype=np.float16))), None),
    "nullable whole numbers": Case(
        parquet(frame(a=pd.array([1, None] * 20, "Int64"))), None, {"missing": "impute"}
    ),
    "nullable truths": Case(
        parquet(frame(a=pd.array([True, None] * 20, "boolean"))), None, {"missing": "drop"}
    ),
    "dates as target": Case(
        columns(y=pa.array([1, 2] * 20, pa.date32())), "class labels that are neither"
    ),
    "lists as target": Case(columns(y=pa.array([[1], [2]] * 20)), "class labels that are neither"),
    "bytes as target": Case(
        columns(y=pa.array([b"a", b"b"] * 20)), "class labels that are neither"
    ),
}

OTHERS = {
    "a folder": Case(Path.mkdir, "there is no file"),
    "a pipe": Case(os.mkfifo, "there is no file"),
    "a device": Case(lambda file: file.symlink_to("/dev/zero"), "there is no file"),
    "a link to itself": Case(lambda file: file.symlink_to(file), "there is no file"),
    "nothing there": Case(nothing, "there is no file"),
    "a file of a terabyte": Case(
        lambda file: os.truncate(os.open(file, os.O_CREAT | os.O_RDWR), 2**40),
        "GiB of memory or more",
    ),
    "another hash": Case(PLAIN, "is not the expected one", {"sha256": "0" * 64}),
    "a Git LFS pointer": Case(
        b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull", {"sha256": "0" * 64}
    ),
    "an ending of no format": Case(PLAIN, None, file="hostile.xlsx"),
    "wrong counts": Case(PLAIN, "expected 7", {"rows": 7}),
    "braces in the path": Case(nothing, "datasets.hostile.path", {"path": "data/{dataset}.csv"}),
    "brackets in the path": Case(nothing, "datasets.hostile.path", {"path": "<results>/x.csv"}),
    "NUL in the path": Case(nothing, "datasets.hostile.path", {"path": "data/a\0b"}),
    "more synthetic data than fit": Case(
        nothing, "GiB of memory or more", synthetic(rows=10**9, features=10**6)
    ),
    "more classes than features distinguish": Case(
        nothing, "at most 4 classes", synthetic(classes=5)
    ),
    "more informative features than all": Case(nothing, "informative", synthetic(informative=99)),
    "synthetic data of three rows": Case(nothing, "not like classes", synthetic(rows=3)),
    "synthetic data of noise": Case(nothing, None, synthetic(noise=1)),
}

CASES = {
    **TEXT,
    **{name: case._replace(file="hostile.csv.gz") for name, case in ZIP.items()},
    **{name: case._replace(file="hostile.parquet") for name, case in PARQUET.items()},
    **OTHERS,
}
