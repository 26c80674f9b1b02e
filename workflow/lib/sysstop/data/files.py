"""Read a table from a file that may contain anything."""

import gzip
import hashlib
import io
import re
import warnings
from pathlib import Path

import pandas as pd
import pyarrow.parquet
from pandas.api.types import infer_dtype

from sysstop.data.checks import MAX_COLUMNS, check_memory, listed
from sysstop.run.errors import UserError

SEPARATORS = {"csv": ",", "tsv": "\t"}
SEPARATOR_NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}
LONGEST_HEADER_BYTES = 16 * 2**20
BLOCK_BYTES = 2**20
# The most that pandas needs while it reads text, measured with fields that are all empty.
FIELD_BYTES = 32


def checked_content(
    name: str, file: Path, expected_sha256: str | None, remedy: str
) -> tuple[bytes, str]:
    """Return a file's content and its SHA-256; raise UserError where a different one is expected.

    The hash is that of the content read, even if the file is replaced in the meantime.
    """
    try:
        check_memory(
            name, f"reading {file}", file.stat().st_size, "Name another file, or use more memory"
        )
        content = file.read_bytes()
    except OSError as error:
        raise UserError(
            f"Data set '{name}': the file {file} cannot be read: {error.strerror}. "
            "Check that it exists and that you may read it."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if expected_sha256 is not None and found != expected_sha256:
        pointer = content.startswith(b"version https://git-lfs")
        raise UserError(
            f"Data set '{name}': the file {file} is not the expected one. Its SHA-256 is {found}, "
            f"expected {expected_sha256} (key `datasets.{name}.sha256`). "
            + ("It is a Git LFS pointer, not the data: run `git lfs pull`. " if pointer else "")
            + remedy
        )
    return content, found


def table_format(name: str, file: Path, given: str | None) -> str:
    """Return `csv`, `tsv` or `parquet`: what is given, or else what the file's ending names.

    Raises UserError where it names none of them.
    """
    ending = file.with_suffix("").suffix if file.suffix == ".gz" else file.suffix
    file_format = given or ending.removeprefix(".")
    if file_format not in {*SEPARATORS, "parquet"}:
        raise UserError(
            f"Data set '{name}': the ending of {file} names no known format. Set "
            f"`datasets.{name}.format` to csv, tsv or parquet."
        )
    return file_format


def read_table(name: str, file: Path, content: bytes, file_format: str) -> pd.DataFrame:
    """Return the table in a file's content; raise UserError where it is not in this format."""
    try:
        if file_format == "parquet":
            return _read_parquet(name, content)
        return _read_text(name, file, content, SEPARATORS[file_format])
    except (UserError, MemoryError):
        raise
    except Exception as error:  # readers may raise anything on bad content
        if isinstance(error, UnicodeDecodeError) and file_format in SEPARATORS:
            raise UserError(
                f"Data set '{name}': the file {file} is not in UTF-8 ({error.reason} at byte "
                f"{error.start}). Save it in UTF-8."
            ) from error
        reason = [*str(error).strip().splitlines(), type(error).__name__][0].rstrip(".")
        raise UserError(
            f"Data set '{name}': the file {file} cannot be read as {file_format}: {reason}. Check "
            "that it is whole and in this format, or name its format with "
            f"`datasets.{name}.format` (csv, tsv or parquet)."
        ) from error


def _read_parquet(name: str, content: bytes) -> pd.DataFrame:
    about = pyarrow.parquet.read_metadata(io.BytesIO(content))
    groups = [about.row_group(place).total_byte_size for place in range(about.num_row_groups)]
    needed = max(sum(groups), 8 * about.num_rows * about.num_columns)
    check_memory(
        name, f"reading its {about.num_rows} rows", 2 * needed, "Use fewer rows or columns"
    )
    return pd.read_parquet(io.BytesIO(content))


def _read_text(name: str, file: Path, content: bytes, separator: str) -> pd.DataFrame:
    compression = "gzip" if file.suffix == ".gz" else None
    _check_text(name, file, content, separator)
    # pandas renames repeated columns (a, a.1); the header's own names let them be refused. A column
    # may be called NA or None, but not be empty.
    header = pd.read_csv(
        io.BytesIO(content),
        sep=separator,
        header=None,
        nrows=1,
        dtype=str,
        keep_default_na=False,
        na_values=[""],
        compression=compression,
    ).iloc[0]
    if len(header) == 1:
        likely = [other for other in SEPARATOR_NAMES if other in str(header[0])]
        raise UserError(
            f"Data set '{name}': the file {file} has only one column when its fields are separated "
            f"by a {SEPARATOR_NAMES[separator]}"
            + (f"; a {SEPARATOR_NAMES[likely[0]]} seems to separate them" if likely else "")
            + f". Set `datasets.{name}.format` to csv (comma) or tsv (tab), or save it that way."
        )
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            # Without index_col=False, pandas silently takes a surplus first field for row names.
            table = pd.read_csv(
                io.BytesIO(content),
                sep=separator,
                low_memory=False,
                index_col=False,
                compression=compression,
            )
    except pd.errors.ParserWarning as warning:
        raise UserError(
            f"Data set '{name}': the rows of {file} have more fields than its header has names "
            f"({len(header)}). Name every column, and quote text that contains a "
            f"{SEPARATOR_NAMES[separator]}."
        ) from warning
    table.columns = range(len(header))
    huge = [name for place, name in enumerate(header) if _has_huge_numbers(table[place])]
    if huge:
        raise UserError(
            f"Data set '{name}': the file {file} has whole numbers of more than 19 digits in the "
            f"columns {listed(huge)}. Write them with a decimal point, or remove the columns if they "
            "are identifiers."
        )
    table.columns = header.to_list()
    return table


def _has_huge_numbers(column: pd.Series) -> bool:
    """Return whether pandas left numbers as text or objects, because 64 bits cannot hold them."""
    content = infer_dtype(column, skipna=True)
    if content == "string":
        return bool(pd.to_numeric(column.dropna(), errors="coerce").notna().all())
    return content == "integer" and column.dtype == object


def _check_text(name: str, file: Path, content: bytes, separator: str) -> None:
    """Raise UserError where text, once decompressed, is too large for memory or too wide.

    It is decompressed block by block, because a few megabytes can hold many gigabytes.
    """
    text = io.BytesIO(content)
    if file.suffix == ".gz":
        text = gzip.GzipFile(fileobj=text)
    start = re.match(rb"\s*([^\r\n]*)", text.read(LONGEST_HEADER_BYTES))
    if start.end() == LONGEST_HEADER_BYTES or start[1].count(separator.encode()) > MAX_COLUMNS:
        raise UserError(
            f"Data set '{name}': the first line of {file} has more than {MAX_COLUMNS} fields or "
            f"{LONGEST_HEADER_BYTES} bytes, so it is not a header. Check that this is a table with "
            "a sample in each row."
        )
    text.seek(0)
    fields = 0
    while block := text.read(BLOCK_BYTES):
        fields += block.count(separator.encode()) + block.count(b"\n")
        check_memory(
            name,
            f"reading {file}",
            2 * text.tell() + FIELD_BYTES * fields,
            "Check that it is the right file, or use fewer rows or columns",
        )
