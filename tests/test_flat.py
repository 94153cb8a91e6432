from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from churnml import flat
from churnml.errors import ConfigError, SourceError

CSV = 'id,tenure,charge,note,Churn\n007,1,9.5,"a, b",Yes\n8, ,NA,,No\n'


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_types_are_inferred_and_blank_cells_are_missing(tmp_path: Path) -> None:
    table = flat.read(write(tmp_path / "churn.csv", CSV), text=["id"])

    assert table.to_pydict() == {
        "id": ["007", "8"],
        "tenure": [1, None],
        "charge": [9.5, None],
        "note": ["a, b", None],
        "Churn": ["Yes", "No"],
    }


def test_compressed_and_tabbed_files_are_read(tmp_path: Path) -> None:
    zipped = tmp_path / "churn.csv.gz"
    zipped.write_bytes(gzip.compress(CSV.encode()))
    tabs = write(tmp_path / "churn.tsv", CSV.replace('"a, b"', "a b").replace(",", "\t"))

    assert flat.read(zipped).column_names == ["id", "tenure", "charge", "note", "Churn"]
    assert flat.read(tabs).num_rows == 2


def test_parquet_keeps_its_types_but_for_text(tmp_path: Path) -> None:
    path = tmp_path / "churn.parquet"
    parquet.write_table(pa.table({"id": [7, 8], "Churn": [True, False]}), path)

    table = flat.read(path, text=["id"])

    assert table.to_pydict() == {"id": ["7", "8"], "Churn": [True, False]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"id,town,x\n1,Bonn,2\n2,K\xf6ln,3\n",
            r"record 3 of column 'town' is 'K\\xF6ln', which is not UTF-8.*Save the file as UTF-8",
        ),
        (b"id,caf\xe9\n1,2\n", r"the header names 'caf\\xE9', which is not UTF-8"),
        ("id,x\n1,2\n".encode("utf-16"), "is not UTF-8"),
    ],
)
@pytest.mark.parametrize("text", [(), ("id",)])
def test_bytes_of_another_encoding_are_refused_with_their_place(
    tmp_path: Path, content: bytes, message: str, text: tuple[str, ...]
) -> None:
    """Read as bytes, the whole column would be left out."""
    path = tmp_path / "churn.csv"
    path.write_bytes(content)

    with pytest.raises(SourceError, match=message) as caught:
        flat.read(path, text=text)

    assert str(caught.value).startswith(f"{path}: ")


def test_a_cell_of_another_encoding_is_found_in_a_column_of_text_and_far_down(
    tmp_path: Path,
) -> None:
    path = tmp_path / "churn.csv"
    path.write_bytes(b"id,n\n" + b"1,2\n" * 500_000 + b"\xff,3\n")

    with pytest.raises(SourceError, match=r"record 500002 of column 'id' is '\\xFF'"):
        flat.read(path, text=["id"])


@pytest.mark.parametrize(
    "content",
    ['a,b\n1,2\n3,"4', 'a,b\n1,2\n3,"4\n5,6\n', 'a,b\n1,"\n', 'a,b\n3" pipe,2\n3,"4'],
)
def test_a_file_that_ends_inside_quotes_is_refused(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "churn.csv", content)

    with pytest.raises(SourceError, match=r"opens a quote that is never closed"):
        flat.read(path)


def test_a_quote_within_a_value_opens_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "churn.csv", 'a,b\n3" pipe,x\ny,"2\n"')

    assert flat.read(path).to_pydict() == {"a": ['3" pipe', "y"], "b": ["x", "2\n"]}


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "churn.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode() * 999)[:-20])

    with pytest.raises(SourceError, match=r"cannot be read as a table"):
        flat.read(path)


def test_nan_is_missing_in_every_width(tmp_path: Path) -> None:
    path = tmp_path / "churn.parquet"
    types = {"half": pa.float16(), "single": pa.float32(), "double": pa.float64()}
    columns = {
        name: pa.array([1.5, float("nan"), None, float("inf")], pa.float64()).cast(held)
        for name, held in types.items()
    }
    parquet.write_table(pa.table(columns), path)

    table = flat.read(path)

    assert table.to_pydict() == {key: [1.5, None, None, float("inf")] for key in types}
    assert table.schema.types == list(types.values())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("churn.xlsx", "", "a flat table is a .csv, .tsv or .parquet file; got .xlsx"),
        ("churn", "", "got no ending"),
        ("churn.csv", "", "cannot be read as a table"),
        ("churn.csv", "a,b\n", "has a header and no rows"),
        ("churn.csv", "a,b\n1,2\n1\n", "cannot be read as a table"),
        ("churn.csv", "a,a\n1,2\n", "columns that appear twice: a"),
        ("churn.parquet", "no parquet", "cannot be read as a table"),
    ],
)
def test_what_is_no_flat_table_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        flat.read(write(tmp_path / name, text))

    assert str(tmp_path / name) in str(caught.value)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "churn.csv", CSV)

    with pytest.raises(SourceError, match=r"no such file\. Did you mean 'churn\.csv'\?"):
        flat.read(tmp_path / "chrun.csv")


def test_an_unknown_column_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "churn.csv", CSV)

    with pytest.raises(ConfigError, match=r"no column 'churn'\. Did you mean 'Churn'\?"):
        flat.values(flat.read(path), "churn", path)
    with pytest.raises(ConfigError, match=r"no column 'Tenure'\. Did you mean 'tenure'\?"):
        flat.read(path, text=["Tenure"])


@pytest.mark.parametrize(
    ("held", "mixed"),
    [
        (["2024-01-01T10:00Z", "2024-01-01T10:00"], True),
        (["2024-01-01 10:00:00.5+02:00", "2024-01-01 10:00:00", None], True),
        (["2024-01-01 10:00 UTC", "2024-01-01"], True),
        (["2024-01-01T10:00Z", "2024-01-01T10:00-0530"], False),
        (["2024-01-01T10:00", "2024-01-01"], False),
        (["2024-01-01T10:00Z", "2024-01-01T10:00", "soon"], False),
        ([None], False),
    ],
)
def test_times_with_and_without_a_zone_are_told_apart(held: list[str], mixed: bool) -> None:
    assert flat.mixes_zones(pa.chunked_array([pa.array(held, pa.string())])) is mixed


def test_rows_that_repeat_another_are_counted() -> None:
    table = pa.table(
        {"a": [1, 1, None, None, 1], "b": ["x", "x", None, None, "y"], "c": [[1], [1], [], [], [1]]}
    )

    assert flat.repeated(table) == 2
    assert flat.repeated(table.select(["c"])) == 0
    assert flat.repeated(table.select(["a"])) == 3


def test_values_are_told_apart_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "churn.csv", "x\n2\n1\n2\nNA\n")

    assert flat.values(flat.read(path), "x", path) == (1, 2)


def test_clocks_of_one_zone_and_their_summer_time_are_taken_as_they_show() -> None:
    held = pa.chunked_array([["2024-01-01 00:00:00+01:00", None, "2024-07-01T00:00:00+02"]])
    read = flat.times(held).to_pylist()
    assert read == [dt.datetime(2024, 1, 1), None, dt.datetime(2024, 7, 1)]


def test_clocks_of_several_zones_are_read_in_utc_so_that_none_passes_for_earlier() -> None:
    held = pa.chunked_array(
        [["2024-02-01 00:00:00-12:00", None, "2024-02-01T00:00:00.5+05:30", "2024-02-01 00:00Z"]]
    )
    assert flat.times(held).to_pylist() == [
        dt.datetime(2024, 2, 1, 12),
        None,
        dt.datetime(2024, 1, 31, 18, 30, 0, 500_000),
        dt.datetime(2024, 2, 1),
    ]
