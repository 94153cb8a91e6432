from __future__ import annotations

from typing import Any

import pytest

from churnml.config import parse
from churnml.errors import ConfigError
from churnml.history.declarations import DeclaredTable, all_contracts
from churnml.history.tables import STANDARD, Kind, Table


def declared(name: str, **content: Any) -> Table:
    return all_contracts({name: parse(DeclaredTable, content, "sources.toml")})[name]


WEBINARS: dict[str, Any] = {"doc": "One seat at a webinar.", "time": "held_at"}


def test_a_further_table_has_its_account_time_and_record_by_itself() -> None:
    table = declared(
        "webinars",
        **WEBINARS,
        key=["seat_id"],
        columns=[{"name": "seat_id", "kind": "id", "doc": "the seat"}],
    )

    assert table.names == ("account_id", "held_at", "recorded_at", "seat_id")
    assert [column.required for column in table.columns] == [True, True, False, False]
    assert table.column("held_at").kind is Kind.TIME
    assert table.key == ("seat_id",)


def test_a_declared_time_is_required_whatever_it_says() -> None:
    table = declared(
        "webinars", **WEBINARS, columns=[{"name": "held_at", "kind": "time", "doc": "begin"}]
    )

    assert table.column("held_at").required
    assert table.column("held_at").doc == "begin"


def test_a_standard_table_takes_further_columns_a_key_and_an_order() -> None:
    table = declared(
        "usage",
        key=["usage_id"],
        after={"occurred_at": "started_at"},
        columns=[
            {"name": "usage_id", "kind": "id", "doc": "the event"},
            {"name": "started_at", "kind": "time", "doc": "begin of the term"},
        ],
    )

    assert table.names == (*STANDARD["usage"].names, "usage_id", "started_at")
    assert table.key == ("usage_id",)
    assert table.column("occurred_at").after == "started_at"
    assert table.dimension == "event"


COLUMN = {"name": "n", "kind": "number", "doc": "n"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("webinars", {"time": "held_at"}, r"contracts\.webinars: a further table needs 'doc'"),
        ("webinars", {"doc": "One."}, r"contracts\.webinars: a further table needs 'time'"),
        ("webinars", {**WEBINARS, "after": {"held_at": "x"}}, r"after: is for standard tables"),
        ("webinars", {**WEBINARS, "key": ["seat"]}, r"'webinars' has no column 'seat'"),
        (
            "webinars",
            {**WEBINARS, "columns": [{**COLUMN, "known": "n"}]},
            r"expected a time column",
        ),
        ("usage", {"time": "n"}, r"contracts\.usage: 'time' of a standard table is fixed"),
        ("tickets", {"key": ["n"]}, r"contracts\.tickets: its key is \(ticket_id\) and is fixed"),
        ("usage", {"columns": [{**COLUMN, "name": "quantity"}]}, r"'quantity' is a standard one"),
        ("tickets", {"after": {"csat_at": "n"}}, r"'csat_at' must follow 'opened_at' already"),
        ("usage", {"after": {"ocurred_at": "n"}}, r"Did you mean 'occurred_at'"),
        ("usage", {"columns": [{**COLUMN, "kind": "text"}]}, r"columns\.0\.kind.*'text'"),
        ("usage", {"columns": [{**COLUMN, "name": "a b"}]}, r"columns\.0\.name"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(
    name: str, content: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        declared(name, **content)
