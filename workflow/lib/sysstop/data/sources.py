"""The sources of data sets: the keys of each in the config, and how it fetches the raw table.

A new source is one more class like those below, listed in `SOURCES`. Every run imports this module
before it begins, so what takes long to import is imported where a table is fetched.
"""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import reduce
from importlib.metadata import version
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from sysstop.data.checks import (
    TARGET,
    check_column_names,
    check_counts,
    check_memory,
    listed,
)
from sysstop.data.files import checked_content, read_table
from sysstop.run.errors import UserError, unknown_name
from sysstop.study.config_section import (
    AsNumber,
    ConfigSection,
    Distinct,
    NumberFrom0,
    OrNull,
    Seed,
    WholeFrom1,
    mistake,
)

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", title="64 hexadecimal digits")]
NameAtSource = Annotated[
    str,
    Field(
        pattern="^[A-Za-z0-9_][A-Za-z0-9_-]*$",
        max_length=100,
        title="a name of at most 100 letters, digits, hyphens and underscores",
    ),
]
FilePath = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x1f{}<>]+$",
        title="a path without braces, angle brackets and control characters",
    ),
]
CellValue = Annotated[
    str | int | float,
    Field(union_mode="left_to_right"),
]


def _check_encoding(encoding: str) -> str:
    try:
        "a".encode(encoding)
    except (LookupError, ValueError):
        raise mistake(
            f"found {encoding!r}, which is not a text encoding that Python knows; use a name such as "
            "utf-8, utf-16, cp1252 or latin-1"
        ) from None
    return encoding


@dataclass(frozen=True)
class Origin:
    """Where a raw table came from; only tables from files have a file and its SHA-256."""

    address: str
    file: str | None = None
    sha256: str | None = None
    downloaded: bool = False


class DataSet(ConfigSection):
    """A data set of the config, whatever its source; the class of each source adds the rest."""

    source: str
    """Where the data come from: `pmlb` (downloaded, or read from the folder `data.pmlb_cache`), `sklearn`
    (shipped with scikit-learn), `file` (your own table) or `synthetic` (generated)."""
    task: Literal["classification", "regression"]
    """What is learned from it; algorithms run on the data sets of their task."""
    type: Literal["image", "tabular"] = "tabular"
    """Kind of data, shown in the table of data sets."""
    licence: OrNull[str] = None
    """What is known about the right to use the data."""
    rows: OrNull[WholeFrom1] = None
    """Expected number of rows, checked when given."""
    features: OrNull[WholeFrom1] = None
    """Expected number of feature columns before any encoding, checked when given."""
    classes: OrNull[Annotated[int, Field(ge=2), AsNumber]] = None
    """Expected number of classes, checked when given; for classification only."""
    categorical: OrNull[Literal["one_hot", "ordinal"]] = None
    """How feature columns of text become numbers: `one_hot` (a 0/1 column per category) or `ordinal` (the
    category's place in sorted order). Such columns are refused when absent."""
    missing: OrNull[Literal["drop", "impute"]] = None
    """What to do with missing values: `drop` the row, or `impute` the training part's median (numbers) or
    most frequent value (text). Missing values are refused when absent."""

    drop: OrNull[Distinct[str]] = None
    """Names of columns that are left out, as if the source did not have them; an empty name stands for
    columns without one."""
    keep: OrNull[Distinct[str]] = None
    """Names of columns that are used as they are, although they look like row numbers or identifiers, or
    like numbers with stray text among them, which are then categories."""

    @field_validator("classes")
    @classmethod
    def _classes_are_of_a_classification(
        cls, classes: int | None, info: ValidationInfo
    ) -> int | None:
        if classes is not None and info.data.get("task") == "regression":
            raise mistake(f"found {classes}; a regression has no classes, remove the key")
        return classes

    @model_serializer(mode="wrap")
    def _without_absent_keys(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in serialise(self).items() if value is not None}

    @property
    def target_column(self) -> str:
        """The name at the source of the column to predict."""
        return TARGET

    @abstractmethod
    def fetch(self, name: str, folders: Sequence[Path]) -> tuple[pd.DataFrame, Origin]:
        """Return the raw table, its columns as the source has them, and where it came from.

        `name` is the data set's name in the config, used in messages. Downloads are looked for and
        kept in `folders`, the best one first; any of them may be read-only. Raises `UserError`
        where the data cannot be obtained or are not the expected ones.
        """


class PmlbDataSet(DataSet):
    """A data set of the Penn Machine Learning Benchmarks."""

    source: Literal["pmlb"]
    name: NameAtSource
    """The data set's name at PMLB."""
    sha256: Sha256
    """SHA-256 of the gzipped file, checked before it is opened. PMLB's are the object ids in its Git LFS
    pointers."""

    def fetch(self, name: str, folders: Sequence[Path]) -> tuple[pd.DataFrame, Origin]:
        """Read the file from a folder in PMLB's own layout, or download it first."""
        from sysstop.data.pmlb_files import pmlb_address, pmlb_file

        file, downloaded = pmlb_file(name, self.name, self.sha256, folders)
        content, sha256 = checked_content(
            name,
            file,
            self.sha256,
            "Remove the file to have it downloaded again, or correct the key.",
        )
        # pmlb.fetch_data would open the file again, which may have been replaced by then.
        table = read_table(name, file, content, file_format="tsv")
        return table, Origin(pmlb_address(self.name), str(file), sha256, downloaded)


class SklearnDataSet(DataSet):
    """A data set that is shipped with scikit-learn."""

    source: Literal["sklearn"]
    name: Literal["breast_cancer", "diabetes", "digits", "iris", "wine"]
    """The data set's name in scikit-learn."""

    def fetch(self, name: str, folders: Sequence[Path]) -> tuple[pd.DataFrame, Origin]:
        """Load the table."""
        import sklearn.datasets

        load = getattr(sklearn.datasets, f"load_{self.name}")
        return load(as_frame=True).frame, Origin(f"sklearn.datasets.{load.__name__}")


class FileDataSet(DataSet):
    """A table of the user's own."""

    source: Literal["file"]
    path: FilePath
    """The file, relative to the working directory."""
    target: Annotated[str, Field(min_length=1)]
    """Name of the column to predict."""
    format: OrNull[Literal["csv", "tsv", "parquet"]] = None
    """The file's format. When absent, Parquet and compression (gzip, bzip2, xz, zstd, zip) are recognised
    by the content, and the separator of a text file by the ending (.csv, .tsv, .tab) or else by the
    header."""
    separator: OrNull[Literal[",", "\t", ";", "|"]] = None
    """What separates the fields of a text file, if it is not that of the format."""
    encoding: OrNull[Annotated[str, AfterValidator(_check_encoding)]] = None
    """The encoding of a text file by its name in Python, such as `cp1252`; UTF-8 when absent."""
    decimal: OrNull[Literal[".", ","]] = None
    """The decimal sign of numbers; a point when absent. When given, text in a Parquet file that denotes
    numbers is read as such."""
    thousands: OrNull[Literal[",", ".", " ", "'"]] = None
    """What separates groups of three digits in numbers."""
    missing_values: OrNull[Distinct[CellValue]] = None
    """What stands for a missing value besides an empty cell: strings such as `?` or NA, or numbers such
    as -999."""
    sha256: OrNull[Sha256] = None
    """SHA-256 of the file as it is, checked before it is opened when given."""

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        if self.thousands == (self.decimal or "."):
            raise mistake(
                f"`decimal` and `thousands` are both '{self.thousands}'; correct one of them"
            )
        return self

    @property
    def target_column(self) -> str:
        """The name in the file of the column to predict."""
        return self.target

    def fetch(self, name: str, folders: Sequence[Path]) -> tuple[pd.DataFrame, Origin]:
        """Read the file."""
        file = Path(self.path)
        if not file.is_file():
            raise UserError(
                f"Data set '{name}': there is no file {file} (key `datasets.{name}.path`). The path is "
                f"relative to the working directory, {Path.cwd()}."
            )
        content, sha256 = checked_content(
            name, file, self.sha256, "Restore the file, or correct or remove the key."
        )
        table = read_table(
            name,
            file,
            content,
            file_format=self.format,
            separator=self.separator,
            encoding=self.encoding or "utf-8",
            decimal=self.decimal,
            thousands=self.thousands,
            missing_values=[str(value) for value in self.missing_values or ()],
            keep=self.keep or (),
            target=self.target,
        )
        return table, Origin(str(file), str(file), sha256)


class SyntheticDataSet(DataSet):
    """Data made by scikit-learn's make_classification or make_regression."""

    source: Literal["synthetic"]
    rows: WholeFrom1
    """Number of rows to generate."""
    features: WholeFrom1
    """Number of feature columns to generate."""
    classes: OrNull[Annotated[int, Field(ge=2), AsNumber]] = None
    """Number of classes to generate; needed for classification, and only for it."""
    informative: OrNull[WholeFrom1] = None
    """Number of features that determine the target; all when absent."""
    noise: NumberFrom0 = 0
    """Share of rows with a random class (classification), or the standard deviation of the normal noise
    added to the target (regression)."""
    seed: Seed = 2023
    """Seed of the generator."""

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        informative = self.informative or self.features
        if informative > self.features:
            raise mistake(
                f"{informative} informative features of {self.features}; lower `informative`, or "
                "raise `features`"
            )
        if self.task == "regression":
            return self
        if self.classes is None:
            raise mistake("a classification needs the number of its classes; give `classes`")
        if self.noise > 1:
            raise mistake(f"`noise` is a share of the rows, found {self.noise}; use at most 1")
        if self.classes > 2**informative:
            raise mistake(
                f"{informative} informative features can distinguish at most {2**informative} classes, "
                f"not {self.classes}; raise `informative`, or lower `classes`"
            )
        return self

    def fetch(self, name: str, folders: Sequence[Path]) -> tuple[pd.DataFrame, Origin]:
        """Generate the table."""
        check_memory(
            name,
            "generating it",
            3 * 8 * self.rows * self.features,
            f"Lower `datasets.{name}.rows` or `datasets.{name}.features`",
        )
        from sklearn.datasets import make_classification, make_regression

        shape = {
            "n_samples": self.rows,
            "n_features": self.features,
            "n_informative": self.informative or self.features,
            "random_state": self.seed,
        }
        if self.task == "classification":
            make = make_classification
            features, target = make(
                **shape,
                n_redundant=0,
                n_classes=self.classes,
                n_clusters_per_class=1,
                flip_y=self.noise,
            )
        else:
            make = make_regression
            features, target = make(**shape, noise=self.noise)
        table = pd.DataFrame(features).rename(columns=lambda place: f"feature_{place + 1}")
        table[TARGET] = target
        return table, Origin(f"sklearn.datasets.{make.__name__}")


SOURCES: dict[str, type[DataSet]] = {
    "pmlb": PmlbDataSet,
    "sklearn": SklearnDataSet,
    "file": FileDataSet,
    "synthetic": SyntheticDataSet,
}

DataSetName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9](\.?[A-Za-z0-9_-])*\.?$", max_length=100),
]


def data_set_type() -> Any:
    """Return the type of a data set's entry: that of its source, which the key `source` names."""
    return Annotated[reduce(or_, SOURCES.values()), Field(discriminator="source")]


def data_sets_type() -> Any:
    """Return the type of the config's section of data sets."""
    return Annotated[
        dict[DataSetName, data_set_type()],
        Field(
            description="The data sets by name; a name is part of paths: letters, digits, hyphens, "
            "underscores and single dots, at most 100."
        ),
    ]


def fetch_table(
    name: str, entry: Mapping, pmlb_cache: Path | None, download_folder: Path
) -> tuple[pd.DataFrame, dict]:
    """Return the raw table of a data set and its provenance.

    Parameters
    ----------
    name
        The data set's name in the config, used in messages.
    entry
        Its entry in the config, checked.
    pmlb_cache
        Folder in the layout of PMLB's own cache, `<name>/<name>.tsv.gz`. It may be read-only.
    download_folder
        The same kind of folder, used where `pmlb_cache` is None or not writable.

    Returns
    -------
    table
        The features in the source's order and, as the last column, `target`.
    provenance
        Source, address, file, SHA-256 found and expected, rows, columns, time and versions.

    Raises
    ------
    UserError
        Where the data cannot be obtained, are not the expected ones, or have no such target.
    """
    data_set = TypeAdapter(data_set_type()).validate_python(entry)
    table, origin = data_set.fetch(name, [f for f in (pmlb_cache, download_folder) if f])
    table.columns = [str(column) if pd.notna(column) else None for column in table.columns]
    table = _without_columns(name, table, data_set.drop or (), data_set.target_column)
    check_column_names(name, table.columns)
    table = _with_target_last(name, table, data_set.target_column)
    check_counts(name, table, data_set.model_dump())
    provenance = {
        "dataset": name,
        "source": data_set.source,
        **asdict(origin),
        "sha256_expected": getattr(data_set, "sha256", None),
        "licence": data_set.licence,
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


def _without_columns(
    name: str, table: pd.DataFrame, dropped: Sequence[str], target: str
) -> pd.DataFrame:
    columns = ["" if pd.isna(column) else column for column in table.columns]
    if target in dropped:
        raise UserError(
            f"Data set '{name}': `datasets.{name}.drop` names the target column '{target}'. Take it "
            "out of the list, or name another target."
        )
    unknown = [column for column in dropped if column not in columns]
    if unknown:
        raise UserError(
            f"Data set '{name}': `datasets.{name}.drop`: "
            + "; ".join(unknown_name(f"column '{column}'", column, columns) for column in unknown)
        )
    return table.loc[:, [column not in dropped for column in columns]]


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
