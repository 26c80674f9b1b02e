"""The files of PMLB: where they are kept, and their download."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pmlb.pmlb
import requests

from sysstop.data.checks import listed
from sysstop.data.files import checked_content
from sysstop.run.errors import UserError

PMLB_ADDRESS = pmlb.pmlb.GITHUB_URL
# The pmlb package knows these only by their old names.
PMLB_RENAMED = {"diabetes": "_deprecated_diabetes"}

RETRY_DELAYS_S = (1, 4)
CONNECT_AND_READ_TIMEOUT_S = (10, 60)
LARGEST_DOWNLOAD_BYTES = 2 * 2**30
DOWNLOAD_BLOCK_BYTES = 2**20


def pmlb_address(pmlb_name: str) -> str:
    """Return the address of a data set's file at PMLB."""
    return f"{PMLB_ADDRESS}/{pmlb_name}/{pmlb_name}{pmlb.pmlb.suffix}"


def pmlb_file(name: str, pmlb_name: str, sha256: str, folders: Sequence[Path]) -> tuple[Path, bool]:
    """Return PMLB's file of a data set, and whether it had to be downloaded.

    It is looked for in the folders as `<pmlb_name>/<pmlb_name>.tsv.gz`, and otherwise downloaded
    into the first one that is writable. Raises UserError where neither is possible.
    """
    names = [pmlb_name]
    if pmlb_name in PMLB_RENAMED:
        names.append(PMLB_RENAMED[pmlb_name])
    for folder in folders:
        for known_as in names:
            if (file := _cache_file(folder, known_as)).is_file():
                return file, False
    return _download(name, names, sha256, folders), True


def _cache_file(folder: Path, pmlb_name: str) -> Path:
    return folder / pmlb_name / f"{pmlb_name}{pmlb.pmlb.suffix}"


def _download(name: str, pmlb_names: Sequence[str], sha256: str, folders: Sequence[Path]) -> Path:
    """Download a file into the first writable folder, and return its path.

    pmlb.fetch_data could download as well, but it reports any failure as "Dataset not found",
    rewrites the file (so that its hash differs from upstream's) and cannot check it before parsing.
    """
    folder = _first_writable(name, folders)
    file = _cache_file(folder, pmlb_names[0])
    part = folder / f"{file.name}.{uuid4().hex}.part"
    try:
        failures = []
        for pmlb_name in pmlb_names:
            address = pmlb_address(pmlb_name)
            failure = _failure_of_download(address, part)
            if failure is None:
                remedy = (
                    f"Downloaded from {address}, and not kept: either upstream changed the file, "
                    "or something on the way answered in its place."
                )
                checked_content(name, part, sha256, remedy)
                file.parent.mkdir(exist_ok=True)
                part.replace(file)
                return file
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
        # Root may write anywhere, but a folder marked read-only is left alone all the same.
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
        f"{listed(folders)}. Name a writable folder with the config key `data.pmlb_cache` or the "
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
