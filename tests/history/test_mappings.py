from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from churnml.errors import SourceError
from churnml.history.report import Report

OBSERVED = "observed_until = 2025-01-01T00:00:00Z\n"
USAGE = OBSERVED + "[tables.usage]\nfiles = 'u.csv'\n"


def at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # type: ignore[arg-type]


def test_columns_are_filled_from_other_names_expressions_constants_and_codes(yard: Any) -> None:
    yard.write("u.csv", "CustomerID,When,Days,Kind,n\nc1,2024-01-01,3,p,5\nc2,2024-01-02,,q,-\n")

    report: Report = yard.check(
        USAGE
        + """
        columns = { account_id = "CustomerID", event = "Kind", quantity = "n" }
        expressions = { occurred_at = "\\"When\\"::DATE + to_days(coalesce(Days, '0')::INTEGER)" }
        constants = { contact_id = "none" }
        values = { event = { p = "purchase" } }
        missing = ["-", ""]
        """
    )

    assert yard.clean("usage") == [
        {
            "account_id": "c1",
            "occurred_at": at(2024, 1, 4),
            "event": "purchase",
            "contact_id": "none",
            "quantity": 5.0,
        },
        {
            "account_id": "c2",
            "occurred_at": at(2024, 1, 2),
            "event": "q",
            "contact_id": "none",
            "quantity": None,
        },
    ]
    assert report.tables[0].unused == ()


def test_an_expression_that_fails_on_a_row_costs_that_row(yard: Any, counts: Any) -> None:
    yard.write("u.csv", "account_id,day,event\n" + "a,2024-01-01,e\n" * 3 + "b,rubbish,e\nc,,e\n")

    report = yard.check(
        USAGE + "max_faulty = 1\nexpressions = { occurred_at = 'day::DATE + INTERVAL 1 DAY' }"
    )

    found = counts(report, "usage")
    assert found["unreadable_value", "occurred_at"] == 1
    assert found["missing_value", "occurred_at"] == 1
    assert [row["occurred_at"] for row in yard.clean("usage")] == [at(2024, 1, 2)] * 3
    assert [row["day"] for row in yard.aside("usage")] == ["rubbish", ""]


def test_rows_that_do_not_belong_are_left_out_and_counted(yard: Any) -> None:
    yard.write("u.csv", "account_id,occurred_at,event,q\na,2024-01-01,e,1\na,2024-01-01,e,-1\n")

    report = yard.check(USAGE + "where = 'q::INTEGER > 0'")

    assert (report.tables[0].read, report.tables[0].clean, report.tables[0].left_out) == (1, 1, 1)
    assert report.tables[0].unused == ()


def test_columns_that_nothing_reads_are_named(yard: Any) -> None:
    yard.write("u.csv", "account_id,occurred_at,event,colour\na,2024-01-01,e,red\n")

    assert yard.check(USAGE).tables[0].unused == ("colour",)


def test_parquet_keeps_its_types(yard: Any) -> None:
    yard.parquet(
        "u.parquet",
        {
            "account_id": [17850.0],
            "occurred_at": [dt.datetime(2024, 1, 1, 10, tzinfo=dt.UTC)],
            "event": ["e"],
            "quantity": [3],
        },
    )

    yard.check(USAGE.replace("u.csv", "u.parquet"))

    assert yard.clean("usage") == [
        {"account_id": "17850", "occurred_at": at(2024, 1, 1, 10), "event": "e", "quantity": 3.0}
    ]


def test_accounts_are_recorded_when_created_unless_said_otherwise(yard: Any) -> None:
    yard.write(
        "a.csv", "account_id,created_at,recorded_at\na,2024-01-01,\na,2024-01-01,2024-02-01\n"
    )
    yard.write("b.csv", "account_id,created_at\na,2024-01-01\n")
    accounts = OBSERVED + "[tables.accounts]\nfiles = 'a.csv'\n"

    yard.check(accounts)
    assert [row["recorded_at"] for row in yard.clean("accounts")] == [
        at(2024, 1, 1),
        at(2024, 2, 1),
    ]

    yard.check(accounts.replace("a.csv", "b.csv"))
    assert [row["recorded_at"] for row in yard.clean("accounts")] == [at(2024, 1, 1)]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "columns = { quantity = 'qty' }",
            r"usage\.columns\.quantity: u\.csv has no column 'qty'\. Expected one of: account_id",
        ),
        ("expressions = { quantity = 'nope + 1' }", r"(?s)\"nope\" not found.*`expressions`"),
        ("expressions = { quantity = '1 +' }", r"tables\.usage: .*syntax error"),
        (
            "values = { quantity = { a = '1' } }",
            r"usage\.values\.quantity: nothing of u\.csv fills",
        ),
        ("where = 'event::DATE > now()'", r"(?s)tables\.usage: .*invalid date field.*`where`"),
    ],
)
def test_a_mapping_that_does_not_fit_the_source_is_named(
    yard: Any, more: str, message: str
) -> None:
    yard.write("u.csv", "account_id,occurred_at,event\na,2024-01-01,e\n")

    with pytest.raises(SourceError, match=message):
        yard.check(USAGE + more)

    assert not yard.history.exists()


def test_a_nested_column_is_refused(yard: Any) -> None:
    yard.parquet(
        "u.parquet",
        {"account_id": ["a"], "occurred_at": ["2024-01-01"], "event": [{"name": "e"}]},
    )

    with pytest.raises(SourceError, match=r"column 'event' of u\.parquet is STRUCT\(.*one value"):
        yard.check(USAGE.replace("u.csv", "u.parquet"))


def test_an_expression_may_use_a_failing_part_twice(yard: Any, counts: Any) -> None:
    yard.write("u.csv", "account_id,day,event\n" + "a,2024-12-20,e\n" * 3 + "b,rubbish,e\n")

    report = yard.check(
        USAGE + "max_faulty = 1\nexpressions = { occurred_at = "
        "'if(day::DATE > DATE $$2020-01-01$$, day::DATE, NULL)', recorded_at = 'day::DATE + 1' }"
    )

    assert counts(report, "usage") == {
        ("unreadable_value", "occurred_at"): 1,
        ("unreadable_value", "recorded_at"): 1,
    }
    assert len(yard.clean("usage")) == 3
