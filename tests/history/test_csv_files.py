from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.errors import SourceError
from churnml.history.csv_files import CsvFile, copy_csv
from churnml.history.sources import CsvFormat

Rows = list[dict[str, Any]]


def copied(
    folder: Path,
    *contents: bytes,
    form: CsvFormat | None = None,
    name: str = "f.csv",
    **partition: str,
) -> tuple[Rows, Rows]:
    files = []
    for place, content in enumerate(contents):
        path = folder / f"{place}.{name}"
        path.write_bytes(content)
        files.append(CsvFile(path, path.name, partition))
    into, malformed = folder / "rows.parquet", folder / "malformed.parquet"
    count = copy_csv(
        files, form or CsvFormat(), into=into, malformed=malformed, note=lambda _: None
    )
    lines: Rows = pq.read_table(malformed).to_pylist()
    rows: Rows = pq.read_table(into).to_pylist()
    assert count == len(lines)
    return rows, lines


def test_every_value_is_text_and_every_row_has_its_place(tmp_path: Path) -> None:
    rows, lines = copied(tmp_path, b'id,n\n1,"a ""b"", c"\n2,"two\nlines"\n3,\n')

    assert rows == [
        {"id": "1", "n": 'a "b", c', "_source": "0.f.csv", "_row": 2},
        {"id": "2", "n": "two\nlines", "_source": "0.f.csv", "_row": 3},
        {"id": "3", "n": "", "_source": "0.f.csv", "_row": 4},
    ]
    assert lines == []


def test_lines_that_are_no_rows_are_kept_apart_with_their_place(tmp_path: Path) -> None:
    rows, lines = copied(tmp_path, b"id,n\n1,a\n2\n3,b\n4,c,d\n")

    assert [(row["id"], row["_row"]) for row in rows] == [("1", 2), ("3", 4)]
    assert [(line["_line"], line["_row"], line["_reason"]) for line in lines] == [
        ("2", 3, "expected 2 fields, got 1"),
        ("4,c,d", 5, "expected 2 fields, got 3"),
    ]


def test_bytes_of_another_encoding_cost_only_their_line(tmp_path: Path) -> None:
    content = b'id,n\n1,caf\xe9\n2,b\n"3,x","\xff"\n'

    rows, lines = copied(tmp_path, content)

    assert [row["id"] for row in rows] == ["2"]
    assert [(line["_row"], line["_line"]) for line in lines] == [
        (2, "1,caf\\xE9"),
        (4, '"3,x",\\xFF'),
    ]
    assert {line["_reason"] for line in lines} == {"bytes not utf-8"}


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"id,n\n1,caf\xe9\n", CsvFormat(encoding="latin-1")),
        ("id,n\n1,café\n".encode("utf-16"), CsvFormat(encoding="utf-16")),
        ("\ufeffid,n\r\n1,café\r\n".encode(), CsvFormat()),
        ("id;n\n1;'café'".encode(), CsvFormat(delimiter=";", quote="'")),
    ],
)
def test_files_are_read_as_they_are_written(
    tmp_path: Path, content: bytes, form: CsvFormat
) -> None:
    rows, lines = copied(tmp_path, content, form=form)

    assert rows == [{"id": "1", "n": "café", "_source": "0.f.csv", "_row": 2}]
    assert lines == []


def test_files_are_joined_by_name(tmp_path: Path) -> None:
    rows, _ = copied(tmp_path, b"id,n\n1,a\n", b"m,id\nb,2\n", b"id\n")

    assert rows == [
        {"id": "1", "n": "a", "m": None, "_source": "0.f.csv", "_row": 2},
        {"id": "2", "n": None, "m": "b", "_source": "1.f.csv", "_row": 2},
    ]


def test_folders_give_columns_and_gz_is_opened(tmp_path: Path) -> None:
    rows, _ = copied(tmp_path, gzip.compress(b"id\n1\n"), name="f.csv.gz", year="2024")

    assert rows == [{"id": "1", "year": "2024", "_source": "0.f.csv.gz", "_row": 2}]


def test_a_quarantine_file_can_be_read_again(tmp_path: Path) -> None:
    rows, _ = copied(tmp_path, b"_fault,_source,_row,id\nx,old.csv,9,1\n")

    assert rows == [{"_fault": "x", "id": "1", "_source": "0.f.csv", "_row": 2}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"0\.f\.csv: the file is empty; expected a header line"),
        ("a,b\n1,2\n".encode("utf-16"), r"no text in utf-8: .* for UTF-16 set csv = { encoding"),
        (b"PK\x03\x04\x14\x00\x06\t\n", r"zero bytes\. Save a spreadsheet as CSV"),
        (b"a,b,a\n", r"the header names column 'a' twice"),
        (b"a;b\n1;2\n", r"one column, 'a;b', when split at ','\. Set csv = { delimiter = ';' }"),
        (b'a,b\n1,"' + b"x,y\n" * 2_000_000, r"opens a quote that is never closed"),
        (b'a,b\n1,2\n3,"4', r"record 3 or one after it opens a quote that is never closed"),
        (b'a,b\n3" pipe,2\n3,"4', r"opens a quote that is never closed"),
        (b'a,b\n3" pipe,2\n3,"say ""yes""\n', r"opens a quote that is never closed"),
        (b"a,b,c\n1,2,3\n4,5", r"ends in the middle of record 3: 2 of 3 fields, and no line end"),
        (b'a,b,c\n1,2,3\n4,"5\n6', r"ends in the middle of record 3: 2 of 3 fields"),
        (b"a,b\n1\n2", r"ends in the middle of record 3: 1 of 2 fields"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        copied(tmp_path, content)


@pytest.mark.parametrize("size", [0.01, 0.5, 0.99])
def test_a_truncated_file_is_named(tmp_path: Path, size: float) -> None:
    whole = gzip.compress(b"a,b\n" + bytes(range(32, 127)) * 9 + b"\n1,2\n" * 200_000)

    with pytest.raises(SourceError, match=r"0\.f\.csv\.gz: "):
        copied(tmp_path, whole[: int(len(whole) * size)], name="f.csv.gz")


def test_an_unknown_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no such encoding 'latin-99' in `csv\.encoding`"):
        copied(tmp_path, b"a\n", form=CsvFormat(encoding="latin-99"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv")


@pytest.mark.parametrize(
    ("content", "last", "malformed"),
    [
        (b"a,b\n1,2\n3\n", "2", ["3"]),
        (b"a,b\n1,2\n3,4,5", "2", ["3,4,5"]),
        (b"a,b\n1\n3,4", "4", ["1"]),
        (b'a,b\n3" pipe,"4\n"', "4\n", []),
        (b'a,b\n1,"say ""yes""\n"\r\n\r\n', 'say "yes"\n', []),
    ],
)
def test_an_end_that_may_be_meant_is_taken(
    tmp_path: Path, content: bytes, last: str, malformed: list[str]
) -> None:
    rows, lines = copied(tmp_path, content)

    assert rows[-1]["b"] == last
    assert [line["_line"] for line in lines] == malformed


@given(lines=st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=8))
def test_no_line_is_lost_whatever_its_bytes(folder: Path, lines: list[bytes]) -> None:
    # Quotes join lines and carriage returns part them; what is left is one record a line.
    plain = [line.replace(b'"', b"").replace(b"\r", b"") for line in lines]
    records = [line for line in plain if line]

    rows, malformed = copied(folder, b"a,b\n" + b"".join(line + b"\n" for line in plain))

    assert sorted(item["_row"] for item in [*rows, *malformed]) == list(range(2, len(records) + 2))
