"""Corrections: a line each, never lost, and no line that means nothing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from churnml.errors import ConfigError, DataError
from churnml.text.corrections import Correction, add_corrections, read_corrections

AT = dt.datetime(2026, 3, 2, 10)
HEADER = "text_id,part,value,by,at\n"


def test_what_was_added_is_read(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    assert read_corrections(path) == ()
    later = Correction("messages/m-7", "sentiment", "hostile", "Ann, of support", AT)
    add_corrections(path, [later])
    earlier = Correction("tickets/t1", "cancel_request", "yes", "bob", AT - dt.timedelta(days=1))
    add_corrections(path, [earlier])
    assert read_corrections(path) == (earlier, later)
    assert path.read_text() == (
        f'{HEADER}messages/m-7,sentiment,hostile,"Ann, of support",2026-03-02T10:00:00Z\n'
        "tickets/t1,cancel_request,yes,bob,2026-03-01T10:00:00Z\n"
    )
    assert [item.said for item in (earlier, later)] == [True, "hostile"]
    assert Correction("t", "competitor", "", "a", AT).said is None
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_edited_by_hand_is_read(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text(HEADER + "messages/m1,about_support,no,ann,2026-03-02T12:00:00+02:00")
    add_corrections(path, [Correction("messages/m2", "refund", "yes", "ann", AT)])
    assert [(item.text_id, item.said, item.at) for item in read_corrections(path)] == [
        ("messages/m1", False, AT),
        ("messages/m2", True, AT),
    ]


def test_a_file_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    saved = HEADER + "messages/m1,refund,yes,ann,2026-03-02T10:00:00Z\n"
    path.write_bytes(b"\xef\xbb\xbf" + saved.replace("\n", "\r\n").encode())
    add_corrections(path, [Correction("messages/m2", "refund", "no", "ann", AT)])
    assert [item.said for item in read_corrections(path)] == [True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,part\n", r"its first line is text, part; expected text_id, part, value, by, at"),
        (HEADER + "m,sentiment\n", r"line 2: expected 5 values"),
        (HEADER + "m,refund,yes,ann,2026-03-02T10:00Z,more\n", r"line 2: expected 5 values"),
        (HEADER + "m,sentment,hostile,ann,2026-03-02T10:00Z\n", r"line 2: no part 'sentment'"),
        (HEADER + "m,sentiment,angry,ann,2026-03-02T10:00Z\n", r"sentiment = 'angry'; expected"),
        (HEADER + "m,refund,true,ann,2026-03-02T10:00Z\n", r"expected 'yes', 'no'"),
        (HEADER + "m,competitor_level,left,ann,2026-03-02T10:00Z\n", r"'left'; expected ''"),
        (HEADER + "m,refund,yes,ann,2026-03-02T10:00\n", r"line 2: at has no time zone"),
        (HEADER + "m,refund,yes,ann,yesterday\n", r"line 2: at: Invalid isoformat"),
        (HEADER + "m,refund,yes,ann,0001-01-01T00:00:00+14:00\n", r"a year from 1900 to 2199"),
        (HEADER + "m,refund,yes,ann,9999-12-31T23:59:59-14:00\n", r"a year from 1900 to 2199"),
        (HEADER + "m,refund,yes,,2026-03-02T10:00Z\n", r"names its text and who made it"),
    ],
)
def test_a_line_that_is_none_is_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_corrections(path)


def test_what_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    path.write_bytes(HEADER.encode() + b"\xff\xfe,a,b,c,d\n")
    with pytest.raises(ConfigError, match=r"corrections\.csv: cannot be read"):
        read_corrections(path)
    with pytest.raises(ConfigError, match=r"cannot be written"):
        add_corrections(tmp_path / "no" / "corrections.csv", [])
