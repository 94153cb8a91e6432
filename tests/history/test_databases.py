from __future__ import annotations

import datetime as dt
import sqlite3
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from churnml.errors import ConfigError, SourceError
from churnml.history import databases
from churnml.history.databases import copy_query, database_url
from churnml.history.sources import TableSource

URL = "sqlite:///crm.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "crm.db")) as connection:
        connection.execute('create table "event log" (id text, n real, "at:time" text, raw blob)')
        connection.executemany(
            'insert into "event log" values (?, ?, ?, ?)',
            [("a", 1.5, "2024-01-01 10:00:00", b"x\xff"), ("b", None, None, None)],
        )
        connection.commit()
    return tmp_path


def copied(folder: Path, source: TableSource) -> list[dict[str, Any]]:
    into = folder / "rows.parquet"
    copy_query("usage", source, base=folder, into=into, note=lambda _: None)
    rows: list[dict[str, Any]] = pq.read_table(into).to_pylist()
    return rows


def test_a_table_is_copied_as_text(folder: Path) -> None:
    assert copied(folder, TableSource(database=URL, table="event log")) == [
        {
            "id": "a",
            "n": "1.5",
            "at:time": "2024-01-01 10:00:00",
            "raw": "x\\xff",
            "_source": URL,
            "_row": 1,
        },
        {"id": "b", "n": None, "at:time": None, "raw": None, "_source": URL, "_row": 2},
    ]


def test_a_query_is_left_as_it_is(folder: Path) -> None:
    query = """SELECT id, "at:time" AS t, 'x:y\\d %s' AS s FROM "event log" WHERE id LIKE '%a'"""

    rows = copied(folder, TableSource(database=URL, query=query))

    assert [(row["id"], row["t"], row["s"]) for row in rows] == [
        ("a", "2024-01-01 10:00:00", "x:y\\d %s")
    ]


def test_rows_are_streamed_in_order(folder: Path) -> None:
    query = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 45000) "
        "SELECT i FROM n"
    )

    rows = copied(folder, TableSource(database=URL, query=query))

    assert len(rows) == 45_000
    assert all(row["i"] == str(row["_row"]) for row in rows)


def test_it_is_told_how_many_rows_were_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "_BATCH", 2)
    monkeypatch.setattr(databases, "_TOLD_EVERY", 4)
    query = "SELECT value AS i FROM json_each('[1, 2, 3, 4, 5, 6, 7, 8, 9]')"
    told: list[str] = []

    copy_query(
        "usage",
        TableSource(database=URL, query=query),
        base=folder,
        into=folder / "rows.parquet",
        note=told.append,
    )

    step = "usage of sqlite:///crm.db"
    assert told == [step, f"{step}: 4 rows", f"{step}: 8 rows"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (True, "True"),
        (Decimal("12.50"), "12.50"),
        (dt.date(2025, 1, 2), "2025-01-02"),
        (
            dt.datetime(2025, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "2025-01-02T03:00:00+02:00",
        ),
        (
            {"plan": "x", "n": None, "é": [True, Decimal(1)]},
            '{"plan": "x", "n": null, "é": [true, "1"]}',
        ),
        ([1, None], "[1, null]"),
        (memoryview(b"x\xff"), "x\\xff"),
    ],
)
def test_a_value_is_written_as_the_database_would(value: object, text: str | None) -> None:
    assert databases._text(value) == text


def test_the_driver_that_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(SourceError, match=r"pip install 'churnml\[postgresql\]'"):
        copied(folder, TableSource(database="postgresql+psycopg://me@localhost/crm", table="t"))


def test_the_url_may_be_in_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM", URL)

    rows = copied(folder, TableSource(database_env="CRM", query="SELECT 1 AS one"))

    assert rows == [{"one": "1", "_source": URL, "_row": 1}]


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ({"database": URL, "query": "SELEC 1"}, SourceError, r"usage: sqlite:///crm\.db: near"),
        ({"database": URL, "table": "nope"}, SourceError, r"no such table: nope"),
        ({"database": URL, "query": "SELECT 1 a, 2 a"}, SourceError, r"gives column 'a' twice"),
        ({"database": "sqlite:///no.db", "table": "t"}, SourceError, r"no\.db: no such file"),
        (
            {"database": "nosuch://u@h/d", "table": "t"},
            SourceError,
            r"no dialect 'nosuch'.*Expected",
        ),
        (
            {"database": "postgres://u@h/d", "table": "t"},
            SourceError,
            r"no dialect 'postgres'\. Did you mean 'postgresql\+psycopg'\? Or install",
        ),
        (
            {"database": "rubbish", "table": "t"},
            ConfigError,
            r"usage\.database: not a database URL",
        ),
        ({"database_env": "UNSET_URL", "table": "t"}, ConfigError, r"'UNSET_URL' is not set"),
        ({"database": "mysql://u:pw@h/d", "table": "t"}, ConfigError, r"password does not belong"),
        (
            {"database": "postgresql://u@h/d?password=pw", "table": "t"},
            ConfigError,
            r"password does not belong",
        ),
        ({"database": "mysql://u:p@w@h/d", "table": "t"}, ConfigError, r"has '@' twice; write"),
    ],
)
def test_what_cannot_be_read_is_named(
    folder: Path, source: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        copied(folder, TableSource(**source))

    assert not (folder / "no.db").exists()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@h:x/d",
        "sqlite://me:s3cret@h/d",
        "nosuch:///crm.db?password=s3cret",
        "nosuch://me@h/d?sslpassword=s3cret",
        "mysql://me:x@s3cret@h/d",
    ],
)
def test_a_password_is_never_said(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CRM", url)

    with pytest.raises((ConfigError, SourceError)) as raised:
        copied(folder, TableSource(database_env="CRM", table="t"))

    assert "s3cret" not in str(raised.value)


def test_a_url_with_a_password_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRM", "postgresql+psycopg://me:s3cret@host/crm")

    url = database_url("usage", TableSource(database_env="CRM", table="t"))

    assert url.password == "s3cret"  # noqa: S105 - made up
