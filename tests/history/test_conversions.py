from __future__ import annotations

import datetime as dt
from typing import Any

import duckdb
import pytest

from churnml.history.conversions import conversion, is_scalar
from churnml.history.tables import Kind


def read(
    kind: Kind, value: str, sql_type: str = "VARCHAR", zone: str = "UTC", form: str | None = None
) -> Any:
    """Read `value`, SQL of a literal, as a kind."""
    how = conversion(kind, sql_type, "v", zone=zone, form=form)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT {how.value} FROM (SELECT CAST({value} AS {sql_type}) AS v)"
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-05", at(2024, 1, 5)),
        (" 2024-01-05 ", at(2024, 1, 5)),
        ("2024-01-05 10:20", at(2024, 1, 5, 10, 20)),
        ("2024-01-05T10:20:30", at(2024, 1, 5, 10, 20, 30)),
        ("2024-01-05T10:20:30.123456789", at(2024, 1, 5, 10, 20, 30, 123456)),
        ("2024-01-05T10:20Z", at(2024, 1, 5, 10, 20)),
        ("2024-01-05T10:20z", at(2024, 1, 5, 10, 20)),
        ("2024-01-05T10:20:30 UTC", at(2024, 1, 5, 10, 20, 30)),
        ("2024-01-05 10:20:30+02", at(2024, 1, 5, 8, 20, 30)),
        ("2024-01-05 10:20+02:00", at(2024, 1, 5, 8, 20)),
        ("2024-01-05 10:20:30 +02", at(2024, 1, 5, 8, 20, 30)),
        ("2024-01-05 10:20:30.5-0530", at(2024, 1, 5, 15, 50, 30, 500000)),
        ("2024-02-30", None),
        ("2024-1-5", None),
        ("05.01.2024", None),
        ("2024-01-05 10:20:30 Europe/Berlin", None),
        ("1704448800", None),
        ("infinity", None),
        ("yesterday", None),
    ],
)
def test_a_time_is_iso_8601(text: str, expected: dt.datetime | None) -> None:
    assert read(Kind.TIME, f"'{text}'") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-07-01", at(2024, 6, 30, 22)),
        ("2024-01-01 12:00", at(2024, 1, 1, 11)),
        ("2024-01-01 12:00Z", at(2024, 1, 1, 12)),
        ("2024-03-31 02:30", at(2024, 3, 31, 1, 30)),  # skipped: read as 03:30 summer time
        ("2024-10-27 02:30", at(2024, 10, 27, 1, 30)),  # twice: the later one
    ],
)
def test_a_time_without_zone_is_read_in_the_tables(text: str, expected: dt.datetime) -> None:
    assert read(Kind.TIME, f"'{text}'", zone="Europe/Berlin") == expected
    if not text.endswith("Z"):
        assert read(Kind.TIME, f"'{text}'", "TIMESTAMP", zone="Europe/Berlin") == expected


@pytest.mark.parametrize(
    ("value", "sql_type", "expected"),
    [
        ("'2024-01-05'", "DATE", at(2024, 1, 5)),
        ("'2024-01-05 10:20:30.123456789'", "TIMESTAMP_NS", at(2024, 1, 5, 10, 20, 30, 123456)),
        ("'2024-01-05 10:20:00+02:00'", "TIMESTAMP WITH TIME ZONE", at(2024, 1, 5, 8, 20)),
        ("'infinity'", "TIMESTAMP", None),
        ("'infinity'", "DATE", None),
        ("1704448800", "BIGINT", None),  # seconds or milliseconds? `formats` must say
    ],
)
def test_a_time_of_parquet_is_taken_as_it_is(
    value: str, sql_type: str, expected: dt.datetime | None
) -> None:
    assert read(Kind.TIME, value, sql_type) == expected


@pytest.mark.parametrize(
    ("value", "sql_type", "form", "expected"),
    [
        ("1704448800", "BIGINT", "epoch_s", at(2024, 1, 5, 10)),
        ("'1704448800.25'", "VARCHAR", "epoch_s", at(2024, 1, 5, 10, 0, 0, 250000)),
        ("1704448800123", "BIGINT", "epoch_ms", at(2024, 1, 5, 10, 0, 0, 123000)),
        ("1704448800123456", "BIGINT", "epoch_us", at(2024, 1, 5, 10, 0, 0, 123456)),
        ("1e300", "DOUBLE", "epoch_s", None),
        ("'x'", "VARCHAR", "epoch_s", None),
        ("'05.01.2024 10:20'", "VARCHAR", "%d.%m.%Y %H:%M", at(2024, 1, 5, 9, 20)),
        ("'05.01.2024 10:20 +0200'", "VARCHAR", "%d.%m.%Y %H:%M %z", at(2024, 1, 5, 8, 20)),
        ("'20240105'", "VARCHAR", "%Y%m%d", at(2024, 1, 4, 23)),
        ("20240105", "BIGINT", "%Y%m%d", at(2024, 1, 4, 23)),
        ("'2024'", "VARCHAR", "%Y%m%d", None),
    ],
)
def test_a_format_says_how_other_times_are_read(
    value: str, sql_type: str, form: str, expected: dt.datetime | None
) -> None:
    assert read(Kind.TIME, value, sql_type, zone="Europe/Berlin", form=form) == expected


@pytest.mark.parametrize(
    ("kind", "value", "sql_type", "expected"),
    [
        (Kind.NUMBER, "' 12.5 '", "VARCHAR", 12.5),
        (Kind.NUMBER, "'1e3'", "VARCHAR", 1000.0),
        (Kind.NUMBER, "'1,5'", "VARCHAR", None),
        (Kind.NUMBER, "'NaN'", "VARCHAR", None),
        (Kind.NUMBER, "'NaN'", "DOUBLE", None),
        (Kind.NUMBER, "7", "TINYINT", 7.0),
        (Kind.NUMBER, "1.25", "DECIMAL(9,2)", 1.25),
        (Kind.INTEGER, "'12'", "VARCHAR", 12),
        (Kind.INTEGER, "'12.0'", "VARCHAR", 12),
        (Kind.INTEGER, "'3.7'", "VARCHAR", None),
        (Kind.INTEGER, "'9007199254740993'", "VARCHAR", 9007199254740993),
        (Kind.INTEGER, "'99999999999999999999'", "VARCHAR", None),
        (Kind.INTEGER, "12.0", "DOUBLE", 12),
        (Kind.INTEGER, "12.5", "DOUBLE", None),
        (Kind.INTEGER, "'inf'", "DOUBLE", None),
        (Kind.INTEGER, "12.0", "DECIMAL(9,2)", 12),
        (Kind.INTEGER, "12", "UBIGINT", 12),
        (Kind.BOOLEAN, "'Yes'", "VARCHAR", True),
        (Kind.BOOLEAN, "' f '", "VARCHAR", False),
        (Kind.BOOLEAN, "'maybe'", "VARCHAR", None),
        (Kind.BOOLEAN, "true", "BOOLEAN", True),
        (Kind.BOOLEAN, "0", "BIGINT", False),
        (Kind.BOOLEAN, "2", "BIGINT", None),
        (Kind.ID, "17850.0", "DOUBLE", "17850"),
        (Kind.ID, "17850.5", "DOUBLE", None),
        (Kind.ID, "17850", "BIGINT", "17850"),
        (Kind.ID, "' 007'", "VARCHAR", " 007"),
        (Kind.STRING, "3.5", "DOUBLE", "3.5"),
    ],
)
def test_a_value_is_read_as_its_kind(
    kind: Kind, value: str, sql_type: str, expected: object
) -> None:
    assert read(kind, value, sql_type) == expected


def test_a_column_holds_one_value_a_row() -> None:
    assert is_scalar("DECIMAL(9,2)")
    assert is_scalar("TIMESTAMP WITH TIME ZONE")
    assert not is_scalar("STRUCT(a INTEGER)")
    assert not is_scalar("INTEGER[]")
    assert not is_scalar("MAP(VARCHAR, INTEGER)")
