"""Which columns are there, and rows brought to their types."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from churnml.errors import DataError
from churnml.history.memory import only, typed
from churnml.history.tables import ACCOUNTS, STANDARD, TICKETS, USAGE, Column, Kind, Table

T = dt.datetime(2025, 3, 1, 12)


def test_only_keeps_the_order_of_the_contract_and_forgets_what_is_absent() -> None:
    kept = only(TICKETS, ["csat", "csat_at", "opened_at", "account_id", "ticket_id"])
    assert kept.names == ("ticket_id", "account_id", "opened_at", "csat_at", "csat")
    assert kept.column("csat_at").after == "opened_at"
    assert only(STANDARD["invoices"], [*STANDARD["invoices"].names]) == STANDARD["invoices"]


def test_a_value_whose_time_is_absent_is_left_out() -> None:
    kept = only(TICKETS, ["ticket_id", "account_id", "opened_at", "csat", "first_contact"])
    assert kept.names == ("ticket_id", "account_id", "opened_at")


def test_what_waits_for_a_time_that_is_left_out_is_left_out_in_its_turn() -> None:
    table = Table(
        name="parcels",
        doc="",
        key=(),
        time="sent_at",
        columns=(
            Column("account_id", Kind.ID, ""),
            Column("sent_at", Kind.TIME, ""),
            Column("weight", Kind.NUMBER, "", known="weighed_at"),
            Column("weighed_at", Kind.TIME, "", known="told_at"),
            Column("told_at", Kind.TIME, "", known="told_at"),
        ),
    )
    kept = only(table, ["account_id", "sent_at", "weight", "weighed_at"])
    assert kept.names == ("account_id", "sent_at")


def test_what_is_optional_in_a_contract_goes_with_its_column() -> None:
    assert only(USAGE, ["account_id", "occurred_at"]).dimension is None
    assert only(USAGE, ["account_id", "occurred_at", "event"]).dimension == "event"
    assert only(ACCOUNTS, ["account_id", "created_at"]).key == ("account_id",)
    due = only(STANDARD["invoices"], ["invoice_id", "account_id", "issued_at", "due_at"])
    assert due.column("due_at").after == "issued_at"


@pytest.mark.parametrize(
    ("present", "why"),
    [
        (["account_id", "occured_at"], r"'usage': column 'occured_at' is not in its contract. Did"),
        (["event"], r"'usage': required columns are missing: account_id, occurred_at\."),
    ],
)
def test_what_cannot_be_a_table_is_refused(present: list[str], why: str) -> None:
    with pytest.raises(DataError, match=why):
        only(USAGE, present)


def usage(**columns: pa.Array) -> pa.Table:
    rows = {"account_id": pa.array(["a"]), "occurred_at": pa.array([T], pa.timestamp("us"))}
    return pa.table(rows | columns)


def test_rows_take_the_types_and_the_order_of_the_contract() -> None:
    zoned = pa.array([T], pa.timestamp("ms", tz="Europe/Berlin"))
    rows = usage(quantity=pa.array([3]), occurred_at=zoned)
    found = typed(only(USAGE, rows.column_names), rows.select([2, 1, 0]))
    assert found.schema == pa.schema(
        [
            ("account_id", pa.string()),
            ("occurred_at", pa.timestamp("us")),
            ("quantity", pa.float64()),
        ]
    )
    assert found.to_pylist() == [{"account_id": "a", "occurred_at": T, "quantity": 3.0}]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (usage(quantity=pa.array(["x"])), r"'usage': .*Expected types: account_id: string"),
        (usage(quantity=pa.array([{"x": 1}])), r"'usage': .*Expected types"),
        (usage(account_id=pa.array([None], pa.string())), r"1 of 1 rows have no account_id"),
        (usage(occurred_at=pa.array([None], pa.timestamp("us"))), r"rows have no occurred_at"),
        (usage(quantity=pa.array([float("nan")])), r"'quantity' is infinite or not a number in 1 "),
        (usage(quantity=pa.array([float("-inf")])), r"'quantity' is infinite or not a number"),
    ],
)
def test_rows_that_would_break_the_computation_are_refused(rows: pa.Table, why: str) -> None:
    with pytest.raises(DataError, match=why):
        typed(only(USAGE, rows.column_names), rows)


def test_null_is_no_fault_where_a_value_may_be_missing() -> None:
    rows = usage(quantity=pa.array([None], pa.float64()))
    assert typed(only(USAGE, rows.column_names), rows)["quantity"].null_count == 1
    assert typed(only(USAGE, rows.column_names), rows.slice(0, 0)).num_rows == 0
