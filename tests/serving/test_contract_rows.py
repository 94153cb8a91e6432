"""Rows of a contract's table out of JSON: what is taken, and every way to break the contract."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from churnml.history.declarations import all_contracts
from churnml.history.memory import typed
from churnml.history.tables import READINGS, STANDARD
from churnml.serving.contract_rows import ContractRows

TERM = {"subscription_id": "s1", "account_id": "a", "started_at": "2024-01-01"}
TICKET = {"ticket_id": "t1", "account_id": "a", "opened_at": "2024-01-01T09:00:00Z"}
SURVEY = {"survey_id": "v1", "account_id": "a", "sent_at": "2024-01-01", "kind": "nps"}
EVENT = {"account_id": "a", "occurred_at": "2024-01-01", "event": "view"}


def faults(table: str, *rows: Any, **how: Any) -> dict[str, str]:
    found = ContractRows(STANDARD[table]).read(rows, **how).faults
    return {fault.at: fault.why for fault in found}


def test_sound_rows_come_in_the_types_of_the_contract() -> None:
    contract = STANDARD["subscriptions"]
    sent = {**TERM, "seats": 5, "billing_months": 12, "auto_renew": True, "plan": None}

    found = ContractRows(contract).read([sent])

    assert found.faults == ()
    assert found.rows.equals(typed(contract, found.rows))
    (row,) = found.rows.to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "subscription_id": "s1",
        "account_id": "a",
        "started_at": dt.datetime(2024, 1, 1),
        "seats": 5.0,
        "billing_months": 12,
        "auto_renew": True,
    }


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-03-01", dt.datetime(2024, 3, 1)),
        ("2024-03-01T10:30", dt.datetime(2024, 3, 1, 10, 30)),
        ("2024-03-01 10:30:15.25Z", dt.datetime(2024, 3, 1, 10, 30, 15, 250_000)),
        ("2024-03-01T01:00:00+02:00", dt.datetime(2024, 2, 29, 23)),
    ],
)
def test_times_are_utc_where_they_name_no_zone(text: str, time: dt.datetime) -> None:
    found = ContractRows(STANDARD["usage"]).read([{**EVENT, "occurred_at": text}])
    assert found.rows["occurred_at"].to_pylist() == [time]


@pytest.mark.parametrize(
    ("table", "row", "at", "why"),
    [
        (
            "usage",
            {**EVENT, "account_id": "a\0"},
            "account_id",
            "an id without the character NUL was expected.",
        ),
        ("usage", {**EVENT, "quantiy": 1}, "quantiy", "unknown. Did you mean 'quantity'?"),
        ("usage", {"account_id": "a", "occurred_at": "2024-01-01"}, "event", "missing: what was"),
        ("usage", {**EVENT, "event": None}, "event", "valid string"),
        ("usage", {**EVENT, "event": ""}, "event", "at least 1 character"),
        ("usage", {**EVENT, "quantity": "1"}, "quantity", "valid number"),
        ("usage", {**EVENT, "quantity": True}, "quantity", "valid number"),
        ("usage", {**EVENT, "quantity": float("nan")}, "quantity", "finite"),
        ("usage", {**EVENT, "quantity": -1}, "quantity", "greater than or equal to 0"),
        ("usage", {**EVENT, "account_id": 7}, "account_id", "valid string"),
        ("usage", {**EVENT, "account_id": "a" * 257}, "account_id", "at most 256"),
        ("usage", {**EVENT, "event": "\ud800"}, "event", "valid string"),
        ("usage", {**EVENT, "occurred_at": "yesterday"}, "occurred_at", "a time in ISO 8601"),
        ("usage", {**EVENT, "occurred_at": 1704067200}, "occurred_at", "valid string"),
        ("usage", {**EVENT, "occurred_at": "2024-02-30"}, "occurred_at", "day is out of range"),
        ("usage", {**EVENT, "occurred_at": "1899-12-31"}, "occurred_at", "from 1900 to 2199"),
        ("usage", {**EVENT, "occurred_at": "2200-01-01"}, "occurred_at", "from 1900 to 2199"),
        ("subscriptions", {**TERM, "billing_months": 1.5}, "billing_months", "valid integer"),
        ("subscriptions", {**TERM, "billing_months": 10**30}, "billing_months", "equal to 120"),
        ("subscriptions", {**TERM, "auto_renew": 1}, "auto_renew", "valid boolean"),
        ("subscriptions", {**TERM, "ends_at": "2023-12-31"}, "ends_at", "before started_at"),
        ("subscriptions", {**TERM, "cancel_kind": "voluntary"}, "cancel_kind", "cancelled_at"),
        ("tickets", {**TICKET, "priority": "urgent"}, "priority", "'low', 'medium', 'high' or"),
        ("tickets", {**TICKET, "csat": 4}, "csat", "csat_at beside it was expected"),
        ("tickets", {**TICKET, "ticket_id": None}, "ticket_id", "valid string"),
        ("surveys", {**SURVEY, "responded_at": "2024-01-02", "score": 11}, "score", "equal to 10"),
    ],
)
def test_what_breaks_the_contract_is_named(
    table: str, row: dict[str, Any], at: str, why: str
) -> None:
    found = faults(table, row)
    assert list(found) == [f"0.{at}"]
    assert why in found[f"0.{at}"]


def test_faults_say_where_and_sound_rows_stay() -> None:
    reader = ContractRows(STANDARD["usage"])
    sent = [EVENT, 7, {**EVENT, "account_id": "b"}, {"event": 1}]

    found = reader.read(sent, at="tables.usage")

    assert [fault.at for fault in found.faults] == [
        "tables.usage.1",
        "tables.usage.3.account_id",
        "tables.usage.3.occurred_at",
        "tables.usage.3.event",
    ]
    assert found.rows["account_id"].to_pylist() == ["a", "b"]
    assert found.places == (0, 2)
    assert reader.read([]).rows.num_rows == 0


def test_no_more_faults_are_told_than_are_asked_for() -> None:
    rows = [{**EVENT, "a": 1, "b": 2} for _ in range(50)]
    assert len(faults("usage", *rows)) == 20
    assert list(faults("usage", *rows, most=3)) == ["0.a", "0.b", "1.a"]


def test_an_account_that_is_given_elsewhere_may_be_left_out_and_not_be_another() -> None:
    reader = ContractRows(STANDARD["usage"], account_given=True)
    bare = {name: value for name, value in EVENT.items() if name != "account_id"}

    found = reader.read([bare, EVENT, {**EVENT, "account_id": "b"}], account_id="a")

    assert found.rows["account_id"].to_pylist() == ["a", "a"]
    ((at, why),) = [(fault.at, fault.why) for fault in found.faults]
    assert at == "2.account_id"
    assert "'a' was expected" in why


def test_the_event_time_stands_for_when_a_row_was_recorded_but_not_for_versions() -> None:
    created = {"account_id": "a", "created_at": "2024-01-01"}
    assert faults("accounts", created) == {}
    reading = {"text_id": "x", "account_id": "a", "said_at": "2024-01-01", "origin": "tickets"}
    found = ContractRows(READINGS).read([reading])
    assert [fault.at for fault in found.faults] == ["0.recorded_at"]


def test_rows_with_one_key_are_named() -> None:
    reader = ContractRows(STANDARD["tickets"])
    other = {**TICKET, "ticket_id": "t2"}
    read = reader.read([TICKET, other, {**TICKET, "ticket_id": ""}, TICKET, other])

    found = reader.repeats(read, at="tables.tickets")

    assert [fault.at for fault in found] == ["tables.tickets.3", "tables.tickets.4"]
    assert "row 1 has the same ticket_id" in found[1].why

    events = ContractRows(STANDARD["usage"])
    assert events.repeats(events.read([EVENT, EVENT])) == ()


def test_every_table_of_the_contract_can_be_read() -> None:
    for table in all_contracts({}).values():
        assert ContractRows(table).read([{}]).faults


def test_a_name_of_any_length_is_told_in_short() -> None:
    (at,) = found = faults("usage", {**EVENT, "q" * 1_000_000: 1})

    assert at == f"0.{'q' * 80}…"
    assert found[at].startswith("unknown. Expected one of: account_id, ")


def test_of_columns_without_number_the_first_unknown_ones_are_told() -> None:
    many = {**EVENT, **{f"k{number}": 1 for number in range(100_000)}}

    assert list(faults("usage", many, most=3)) == ["0.k0", "0.k1", "0.k2"]
