"""Files as people have them: each is used as what it is, or refused with the reason and a remedy.

The cases are public reports about other tools, rebuilt with small data of our own.
"""

import bz2
import gzip
import io
import lzma
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from sysstop.data.checks import check_table, numbers_rows
from sysstop.data.sources import data_sets_type, fetch_table
from sysstop.data.splitting import make_split
from sysstop.plan.config_schema import checked_section
from sysstop.run.errors import UserError

ROWS = 60
RNG = np.random.default_rng(20)
WEIGHT = RNG.integers(1500, 4000, ROWS)
POWER = RNG.integers(50, 80, ROWS)
ORIGIN = [("usa", "europe", "japan")[row % 3] for row in range(ROWS)]
LABEL = ["low"] * (ROWS // 2) + ["high"] * (ROWS // 2)


def text(separator=",", **columns):
    """A text file of columns, whose cells are written as they are."""
    lines = [separator.join(columns), *map(separator.join, zip(*columns.values(), strict=True))]
    return ("\n".join(lines) + "\n").encode()


def cells(values, *first):
    """The values as cells, the first ones replaced."""
    return [*first, *map(str, values[len(first) :])]


def parquet(table):
    content = io.BytesIO()
    if isinstance(table, pd.DataFrame):
        table.to_parquet(content)
    else:
        pa.parquet.write_table(table, content)
    return content.getvalue()


@pytest.fixture
def use(tmp_path):
    """A function that takes a file all the way to its split, by an entry of the config."""

    def use_file(content, file="cars.csv", **entry):
        path = tmp_path / file
        path.write_bytes(content)
        entry = {"source": "file", "path": str(path), "target": "label", **entry}
        entry.setdefault("task", "classification")
        data_set, mistakes = checked_section(data_sets_type(), {"mine": entry}, "datasets")
        if mistakes:
            raise UserError("\n".join(mistakes))
        entry = data_set["mine"].model_dump()
        table, _ = fetch_table("mine", entry, None, tmp_path)
        check_table("mine", table, entry, folds=2)
        split = make_split(table, entry, name="mine", test_fraction=0.3, folds=2, seed=1)
        return SimpleNamespace(
            table=table, features=split.feature_names, classes=split.class_labels
        )

    return use_file


@pytest.fixture
def refusal(use):
    """A function that returns the message about a file that cannot be used."""

    def refused(*arguments, **entry):
        with pytest.raises(UserError) as raised:
            use(*arguments, **entry)
        return str(raised.value)

    return refused


# Cells of text that are numbers, or are not

CARS = {"weight": cells(WEIGHT), "origin": ORIGIN, "label": LABEL}


@pytest.mark.parametrize("categorical", [None, "one_hot", "ordinal"])
def test_question_marks_among_numbers_are_refused_whatever_the_encoding(refusal, categorical):
    content = text(horsepower=cells(POWER, "?", "?", "?"), **CARS)
    message = refusal(content, categorical=categorical, missing="impute")
    assert f"horsepower ('?' in 3 of {ROWS} rows)" in message
    assert '`datasets.mine.missing_values: ["?"]`' in message


@pytest.mark.parametrize("mark", ["?", " ?", "NA", "n/a", "-", "-999"])
def test_missing_values_are_those_that_the_config_names(use, mark):
    content = text(horsepower=cells(POWER, mark, mark, ""), **CARS)
    used = use(
        content, categorical="one_hot", missing="impute", missing_values=[mark.strip(), "none"]
    )
    assert used.features == ["horsepower", "weight", *(f"origin={o}" for o in sorted(set(ORIGIN)))]
    assert used.table["horsepower"].isna().sum() == 3
    assert used.table["horsepower"].iloc[3:].tolist() == POWER[3:].tolist()


@pytest.mark.parametrize("missing", [["?"], ["?", -1], [-1.0]])
def test_missing_values_may_be_numbers(use, missing):
    content = text(horsepower=cells(POWER, "-1", "-1.0"), **CARS)
    used = use(content, categorical="one_hot", missing="impute", missing_values=missing)
    assert used.table["horsepower"].isna().sum() == (2 if -1 in missing else 0)


def test_a_column_that_is_mostly_marks_of_missing_values_is_one_of_numbers(refusal):
    content = text(horsepower=cells(POWER, *["?"] * 50), **CARS)
    assert f"'?' in 50 of {ROWS} rows" in refusal(content, categorical="one_hot")


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan", "n/a"])
def test_words_for_missing_values_are_classes_and_categories_like_others(use, word):
    label = [word if value == "low" else value for value in LABEL]
    country = [word if row % 2 else "DE" for row in range(ROWS)]
    content = text(weight=cells(WEIGHT), country=country, label=label)
    used = use(content, categorical="one_hot")
    assert used.classes == sorted(["high", word])
    assert used.features == ["weight", *(f"country={c}" for c in sorted(["DE", word]))]


def test_a_question_mark_among_numbered_classes_is_refused(refusal):
    content = text(weight=cells(WEIGHT), label=["?", "?", *"01" * (ROWS // 2 - 1)])
    assert f"label ('?' in 2 of {ROWS} rows)" in refusal(content)


def test_a_mark_among_the_numbers_of_a_regression_target_is_refused(refusal):
    content = text(weight=cells(WEIGHT), label=cells(POWER, "?"))
    assert f"label ('?' in 1 of {ROWS} rows)" in refusal(content, task="regression")


def test_categories_some_of_which_are_numbers_can_be_kept(use, refusal):
    children = [("0", "1", "2", "3+")[row % 4] for row in range(ROWS)]
    content = text(children=children, weight=cells(WEIGHT), label=LABEL)
    assert "`datasets.mine.keep`" in refusal(content, categorical="one_hot")
    used = use(content, categorical="one_hot", keep=["children"])
    assert used.features[:4] == ["children=0", "children=1", "children=2", "children=3+"]


HALVES = [f"{value / 2:.1f}".replace(".", ",") for value in POWER]


@pytest.mark.parametrize("categorical", [None, "one_hot", "ordinal"])
@pytest.mark.parametrize(
    ("written", "shown", "remedy"),
    [
        (HALVES, HALVES[0], '`datasets.mine.decimal: ","`'),
        ([f"{w:_}".replace("_", " ") for w in WEIGHT], "", '`datasets.mine.thousands: " "`'),
        ([f"{w:_}".replace("_", ",") for w in WEIGHT], "", '`datasets.mine.thousands: ","`'),
        ([f"{w} %" for w in POWER], "%", "percentages"),
        ([f"${w}" for w in POWER], "$", "amounts of money"),
    ],
    ids=["decimal comma", "blanks", "commas", "percent", "dollars"],
)
def test_numbers_that_are_written_otherwise_are_refused_with_the_key_that_reads_them(
    refusal, written, shown, remedy, categorical
):
    content = text("\t", temperature=written, machine=ORIGIN, label=LABEL)
    message = refusal(content, "scrap.tsv", categorical=categorical)
    assert "temperature (" in message and shown in message
    assert remedy in message


def test_decimal_commas_are_read_where_the_config_says_so(use):
    content = text("\t", temperature=HALVES, machine=ORIGIN, label=LABEL)
    used = use(content, "scrap.tsv", decimal=",", categorical="ordinal")
    assert used.table["temperature"].tolist() == (POWER / 2).tolist()


@pytest.mark.parametrize(
    ("thousands", "blank"), [(".", "."), (" ", "\u202f"), (" ", "\u00a0"), ("'", "\u2019")]
)
def test_groups_of_digits_are_read_where_the_config_says_so(use, thousands, blank):
    written = [f"{w + 0.5:_}".replace(".", ",").replace("_", blank) for w in WEIGHT]
    truths = ["True" if row % 2 else "False" for row in range(ROWS)]
    content = text(";", weight=written, power=cells(POWER), new=truths, label=LABEL)
    used = use(content, decimal=",", thousands=thousands, separator=";")
    assert used.table["weight"].tolist() == (WEIGHT + 0.5).tolist()
    assert used.table["power"].tolist() == POWER.tolist()
    assert used.table["new"].tolist() == [row % 2 == 1 for row in range(ROWS)]


@pytest.mark.parametrize("blank", ["\u00a0", "\u202f", "\u2019"])
def test_the_key_for_groups_of_digits_is_named_as_it_may_be_written(use, refusal, blank):
    content = text(**CARS | {"weight": [f"1{blank}{weight % 1000:03d}" for weight in WEIGHT]})
    sign = "'" if blank == "\u2019" else " "
    assert f'datasets.mine.thousands: "{sign}"' in refusal(content, drop=["origin"])
    assert use(content, drop=["origin"], thousands=sign).features == ["weight"]


@pytest.mark.parametrize("notation", ["{:.1f}D+03", "{:.1f}d-01", "\u2212{}", "  {}  "])
def test_numbers_of_fortran_and_of_word_processors_are_numbers(use, notation):
    content = text(**CARS | {"weight": [notation.format(weight) for weight in WEIGHT]})
    weight = use(content, drop=["origin"]).table["weight"]
    assert weight.dtype.kind in "if"
    expected = notation.format(WEIGHT[0]).lower().replace("d", "e").replace("\u2212", "-")
    assert weight[0] == float(expected)


@pytest.mark.parametrize("separator", [", ", "  ,  "])
def test_blanks_around_cells_and_names_belong_to_neither(use, separator):
    lines = [*map(separator.join, [CARS, *zip(*CARS.values(), strict=True)])]
    lines[1] = lines[1] + " "  # would be another class
    used = use("\n".join(lines).encode(), categorical="one_hot")
    assert used.classes == ["high", "low"]
    assert used.features == ["weight", "origin=europe", "origin=japan", "origin=usa"]


def test_blanks_around_the_texts_of_a_parquet_file_make_no_category_of_their_own(use):
    frame = pd.DataFrame({"origin": ORIGIN, "label": LABEL})
    for kind in (str, "category"):
        padded = frame.assign(
            origin=[f"{origin} " if row % 2 else origin for row, origin in enumerate(ORIGIN)]
        )
        used = use(parquet(padded.astype({"origin": kind})), "cars.parquet", categorical="one_hot")
        assert used.features == ["origin=europe", "origin=japan", "origin=usa"]


def test_a_first_line_that_is_no_header_is_shown(refusal):
    assert "only one column, '# saved by a tool'" in refusal(b"# saved by a tool\n" + text(**CARS))


def test_dates_are_no_numbers_with_groups_of_digits(refusal):
    content = text(day=[f"0{1 + row % 9}.02.2023" for row in range(ROWS)], **CARS)
    assert "text instead of numbers" in refusal(content, decimal=",", thousands=".")


def test_decimal_points_among_decimal_commas_are_refused(refusal):
    content = text("\t", temperature=cells(HALVES, "1.5"), weight=cells(WEIGHT), label=LABEL)
    message = refusal(content, "scrap.tsv", decimal=",", categorical="ordinal")
    assert f"temperature ('1.5' in 1 of {ROWS} rows)" in message
    assert "same decimal sign" in message


def test_one_sign_cannot_be_both_decimal_and_thousands(refusal):
    assert "`decimal` and `thousands` are both" in refusal(text(**CARS), thousands=".")


def test_numbers_saved_as_text_in_parquet_are_refused_until_the_config_says_what_they_are(
    use, refusal
):
    table = pd.DataFrame({"zone": [str(p) for p in POWER], "weight": WEIGHT, "label": LABEL})
    message = refusal(parquet(table), categorical="ordinal")
    assert "numbers that are saved as text in the feature columns zone" in message
    assert use(parquet(table), decimal=".").table["zone"].tolist() == POWER.tolist()
    used = use(parquet(table.assign(zone=ORIGIN)), categorical="one_hot")
    assert "zone=usa" in used.features
    table["zone"] = [str(row % 4) for row in range(ROWS)]
    assert "zone=3" in use(parquet(table), categorical="one_hot", keep=["zone"]).features


# Columns that number the rows

NOISE = RNG.normal(size=ROWS)
PLAIN = pd.DataFrame({"noise": NOISE, "label": LABEL})
NUMBERS = np.arange(ROWS)


@pytest.mark.parametrize("name", ["Unnamed: 0", "Unnamed: 0.1", "__index_level_0__"])
def test_row_numbers_are_refused_by_the_name_they_get_when_saved(refusal, name):
    numbers = RNG.permutation(10 * NUMBERS)
    table = pa.Table.from_pandas(PLAIN.assign(**{name: numbers}), preserve_index=False)
    message = refusal(parquet(table.replace_schema_metadata(None)), "resaved.parquet")
    assert f"row numbers in the feature columns {name}" in message
    assert f'`datasets.mine.drop: ["{name}"]`' in message


@pytest.mark.parametrize(
    "numbers",
    [NUMBERS, NUMBERS + 1, RNG.permutation(NUMBERS), 1000 + NUMBERS, 99 - NUMBERS, NUMBERS / 1],
    ids=["from 0", "from 1", "shuffled", "from 1000", "falling", "as fractions"],
)
def test_row_numbers_are_refused_by_what_they_are(refusal, use, numbers):
    content = PLAIN.assign(case=numbers)[["case", "noise", "label"]].to_csv(index=False).encode()
    assert "row numbers in the feature columns case" in refusal(content)
    assert use(content, drop=["case"]).features == ["noise"]
    assert use(content, keep=["case"]).features == ["case", "noise"]


@pytest.mark.parametrize(
    "values",
    [
        np.sort(RNG.normal(size=ROWS)),
        np.sort(WEIGHT),
        2 * NUMBERS,
        NUMBERS // 2,
        np.delete(np.arange(ROWS + 1), 30),
        np.linspace(0, 1, ROWS),
    ],
    ids=["sorted", "sorted whole", "even", "ties", "a gap", "fractions"],
)
def test_sorted_measurements_are_no_row_numbers(values):
    assert not numbers_rows(pd.Series(values))


def test_a_few_whole_numbers_in_a_row_are_no_row_numbers():
    assert not numbers_rows(pd.Series([1, 2, 3]))


def test_the_index_that_pandas_saves_as_a_column_without_a_name_can_be_dropped(use, refusal):
    content = PLAIN.to_csv().encode()
    assert '`datasets.mine.drop: [""]`' in refusal(content)
    assert use(content, drop=[""]).features == ["noise"]


def test_a_column_to_drop_must_exist_and_cannot_be_the_target(refusal):
    content = PLAIN.to_csv(index=False).encode()
    assert "did you mean 'noise'?" in refusal(content, drop=["nose"])
    assert "names the target column 'label'" in refusal(content, drop=["label"])


# Files are judged by their content

FLATS = pd.DataFrame(
    {"area": WEIGHT / 50, "district": pd.Categorical(ORIGIN), "floor": POWER, "label": LABEL}
)
TEXT = FLATS.to_csv(index=False).encode()


def same(used):
    table = FLATS.astype({"district": str})
    pd.testing.assert_frame_equal(
        used.table.astype({"district": str}), table.rename(columns={"label": "target"})
    )


@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])
def test_parquet_from_a_frame_of_any_kind_of_types_is_read_by_its_own_types(use, backend):
    table = FLATS.convert_dtypes(dtype_backend=backend)
    if backend == "pyarrow":
        categories = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
        table = table.astype({"district": categories})
        with pytest.raises(TypeError, match="not understood"):  # what pandas makes of it
            pd.read_parquet(io.BytesIO(parquet(table)))
    same(use(parquet(table), "flats.parquet", categorical="one_hot"))


def test_parquet_of_decimals_and_other_tools_texts_is_read(use):
    table = pa.table(
        {
            "area": pa.array(FLATS["area"]).cast(pa.decimal128(9, 2)),
            "district": pa.array(ORIGIN, pa.large_string()),
            "floor": pa.array(POWER, pa.uint8()),
            "label": pa.array(LABEL).dictionary_encode(),
        }
    )
    used = use(parquet(table), "flats.parquet", categorical="one_hot")
    assert used.table["area"].tolist() == FLATS["area"].tolist()


def test_a_parquet_column_that_cannot_be_read_is_named_with_its_type(refusal):
    table = pa.table(
        {
            "area": FLATS["area"],
            "when": pa.array([2**60] * ROWS, pa.timestamp("ms")),
            "label": LABEL,
        }
    )
    message = refusal(parquet(table), "flats.parquet")
    assert "'when'" in message or "feature columns when" in message


def test_the_index_of_a_saved_frame_is_no_feature_but_may_be_the_target(use):
    saved = FLATS[FLATS["floor"] > 51]
    assert use(parquet(saved), "flats.parquet", categorical="one_hot").features[0] == "area"
    patients = FLATS.set_index(pd.Index([f"p{row}" for row in range(ROWS)], name="patient"))
    used = use(parquet(patients), "flats.parquet", categorical="one_hot")
    assert not [feature for feature in used.features if feature.startswith("patient")]
    same(use(parquet(FLATS.set_index("label")), "flats.parquet", categorical="one_hot"))


def zipped(content, *more):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("folder/flats.csv", content)
        for name in more:
            file.writestr(name, content)
    return archive.getvalue()


def zstd(content):
    target = pa.BufferOutputStream()
    with pa.CompressedOutputStream(target, "zstd") as stream:
        stream.write(content)
    return target.getvalue().to_pybytes()


PACKERS = [gzip.compress, bz2.compress, lzma.compress, zstd, zipped]


@pytest.mark.parametrize("pack", PACKERS, ids=["gz", "bz2", "xz", "zst", "zip"])
@pytest.mark.parametrize("content", [TEXT, parquet(FLATS)], ids=["text", "parquet"])
@pytest.mark.parametrize("file", ["FLATS.CSV.GZ", "flats"])
def test_compression_and_parquet_are_known_by_the_content(use, pack, content, file):
    same(use(pack(content), file, categorical="one_hot"))


@pytest.mark.parametrize("file", ["flats.CSV", "flats.txt", "flats.data", "flats", "flats.xls"])
def test_a_text_is_read_whatever_its_name(use, file):
    same(use(TEXT, file, categorical="one_hot"))
    if file != "flats.CSV":
        same(use(TEXT.replace(b",", b"\t"), file, categorical="one_hot"))


def test_semicolons_are_read_where_the_config_says_so(use, refusal):
    content = TEXT.replace(b",", b";")
    assert "a semicolon seems to separate them" in refusal(content)
    same(use(content, separator=";", categorical="one_hot"))


def test_another_encoding_is_read_where_the_config_says_so(use, refusal):
    content = text(größe=cells(WEIGHT), label=LABEL).decode()
    for encoding, expected in (("cp1252", "cp1252"), ("utf-16", "to utf-16")):
        message = refusal(content.encode(encoding))
        assert "not in UTF-8" in message and expected in message
        assert use(content.encode(encoding), encoding=encoding).features == ["größe"]
    message = refusal(content.encode(), encoding="ansi-german")
    assert "datasets.mine.encoding" in message and "cp1252" in message


@pytest.mark.parametrize(
    ("content", "file", "expected"),
    [
        (zipped(b"", "[Content_Types].xml"), "flats.csv", "is an Excel workbook"),
        (zipped(TEXT, "notes.txt"), "flats.zip", "holds 2 files (folder/flats.csv, notes.txt)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "flats.xls", "is an old Excel workbook"),
        (b"% UCI\n@RELATION flats\n@DATA\n1,2\n", "flats.csv", "is an ARFF file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "flats.csv", "git lfs pull"),
        (b"ARROW1\0\0", "flats.feather", "is an Arrow (Feather) file"),
        (b'[{"area": 1}]', "flats.json", "is JSON"),
        (gzip.compress(gzip.compress(TEXT)), "flats.csv.gz", "compressed more than once"),
        (bz2.compress(TEXT)[:-9], "flats.csv", "cannot be read as csv (compressed by bzip2)"),
        (TEXT, "flats.parquet", "does not begin as a Parquet file does"),
        (b"one\n1\n", "flats.txt", "neither Parquet nor named as csv or tsv"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_such_table_is_refused_with_what_it_is(refusal, content, file, expected):
    assert expected in refusal(content, file)


def test_a_format_that_the_content_contradicts_is_refused(refusal):
    assert "is a Parquet file, not csv" in refusal(parquet(FLATS), format="csv")
