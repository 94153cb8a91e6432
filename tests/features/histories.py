"""Small generated histories, full of what windows and lateness get wrong."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from churnml.history.asof import History
from churnml.history.memory import ARROW_TYPES

from .oracle import CONTRACTS, Row, Tables, days

START = dt.datetime(2024, 1, 1)
UNTIL = dt.datetime(2026, 1, 1)
ACCOUNTS = ("a", "b", "it's")
TICK = dt.timedelta(microseconds=1)

COLUMNS = {
    "usage": ("account_id", "occurred_at", "recorded_at", "event", "contact_id", "quantity"),
    "tickets": (
        "ticket_id",
        "account_id",
        "opened_at",
        "recorded_at",
        "priority",
        "category",
        "resolved_at",
        "csat_at",
        "csat",
    ),
    "subscriptions": (
        "subscription_id",
        "account_id",
        "started_at",
        "recorded_at",
        "ends_at",
        "mrr",
        "auto_renew",
        "cancelled_at",
    ),
    "order": CONTRACTS["order"].names,
}


def to_history(tables: Tables, *, late_usage: bool = True) -> History:
    """Hold rows as history; without `late_usage` no usage row says when it was recorded."""
    held = {}
    for name, rows in tables.items():
        columns = [c for c in COLUMNS[name] if late_usage or (name, c) != ("usage", "recorded_at")]
        kinds = {column: CONTRACTS[name].column(column).kind for column in columns}
        held[name] = pa.table(
            {c: pa.array([row.get(c) for row in rows], ARROW_TYPES[kinds[c]]) for c in columns}
        )
    return History.from_tables(held, observed_until=UNTIL, contracts=CONTRACTS)


def empty() -> Tables:
    return {name: [] for name in COLUMNS}


def one_row(table: str, **values: Any) -> Tables:
    return empty() | {table: [{"account_id": "a", **values}]}


# A handful of instants, so that rows and cutoffs meet, on and next to the borders of days; and any.
instants = st.one_of(
    st.sampled_from([0, 1, 7, 8, 30, 31, 60, 90, 91, 200]).map(lambda n: START + days(100 + n)),
    st.tuples(st.integers(0, 500), st.sampled_from([-1, 0, 1])).map(
        lambda x: START + days(x[0]) + x[1] * TICK
    ),
    st.datetimes(START, START + days(500)),
)
amounts = st.one_of(
    st.none(), st.integers(0, 9).map(float), st.floats(0, 1e4).map(lambda x: round(x, 7))
)


@st.composite
def beside(draw: st.DrawFn, time: dt.datetime) -> dt.datetime | None:
    """Draw a time that belongs to another: mostly after it, at times not after it, or never."""
    gap = draw(st.sampled_from([None, 0, 0, 1, 3, 40, 100, -2]))
    if gap is None:
        return None
    return time + days(gap) + draw(st.sampled_from([0, 1, 77])) * TICK


@st.composite
def usage_rows(draw: st.DrawFn, late: bool) -> Row:
    time = draw(instants)
    return {
        "account_id": draw(st.sampled_from(ACCOUNTS)),
        "occurred_at": time,
        "recorded_at": draw(beside(time)) if late else None,
        "event": draw(st.sampled_from(["view", "export", "invite", None])),
        "contact_id": draw(st.sampled_from([None, "p", "q", "r"])),
        "quantity": draw(amounts),
    }


@st.composite
def ticket_rows(draw: st.DrawFn) -> Row:
    time = draw(instants)
    csat_at = draw(beside(time))
    scores = st.one_of(st.none(), st.integers(1, 5).map(float))
    return {
        "account_id": draw(st.sampled_from(ACCOUNTS)),
        "opened_at": time,
        "recorded_at": draw(beside(time)),
        "priority": draw(st.sampled_from([None, "low", "high", "critical"])),
        "category": draw(st.sampled_from([None, "high", "low", "other"])),
        "resolved_at": draw(beside(time)),
        "csat_at": csat_at,
        "csat": None if csat_at is None else draw(scores),
    }


@st.composite
def subscription_rows(draw: st.DrawFn) -> Row:
    time = draw(instants)
    return {
        "account_id": draw(st.sampled_from(ACCOUNTS)),
        "started_at": time,
        "recorded_at": draw(st.sampled_from([None, time - days(20), time, time + days(5)])),
        "ends_at": draw(beside(time)),
        "mrr": draw(st.floats(0, 1e6).map(lambda x: round(x, 2))),
        "auto_renew": draw(st.sampled_from([None, True, False])),
        "cancelled_at": draw(beside(time)),
    }


@st.composite
def order_rows(draw: st.DrawFn) -> Row:
    time = draw(instants)
    return {
        "account_id": draw(st.sampled_from(ACCOUNTS)),
        "when": time,
        "sorted_at": draw(beside(time)),
        "kind": draw(st.sampled_from([None, "gift", "spare"])),
        "announced_at": draw(beside(time)),
        "effective_at": draw(beside(time)),
        "segment": draw(st.sampled_from([None, "a", "b"])),
        "day": draw(st.integers(0, 9)),
        "level": draw(st.sampled_from([None, "x", "y"])),
    }


@st.composite
def histories(draw: st.DrawFn, size: int = 20) -> tuple[Tables, bool]:
    """Draw rows, and whether usage rows say when they were recorded."""
    late = draw(st.booleans())
    tables: Tables = {
        "usage": draw(st.lists(usage_rows(late), max_size=size)),
        "tickets": draw(st.lists(ticket_rows(), max_size=size)),
        "subscriptions": draw(st.lists(subscription_rows(), max_size=6)),
        "order": draw(st.lists(order_rows(), max_size=6)),
    }
    for name, key in (
        ("tickets", "ticket_id"),
        ("subscriptions", "subscription_id"),
        ("order", "order_id"),
    ):
        for number, row in enumerate(tables[name]):
            row[key] = f"{name[0]}{99 - number}"
    return tables, late


cutoff_lists = st.lists(instants, min_size=1, max_size=4, unique=True)
