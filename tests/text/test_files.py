from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnml.errors import SourceError
from churnml.text.files import STDIN, labelled, texts


def test_every_kind_of_file_gives_rows_and_texts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\r\n\ntwo \n", encoding="utf-8")
    assert [text for _, text in texts(tmp_path / "a.txt", "text")] == ["one", "", "two "]
    (tmp_path / "a.jsonl").write_text('{"id": 1, "body": "one"}\n\n{"id": 2, "body": null}\n')
    assert list(texts(tmp_path / "a.jsonl", "body")) == [
        ({"id": 1, "body": "one"}, "one"),
        ({"id": 2, "body": None}, ""),
    ]
    (tmp_path / "a.csv").write_text('\ufeffid,body\n1,"two\nlines"\n', encoding="utf-8")
    assert list(texts(tmp_path / "a.csv", "body")) == [
        ({"id": "1", "body": "two\nlines"}, "two\nlines")
    ]
    pq.write_table(pa.table({"body": ["one", None]}), tmp_path / "a.parquet")
    assert [text for _, text in texts(tmp_path / "a.parquet", "body")] == ["one", ""]


def test_a_long_thread_is_one_text(tmp_path: Path) -> None:
    long = "We still wait. " * 20_000
    (tmp_path / "a.csv").write_text(f"body\n{long}\n", encoding="utf-8")
    assert [text for _, text in texts(tmp_path / "a.csv", "body")] == [long]


def test_standard_input_holds_a_message_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.BytesIO("\ufeffone\r\nna\u00efve".encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(given, encoding="ascii"))
    assert [text for _, text in texts(STDIN, "text")] == ["one", "na\u00efve"]
    given = io.BytesIO(b"caf\xe9")
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(given, encoding="utf-8", errors="surrogateescape")
    )
    with pytest.raises(SourceError, match=r"-: cannot be read: .*utf-8"):
        list(texts(STDIN, "text"))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.docx", b"x", r"are read from \.txt, \.jsonl, \.csv, \.parquet, not '\.docx'"),
        ("a.jsonl", b'{"body": "x"}\n{nope\n', r"line 2: no JSON"),
        ("a.jsonl", b"[1]\n", r"line 1: expected an object, got '\[1\]"),
        ("a.jsonl", b'{"bod": "x"}\n', r"row 1: no column 'body'.*Did you mean 'bod'"),
        ("a.jsonl", b'{"body": 3}\n', r"row 1: column 'body' holds 3; expected text"),
        ("a.csv", b"id,body\n1,x,y\n", r"line 2: has other fields than the heading's 2"),
        ("a.csv", b"id,body\n1\n", r"line 2: has other fields"),
        ("a.csv", b"body,id,body\nx,1,y\n", r"heading names 'body' twice"),
        ("a.jsonl", b"[" * 100_000, r"line 1: no JSON: maximum recursion"),
        ("a.csv", b"body\n\xff\xfe\n", r"cannot be read: .*utf-8"),
        ("a.parquet", b"no parquet at all", r"no Parquet file"),
    ],
)
def test_a_faulty_file_is_told_by_line(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=told):
        list(texts(tmp_path / name, "body"))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.txt: cannot be read"):
        list(texts(tmp_path / "none.txt", "text"))


def test_what_has_no_message_or_no_label_does_not_teach(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("body,tone\ngood,positive\n,negative\nbad,\n", encoding="utf-8")
    assert list(labelled(path, "body", "tone")) == [("good", "positive")]
    with pytest.raises(SourceError, match=r"row 1: no column 'mood'"):
        list(labelled(path, "body", "mood"))
