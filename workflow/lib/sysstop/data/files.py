"""Read a table from a file that may contain anything; its content decides how it is read."""

import bz2
import codecs
import gzip
import hashlib
import io
import json
import lzma
import re
import warnings
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from sysstop.data.cells import has_huge_numbers, with_cells_read
from sysstop.data.checks import MAX_COLUMNS, check_memory, listed
from sysstop.run.errors import UserError, shortened

SEPARATORS = {"csv": ",", "tsv": "\t"}
SEPARATOR_NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}
TEXT_ENDINGS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv"}
PARQUET_ENDINGS = {".parquet", ".parq", ".pq"}
LONGEST_HEADER_BYTES = 16 * 2**20
BLOCK_BYTES = 2**20
# The most that pandas needs while it reads text, measured with fields that are all empty.
FIELD_BYTES = 32

PARQUET_MARK = b"PAR1"
COMPRESSION_MARKS = {
    "gzip": rb"\x1f\x8b",
    "bzip2": rb"BZh[1-9]1AY&SY",
    "xz": rb"\xfd7zXZ\x00",
    "zstd": rb"\x28\xb5\x2f\xfd",
    "zip": rb"PK\x03\x04",
}
ZIPPED_KINDS = {"[Content_Types].xml": "an Excel workbook", "mimetype": "a spreadsheet document"}
COMPRESSION_ENDINGS = {".gz", ".gzip", ".bz2", ".xz", ".zst", ".zstd", ".zip"}
# Other kinds of files that people try to use as tables, by how they begin.
OTHER_KINDS = {
    "a Git LFS pointer, not the data (run `git lfs pull`)": rb"version https://git-lfs",
    "an old Excel workbook": rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "an Arrow (Feather) file": rb"ARROW1|FEA1",
    "an ORC file": rb"ORC",
    "an Avro file": rb"Obj\x01",
    "an HDF5 file": rb"\x89HDF\r\n\x1a\n",
    "an SQLite database": rb"SQLite format 3\x00",
    "a NumPy array": rb"\x93NUMPY",
    "a Python pickle": rb"\x80[\x02-\x05]",
    "an encrypted Parquet file": rb"PARE",
    "a 7z archive": rb"7z\xbc\xaf\x27\x1c",
    "a RAR archive": rb"Rar!\x1a\x07",
    "a tar archive": rb"(?s:.{257})ustar",
    "a PDF document": rb"%PDF-",
    "a web page": rb"(?i)\s*<(?:!doctype html|html|head)\b",
    "an XML document": rb"\s*<\?xml",
    "JSON": rb"\s*(?:\{\s*\"|\[\s*[\[{])",
    "an ARFF file": rb"(?im)(?:^\s*(?:%.*)?$\s)*^@relation\s",
}


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


def read_table(
    name: str,
    file: Path,
    content: bytes,
    *,
    file_format: str | None = None,
    separator: str | None = None,
    encoding: str = "utf-8",
    decimal: str | None = None,
    thousands: str | None = None,
    missing_values: Collection[str] = (),
    keep: Collection[str] = (),
    target: str | None = None,
) -> pd.DataFrame:
    """Return the table in a file's content.

    Compression and Parquet are recognised by the content. The separator of a text file is the one
    given, or else that of the format given, of the file's ending, or of the header.

    Parameters
    ----------
    name
        The data set's name in the registry, used in messages.
    file
        The file's path. Its ending implies the separator of a text file where nothing else does.
    content
        The file's content, compressed or not.
    file_format
        `csv`, `tsv` or `parquet`, if the user says so.
    separator
        What separates the fields of a text file.
    encoding
        The encoding of a text file, by Python's name.
    decimal, thousands
        The decimal sign and the separator of groups of three digits in text that denotes numbers. In
        a Parquet file only where one of these, or `missing_values`, is given.
    missing_values
        What stands for a missing value, besides an empty cell.
    keep
        Columns whose text stays text. Columns of pandas' index are left out unless they are among
        these.
    target
        The column to predict, which may be one of pandas' index.

    Raises
    ------
    UserError
        Where the content is not such a table, with the reason.
    """
    compression = _kind(content, COMPRESSION_MARKS)
    attempted = file_format or _ending(file).removeprefix(".") or "a table"
    declared = any((decimal, thousands, missing_values))
    try:
        open_content = _opener(name, file, content, compression)
        with open_content() as opened:
            start = opened.read(LONGEST_HEADER_BYTES)
        is_parquet = _is_parquet(name, file, start, file_format)
        if is_parquet:
            attempted = "parquet"
            table = _read_parquet(name, file, open_content, wanted={*keep, target})
        else:
            separator = separator or _separator(name, file, start, encoding, file_format)
            _check_text(name, file, open_content, start, separator)
            table = _read_text(
                name,
                file,
                open_content,
                separator,
                encoding,
                missing_values,
                infer=decimal in (None, ".") and thousands is None,
            )
    except (UserError, MemoryError):
        raise
    except Exception as error:  # readers may raise anything on bad content
        if isinstance(error, UnicodeDecodeError) and attempted != "parquet":
            raise _wrongly_encoded(name, file, encoding, start, error) from error
        if compression:
            attempted += f" (compressed by {compression})"
        reason = [*str(error).strip().splitlines(), type(error).__name__][0].rstrip(".")
        raise UserError(
            f"Data set '{name}': the file {file} cannot be read as {attempted}: {reason}. Check "
            "that it is whole and in this format, or name its format with "
            f"`datasets.{name}.format` (csv, tsv or parquet)."
        ) from error
    # If the user declares nothing, text in a Parquet file is meant to be text.
    to_numbers = not is_parquet or declared
    for place, column in enumerate(table.columns):
        written = table.iloc[:, place]
        cells = with_cells_read(
            written,
            missing_values=missing_values,
            decimal=decimal or ".",
            thousands=thousands,
            to_numbers=to_numbers and column not in keep,
        )
        if cells is not written:
            table.isetitem(place, cells)
    return table


def _kind(content: bytes, marks: Mapping[str, bytes]) -> str | None:
    """Return the kind of file that begins like this content, if it is one of these."""
    return next((kind for kind, mark in marks.items() if re.match(mark, content)), None)


def _ending(file: Path) -> str:
    """Return a file's ending in lower case, without that of a compression."""
    endings = [ending.lower() for ending in file.suffixes]
    while endings and endings[-1] in COMPRESSION_ENDINGS:
        endings.pop()
    return endings[-1] if endings else ""


def _opener(
    name: str, file: Path, content: bytes, compression: str | None
) -> Callable[[], IO[bytes]]:
    """Return a function that opens the content, decompressed block by block as it is read."""
    if compression == "gzip":
        return lambda: gzip.GzipFile(fileobj=io.BytesIO(content))
    if compression == "bzip2":
        return lambda: bz2.BZ2File(io.BytesIO(content))
    if compression == "xz":
        return lambda: lzma.LZMAFile(io.BytesIO(content))
    if compression == "zstd":
        return lambda: pa.CompressedInputStream(pa.py_buffer(content), "zstd")
    if compression != "zip":
        return lambda: io.BytesIO(content)
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = [member.filename for member in archive.infolist() if not member.is_dir()]
    workbook = [kind for mark, kind in ZIPPED_KINDS.items() if mark in members]
    if workbook:
        raise _other_kind(name, file, workbook[0])
    members = [member for member in members if not member.startswith("__MACOSX/")]
    if len(members) != 1:
        raise UserError(
            f"Data set '{name}': the zip archive {file} holds {len(members)} files "
            f"({listed(members)}), not one. Unpack it and name the file of the table by "
            f"`datasets.{name}.path`."
        )
    return lambda: archive.open(members[0])


def _is_parquet(name: str, file: Path, start: bytes, file_format: str | None) -> bool:
    """Return whether the content is Parquet; raise UserError if it cannot be a table at all."""
    if start.startswith(PARQUET_MARK):
        if file_format not in (None, "parquet"):
            raise UserError(
                f"Data set '{name}': {file} is a Parquet file, not {file_format} as "
                f"`datasets.{name}.format` says. Correct or remove the key."
            )
        return True
    other = _kind(start, OTHER_KINDS)
    if other:
        raise _other_kind(name, file, other)
    packed = _kind(start, COMPRESSION_MARKS)
    if packed:
        raise _other_kind(name, file, f"compressed more than once ({packed} within)")
    if file_format == "parquet" or (file_format is None and _ending(file) in PARQUET_ENDINGS):
        raise UserError(
            f"Data set '{name}': the file {file} cannot be read as parquet: it does not begin as a "
            "Parquet file does. Check that it is whole, or name its format with "
            f"`datasets.{name}.format` (csv or tsv)."
        )
    return False


def _other_kind(name: str, file: Path, kind: str) -> UserError:
    return UserError(
        f"Data set '{name}': {file} is {kind}. Save the table as text (csv or tsv) or Parquet, as it "
        "is or compressed once."
    )


def _wrongly_encoded(
    name: str, file: Path, encoding: str, start: bytes, error: UnicodeDecodeError
) -> UserError:
    is_utf_16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    likely = "utf-16" if is_utf_16 else "the one it has, such as cp1252 (Windows, Western Europe)"
    return UserError(
        f"Data set '{name}': the file {file} is not in {encoding.upper()} ({error.reason} at byte "
        f"{error.start}). Set `datasets.{name}.encoding` to {likely}, or save the file in UTF-8."
    )


# Parquet


def _read_parquet(
    name: str, file: Path, open_content: Callable[[], IO[bytes]], wanted: Collection[str]
) -> pd.DataFrame:
    """Return the columns of a Parquet file, with its own types, not those that pandas noted in it.

    Columns of pandas' index are left out unless they are wanted.
    """
    with open_content() as opened:
        content = _read_all(name, file, opened)
    parquet = pyarrow.parquet.ParquetFile(content)
    about = parquet.metadata
    groups = [about.row_group(place).total_byte_size for place in range(about.num_row_groups)]
    needed = max(sum(groups), 8 * about.num_rows * about.num_columns)
    check_memory(
        name, f"reading its {about.num_rows} rows", 2 * needed, "Use fewer rows or columns"
    )
    table = parquet.read()
    left_out = _index_columns(table.schema) - set(wanted)
    columns, names = [], []
    for field, values in zip(table.schema, table.columns, strict=True):
        if field.name not in left_out:
            columns.append(_as_pandas(name, field, values))
            names.append(field.name)
    frame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(table.num_rows))
    frame.columns = pd.Index(names, dtype=object)
    return frame


def _read_all(name: str, file: Path, opened: IO[bytes]) -> pa.Buffer:
    blocks, size = [], 0
    while block := opened.read(BLOCK_BYTES):
        blocks.append(block)
        size += len(block)
        check_memory(name, f"reading {file}", 2 * size, "Use fewer rows or columns")
    return pa.py_buffer(b"".join(blocks))


def _index_columns(schema: pa.Schema) -> set[str]:
    try:
        noted = json.loads((schema.metadata or {})[b"pandas"])["index_columns"]
    except (KeyError, TypeError, ValueError):  # pandas did not write it, or something rewrote it
        return set()
    return {column for column in noted if isinstance(column, str)}


def _as_pandas(name: str, field: pa.Field, values: pa.ChunkedArray) -> pd.Series:
    try:
        if pa.types.is_decimal(field.type):
            values = values.cast(pa.string()).cast(pa.float64())  # to the nearest number
        column = values.to_pandas()
    except pa.ArrowException as error:
        raise UserError(
            f"Data set '{name}': the column '{field.name}' of the type {field.type} cannot be read: "
            f"{str(error).splitlines()[0].rstrip('.')}. Leave it out by `datasets.{name}.drop`, or "
            "save it as numbers or text."
        ) from error
    has_unknown_truths = pa.types.is_boolean(field.type) and values.null_count
    return column.astype("boolean") if has_unknown_truths else column


# Text


def _separator(name: str, file: Path, start: bytes, encoding: str, file_format: str | None) -> str:
    """Return what separates the fields of a text file: by its format, its ending or its header."""
    known = file_format or TEXT_ENDINGS.get(_ending(file))
    if known:
        return SEPARATORS[known]
    header = re.match(rb"\s*([^\r\n]*)", start)[1].decode(encoding)
    counts = {separator: header.count(separator) for separator in SEPARATOR_NAMES}
    separator = max(counts, key=counts.get)
    if not counts[separator]:
        raise UserError(
            f"Data set '{name}': {file} is neither Parquet nor named as csv or tsv, and its first "
            f"line holds no {' or '.join(SEPARATOR_NAMES.values())} that could separate names of "
            f"columns. Set `datasets.{name}.format` to csv, tsv or parquet if it is such a table."
        )
    return separator


def _read_text(
    name: str,
    file: Path,
    open_content: Callable[[], IO[bytes]],
    separator: str,
    encoding: str,
    missing_values: Collection[str],
    infer: bool,
) -> pd.DataFrame:
    """Return the table in a text file; without `infer` its cells are text, whatever they hold."""
    # pandas renames repeated columns (a, a.1); the header's own names let them be refused. A column
    # may be called NA or None, but not be empty.
    with open_content() as opened:
        header = pd.read_csv(
            opened,
            sep=separator,
            encoding=encoding,
            header=None,
            skipinitialspace=True,
            nrows=1,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
        ).iloc[0]
        header = header.str.strip()
    if len(header) == 1:
        raise _only_one_column(name, file, separator, str(header[0]))
    try:
        with (
            open_content() as opened,
            warnings.catch_warnings(action="error", category=pd.errors.ParserWarning),
        ):
            # Without index_col=False, pandas silently takes a surplus first field for row names.
            table = pd.read_csv(
                opened,
                sep=separator,
                encoding=encoding,
                skipinitialspace=True,
                low_memory=False,
                index_col=False,
                dtype=None if infer else str,
                keep_default_na=False,
                na_values=["", *missing_values],
            )
    except pd.errors.ParserWarning as warning:
        raise UserError(
            f"Data set '{name}': the rows of {file} have more fields than its header has names "
            f"({len(header)}). Name every column, and quote text that contains a "
            f"{SEPARATOR_NAMES[separator]}."
        ) from warning
    table.columns = range(len(header))
    huge = [name for place, name in enumerate(header) if has_huge_numbers(table[place])]
    if huge:
        raise UserError(
            f"Data set '{name}': the file {file} has whole numbers of more than 19 digits in the "
            f"columns {listed(huge)}. Write them with a decimal point, or remove the columns if they "
            "are identifiers."
        )
    table.columns = header.to_list()
    return table


def _only_one_column(name: str, file: Path, separator: str, header: str) -> UserError:
    likely = next((other for other in SEPARATOR_NAMES if other in header), None)
    return UserError(
        f"Data set '{name}': the file {file} has only one column, {shortened(repr(header), 60)}, when "
        f"the fields of its first line are separated by a {SEPARATOR_NAMES[separator]}"
        + (f"; a {SEPARATOR_NAMES[likely]} seems to separate them" if likely else "")
        + f". Set `datasets.{name}.format` to csv (comma) or tsv (tab), or "
        f"`datasets.{name}.separator` to what does."
    )


def _check_text(
    name: str, file: Path, open_content: Callable[[], IO[bytes]], start: bytes, separator: str
) -> None:
    """Raise UserError where text, once decompressed, is too large for memory or too wide.

    It is decompressed block by block, because a few megabytes can hold many gigabytes.
    """
    first = re.match(rb"\s*([^\r\n]*)", start)
    if first.end() == LONGEST_HEADER_BYTES or first[1].count(separator.encode()) > MAX_COLUMNS:
        raise UserError(
            f"Data set '{name}': the first line of {file} has more than {MAX_COLUMNS} fields or "
            f"{LONGEST_HEADER_BYTES} bytes, so it is not a header. Check that this is a table with "
            "a sample in each row."
        )
    size = fields = 0
    with open_content() as opened:
        while block := opened.read(BLOCK_BYTES):
            size += len(block)
            fields += block.count(separator.encode()) + block.count(b"\n")
            check_memory(
                name,
                f"reading {file}",
                2 * size + FIELD_BYTES * fields,
                "Check that it is the right file, or use fewer rows or columns",
            )
