"""Fetch the raw table of a data set from its source, with a record of where it came from."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pmlb.pmlb
import requests
import sklearn.datasets
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_regression,
)

from sysstop.data.checks import (
    TARGET,
    check_column_names,
    check_counts,
    check_memory,
    listed,
)
from sysstop.data.files import checked_content, read_table, table_format
from sysstop.run.errors import UserError

PMLB_ADDRESS = pmlb.pmlb.GITHUB_URL
# The pmlb package knows these by their old names only.
PMLB_RENAMED = {"diabetes": "_deprecated_diabetes"}

RETRY_DELAYS_S = (1, 4)
CONNECT_AND_READ_TIMEOUT_S = (10, 60)
LARGEST_DOWNLOAD_BYTES = 2 * 2**30
DOWNLOAD_BLOCK_BYTES = 2**20

SKLEARN_LOADERS: dict[str, Callable] = {
    "breast_cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "digits": load_digits,
    "iris": load_iris,
    "wine": load_wine,
}


def fetch_table(
    name: str, entry: Mapping, pmlb_cache: Path | None, download_folder: Path
) -> tuple[pd.DataFrame, dict]:
    """Return the raw table of a data set and its provenance.

    Parameters
    ----------
    name
        The data set's name in the registry, used in messages.
    entry
        Its entry in the registry (see datasets.schema.yaml).
    pmlb_cache
        Folder in the layout of PMLB's own cache, `<name>/<name>.tsv.gz`. It may be read-only.
    download_folder
        The same kind of folder, used where `pmlb_cache` is None or cannot be written to.

    Returns
    -------
    table
        The features in the source's order and, as the last column, `target`.
    provenance
        Source, address, file, SHA-256 found and expected, rows, columns, time and versions.

    Raises
    ------
    UserError
        Where the data cannot be had, are not the expected ones, or have no such target.
    """
    fetch = {
        "pmlb": lambda: _fetch_pmlb(name, entry, pmlb_cache, download_folder),
        "sklearn": lambda: _fetch_sklearn(name, entry),
        "file": lambda: _fetch_file(name, entry),
        "synthetic": lambda: _generate(name, entry),
    }[entry["source"]]
    table, origin = fetch()
    table.columns = [str(column) if pd.notna(column) else None for column in table.columns]
    check_column_names(name, table.columns)
    table = _with_target_last(name, table, entry.get("target", TARGET))
    check_counts(name, table, entry)
    provenance = {
        "dataset": name,
        "source": entry["source"],
        **origin,
        "sha256_expected": entry.get("sha256"),
        "licence": entry.get("licence"),
        "rows": len(table),
        "columns": list(table.columns),
        "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            library: version(library)
            for library in ("pandas", "numpy", "scikit-learn", "pmlb", "pyarrow")
        },
    }
    return table, provenance


def write_table(
    table: pd.DataFrame, provenance: Mapping, table_file: Path, provenance_file: Path
) -> None:
    """Write the table as Parquet and its provenance as JSON, each whole or not at all."""
    for file, write in (
        (table_file, lambda part: table.to_parquet(part, index=False)),
        (provenance_file, lambda part: part.write_text(json.dumps(provenance, indent=2) + "\n")),
    ):
        part = file.with_name(file.name + ".part")
        write(part)
        part.replace(file)


def _with_target_last(name: str, table: pd.DataFrame, target: str) -> pd.DataFrame:
    if target not in table.columns:
        close = get_close_matches(target, table.columns, n=1)
        raise UserError(
            f"Data set '{name}': no column '{target}' (key `datasets.{name}.target`). "
            + (f"Did you mean '{close[0]}'? " if close else "")
            + f"The columns are: {listed(table.columns, 50)}."
        )
    if target != TARGET and TARGET in table.columns:
        raise UserError(
            f"Data set '{name}': a feature column is named '{TARGET}', which is what the target "
            f"column '{target}' will be called. Rename the feature column in the file."
        )
    order = [*(column for column in table.columns if column != target), target]
    return table[order].rename(columns={target: TARGET})


# PMLB


def _fetch_pmlb(
    name: str, entry: Mapping, pmlb_cache: Path | None, download_folder: Path
) -> tuple[pd.DataFrame, dict]:
    names = [entry["name"]]
    if entry["name"] in PMLB_RENAMED:
        names.append(PMLB_RENAMED[entry["name"]])
    folders = [Path(folder) for folder in (pmlb_cache, download_folder) if folder]
    cached = [(folder, known_as) for folder in folders for known_as in names]
    found = [place for place in cached if _cache_file(*place).is_file()]
    if found:
        folder, known_as = found[0]
    else:
        known_as = entry["name"]
        folder = _download(name, names, entry["sha256"], folders)
    file = _cache_file(folder, known_as)
    content, sha256 = checked_content(
        name,
        file,
        entry["sha256"],
        "Remove the file to have it downloaded again, or correct the key.",
    )
    # pmlb.fetch_data would open the file again, which may be another one by then.
    table = read_table(name, file, content, "tsv")
    origin = {
        "address": _pmlb_address(entry["name"]),
        "file": str(file),
        "sha256": sha256,
        "downloaded": not found,
    }
    return table, origin


def _cache_file(folder: Path, pmlb_name: str) -> Path:
    return folder / pmlb_name / f"{pmlb_name}{pmlb.pmlb.suffix}"


def _pmlb_address(pmlb_name: str) -> str:
    return f"{PMLB_ADDRESS}/{pmlb_name}/{pmlb_name}{pmlb.pmlb.suffix}"


def _download(name: str, pmlb_names: Sequence[str], sha256: str, folders: Sequence[Path]) -> Path:
    """Download a file into the first folder that can be written to, and return that folder.

    pmlb.fetch_data could download as well, but reports any trouble as "Dataset not found", writes
    the file anew (so that its hash differs from upstream's) and cannot check it before parsing.
    """
    folder = _first_writable(name, folders)
    file = _cache_file(folder, pmlb_names[0])
    part = folder / f"{file.name}.{uuid4().hex}.part"
    try:
        failures = []
        for pmlb_name in pmlb_names:
            address = _pmlb_address(pmlb_name)
            failure = _failure_of_download(address, part)
            if failure is None:
                remedy = (
                    f"Downloaded from {address}, and not kept: either upstream changed the file, "
                    "or something on the way answered in its place."
                )
                checked_content(name, part, sha256, remedy)
                file.parent.mkdir(exist_ok=True)
                part.replace(file)
                return folder
            failures.append(f"{address}: {failure}")
    finally:
        part.unlink(missing_ok=True)
    raise UserError(
        f"Data set '{name}': the download from PMLB failed ({'; '.join(failures)}). Try again, or "
        f"go on offline: put the file with SHA-256 {sha256} at {file}. Another folder in this "
        "layout can be named by the config key `data.pmlb_cache` or the environment variable "
        "PMLB_CACHE."
    )


def _first_writable(name: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        # The system lets root write anywhere; a folder marked read-only is left alone all the same.
        if folder.exists() and not folder.stat().st_mode & 0o222:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    raise UserError(
        f"Data set '{name}': it is not yet downloaded, and these folders cannot be written to: "
        f"{listed(folders)}. Name a folder that can be by the config key `data.pmlb_cache` or the "
        "environment variable PMLB_CACHE."
    )


def _failure_of_download(address: str, file: Path) -> str | None:
    """Download into a file; return None, or the failure after retries where those make sense."""
    failure = None
    for delay_s in (0, *RETRY_DELAYS_S):
        time.sleep(delay_s)
        try:
            with (
                requests.get(
                    address,
                    stream=True,
                    timeout=CONNECT_AND_READ_TIMEOUT_S,
                    headers={"Accept-Encoding": "identity"},
                ) as response,
                file.open("wb") as content,
            ):
                if response.status_code == requests.codes.ok:
                    for block in response.iter_content(chunk_size=DOWNLOAD_BLOCK_BYTES):
                        content.write(block)
                        if content.tell() > LARGEST_DOWNLOAD_BYTES:
                            return f"more than {LARGEST_DOWNLOAD_BYTES} bytes were sent"
                    return None
                failure = f"the server answered HTTP {response.status_code} {response.reason}"
                if response.status_code < 500 and response.status_code != 429:
                    return failure
        except requests.RequestException as error:
            failure = f"no complete answer, {type(error).__name__}: {error}"
    return failure


# scikit-learn


def _fetch_sklearn(name: str, entry: Mapping) -> tuple[pd.DataFrame, dict]:
    if entry["name"] not in SKLEARN_LOADERS:
        raise UserError(
            f"Data set '{name}': scikit-learn ships no data set '{entry['name']}' "
            f"(key `datasets.{name}.name`). Known are: {listed(SKLEARN_LOADERS)}."
        )
    load = SKLEARN_LOADERS[entry["name"]]
    return load(as_frame=True).frame, _origin_in_sklearn(load)


def _generate(name: str, entry: Mapping) -> tuple[pd.DataFrame, dict]:
    check_memory(
        name,
        "generating it",
        3 * 8 * entry["rows"] * entry["features"],
        f"Lower `datasets.{name}.rows` or `datasets.{name}.features`",
    )
    if entry["informative"] > entry["features"]:
        raise UserError(
            f"Data set '{name}': {entry['informative']} informative features of "
            f"{entry['features']}. Lower `datasets.{name}.informative` or raise "
            f"`datasets.{name}.features`."
        )
    shape = {
        "n_samples": entry["rows"],
        "n_features": entry["features"],
        "n_informative": entry["informative"],
        "random_state": entry["seed"],
    }
    if entry["task"] == "classification":
        if entry["classes"] > 2 ** entry["informative"]:
            raise UserError(
                f"Data set '{name}': {entry['informative']} informative features can tell at most "
                f"{2 ** entry['informative']} classes apart, not {entry['classes']}. Raise "
                f"`datasets.{name}.informative` or lower `datasets.{name}.classes`."
            )
        make = make_classification
        features, target = make(
            **shape,
            n_redundant=0,
            n_classes=entry["classes"],
            n_clusters_per_class=1,
            flip_y=entry["noise"],
        )
    else:
        make = make_regression
        features, target = make(**shape, noise=entry["noise"])
    table = pd.DataFrame(features).rename(columns=lambda place: f"feature_{place + 1}")
    table[TARGET] = target
    return table, _origin_in_sklearn(make)


def _origin_in_sklearn(function: Callable) -> dict:
    address = f"{sklearn.datasets.__name__}.{function.__name__}"
    return {"address": address, "file": None, "sha256": None, "downloaded": False}


# The user's own files


def _fetch_file(name: str, entry: Mapping) -> tuple[pd.DataFrame, dict]:
    file = Path(entry["path"])
    if not file.is_file():
        raise UserError(
            f"Data set '{name}': there is no file {file} (key `datasets.{name}.path`). The path is "
            f"relative to the working directory, {Path.cwd()}."
        )
    file_format = table_format(name, file, entry.get("format"))
    content, sha256 = checked_content(
        name, file, entry.get("sha256"), "Restore the file, or correct or remove the key."
    )
    table = read_table(name, file, content, file_format)
    origin = {"address": str(file), "file": str(file), "sha256": sha256, "downloaded": False}
    return table, origin
