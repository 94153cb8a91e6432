from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnml.errors import SourceError
from churnml.history.extracts import Opener, find_files
from churnml.history.sources import TableSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, columns in {
        "usage/year=2023/a.parquet": {"id": ["x"], "n": [1]},
        "usage/year=2024/a.parquet": {"id": ["y"], "late": [2.5]},
        "usage/_SUCCESS.parquet": {"never": ["read"]},
        "nested.parquet": {"id": [[1, 2]]},
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), tmp_path / name)
    (tmp_path / "csv" / "region=a%20b").mkdir(parents=True)
    (tmp_path / "csv" / "region=a%20b" / "1.csv").write_text("id,n\nx,1\n")
    (tmp_path / "csv" / "2.csv").write_text("id,n\ny,2\nz\n")
    (tmp_path / "notes.xlsx").write_text("")
    return tmp_path


def rows(folder: Path, **source: Any) -> tuple[list[dict[str, Any]], int]:
    work = folder / "work"
    work.mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        opener = Opener(connection, folder, work, note=lambda _: None)
        extract = opener.open("usage", TableSource(**source))
        table = connection.execute(f"FROM {extract.relation}").to_arrow_table()
        assert set(extract.columns) == set(table.column_names) - {"_source", "_row"}
        return table.to_pylist(), extract.n_malformed


def test_a_folder_of_parquet_is_read_in_place_with_its_partitions(folder: Path) -> None:
    found, _ = rows(folder, files="usage")

    assert found == [
        {
            "id": "x",
            "n": 1,
            "late": None,
            "year": "2023",
            "_source": "usage/year=2023/a.parquet",
            "_row": 1,
        },
        {
            "id": "y",
            "n": None,
            "late": 2.5,
            "year": "2024",
            "_source": "usage/year=2024/a.parquet",
            "_row": 1,
        },
    ]


@pytest.mark.parametrize("naive", [pa.timestamp("us"), pa.timestamp("ns"), pa.date32()])
def test_files_that_differ_in_whether_times_have_a_zone_are_refused(
    folder: Path, naive: pa.DataType
) -> None:
    zoned = pa.timestamp("us", "UTC")
    for name, kind in {"a": naive, "b": zoned, "c": zoned}.items():
        (folder / "times").mkdir(exist_ok=True)
        table = pa.table({"at": pa.array([0], pa.int64()).cast(pa.timestamp("us")).cast(kind)})
        pq.write_table(table, folder / "times" / f"{name}.parquet")

    assert len(rows(folder, files=("times/b.parquet", "times/c.parquet"))[0]) == 2
    why = r"column 'at' has a zone in times/b\.parquet and none in times/a\.parquet"
    with pytest.raises(SourceError, match=why):
        rows(folder, files="times")


def test_a_folder_of_csv_is_read_with_its_partitions_and_bad_lines(folder: Path) -> None:
    found, malformed = rows(folder, files="csv")

    assert [(row["id"], row["region"], row["_source"]) for row in found] == [
        ("y", None, "csv/2.csv"),
        ("x", "a b", "csv/region=a%20b/1.csv"),
    ]
    assert malformed == 1


def test_named_files_are_joined_by_sql(folder: Path) -> None:
    found, malformed = rows(
        folder,
        files={"c": "csv/2.csv", "p": "usage"},
        sql="SELECT c.id, c.n::INTEGER + 1 AS m, p.late FROM c LEFT JOIN p USING (id);",
    )

    assert found == [
        {
            "id": "y",
            "m": 3,
            "late": 2.5,
            "_source": "csv/2.csv + 2 files, usage/year=2023/a.parquet … usage/year=2024/a.parquet",
            "_row": 1,
        }
    ]
    assert malformed == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["csv/2.csv"], ["csv/2.csv"]),
        (["csv"], ["csv/2.csv", "csv/region=a%20b/1.csv"]),
        (["csv/*.csv"], ["csv/2.csv"]),
        (["csv/**/*.csv"], ["csv/2.csv", "csv/region=a%20b/1.csv"]),
        (["csv/region=a%20b/1.csv", "csv"], ["csv/region=a%20b/1.csv", "csv/2.csv"]),
    ],
)
def test_files_are_found_once_and_in_order(
    folder: Path, given: list[str], expected: list[str]
) -> None:
    assert find_files("usage", given, folder) == [folder / name for name in expected]


def test_an_absolute_pattern_is_found(folder: Path) -> None:
    assert find_files("usage", [f"{folder}/csv/*.csv"], Path("/")) == [folder / "csv" / "2.csv"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"files": "usge"}, r"usage\.files: .*usge: no such file or folder\. Did you mean 'usage'"),
        ({"files": "csv/*.tsv"}, r"the pattern matches no file"),
        ({"files": "work"}, r"the folder holds no CSV or Parquet file"),
        ({"files": "s3://bucket/x.parquet"}, r"not a local path\. Copy or mount"),
        ({"files": "notes.xlsx"}, r"notes\.xlsx: expected one of \.csv.*Save spreadsheets as CSV"),
        ({"files": ("csv/2.csv", "usage")}, r"CSV and Parquet are mixed \(2\.csv, a\.parquet\)"),
        ({"files": {"c": "csv/2.csv"}, "sql": "SELECT nope FROM c"}, r"\"nope\" not found"),
        ({"files": {"c": "csv/2.csv"}, "sql": "SELECT id, n AS id FROM c"}, r"column 'id' twice"),
        ({"files": {"c": "csv/2.csv"}, "sql": "SELECT id::DATE d FROM c"}, r"invalid date.*\"y\""),
    ],
)
def test_what_cannot_be_opened_is_named(folder: Path, source: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        rows(folder, **source)


def test_a_damaged_file_is_named(folder: Path) -> None:
    (folder / "bad.parquet").write_bytes(b"PAR1 not really")

    with pytest.raises(SourceError, match=r"tables\.usage: .*bad\.parquet"):
        rows(folder, files="bad.parquet")
