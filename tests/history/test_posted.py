"""Rows that were posted: what they add, what they complete, and what they may not change."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.errors import SourceError
from churnml.history.asof import History
from churnml.history.ingestion import ingest, is_current
from churnml.history.manifest import Mark
from churnml.history.memory import ARROW_TYPES
from churnml.history.posted import NUMBER, Posted, live
from churnml.history.sources import read_sources
from churnml.history.tables import STANDARD

NOW = dt.datetime(2030, 1, 1)
SOURCES = """
[tables.accounts]
files = "accounts.csv"
[tables.tickets]
files = "tickets.csv"
[tables.usage]
files = "usage.csv"
"""


def day(number: int, hour: int = 0) -> dt.datetime:
    return dt.datetime(2024, 1, number, hour)


def rows(table: str, *given: dict[str, Any]) -> pa.Table:
    """Lay posted rows out, numbered from 1 on unless they are numbered."""
    contract = STANDARD[table]
    names = [name for name in contract.names if any(name in row for row in given)]
    columns = {
        name: pa.array([row.get(name) for row in given], ARROW_TYPES[contract.column(name).kind])
        for name in names
    }
    numbers = [row.get(NUMBER, place) for place, row in enumerate(given, 1)]
    return pa.table({**columns, NUMBER: pa.array(numbers, pa.int64())})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "accounts.csv").write_text("account_id,created_at\nA,2024-01-01\nB,2024-01-01\n")
    (tmp_path / "tickets.csv").write_text(
        "ticket_id,account_id,opened_at,priority,csat_at,csat\n"
        "t1,A,2024-01-02,low,,\nt2,B,2024-01-03,high,2024-01-04,5\n"
    )
    (tmp_path / "usage.csv").write_text(
        "account_id,occurred_at,event,quantity\nA,2024-01-05,login,1\n"
    )
    return tmp_path


def post(folder: Path, newest: dt.datetime, **tables: pa.Table) -> Path:
    place = folder / "posted"
    place.mkdir(exist_ok=True)
    for name, content in tables.items():
        pq.write_table(content, place / f"{name}.parquet")
    number = max(max(content[NUMBER].to_pylist()) for content in tables.values())
    Posted(place, Mark(number, "d"), newest, tuple(tables)).write_manifest()
    return place


def check(folder: Path, posted: Path | None) -> History:
    (folder / "sources.toml").write_text(SOURCES)
    report = ingest(
        read_sources(folder / "sources.toml"),
        base=folder,
        into=folder / "history",
        quarantine=folder / "aside",
        clock=NOW,
        posted=posted,
    )
    assert report.written
    return History.open(folder / "history")


def test_rows_of_a_table_without_a_key_are_added(folder: Path) -> None:
    more = {"account_id": "B", "occurred_at": day(6), "event": "login", "quantity": 2.0}
    found = check(folder, post(folder, day(6), usage=rows("usage", more, more)))

    told = [(r["account_id"], r["quantity"]) for r in found.hindsight("usage").to_pylist()]
    assert told == [("A", 1.0), ("B", 2.0), ("B", 2.0)]
    assert found.observed_until == dt.datetime(2024, 1, 6, 0, 0, 0, 1)
    assert found.posted == Mark(2, "d")


def test_a_posted_row_completes_what_was_not_known_and_changes_nothing_else(folder: Path) -> None:
    rated = {
        "ticket_id": "t1", "account_id": "A", "opened_at": day(2), "priority": "critical",
        "csat_at": day(7), "csat": 2.0,
    }  # fmt: skip
    again = {**rated, "csat_at": day(8), "csat": 4.0}
    found = check(folder, post(folder, day(8), tickets=rows("tickets", rated, again)))

    first, second = found.hindsight("tickets").to_pylist()
    assert (first["priority"], first["csat"], first["csat_at"]) == ("low", 2.0, day(7))
    assert (second["ticket_id"], second["csat"]) == ("t2", 5.0)
    assert found.as_of(day(7)).table("tickets")["csat"].to_pylist() == [None, 5.0]


def test_what_contradicts_is_told(folder: Path) -> None:
    rated = {
        "ticket_id": "t1", "account_id": "A", "opened_at": day(2), "priority": "critical",
    }  # fmt: skip
    partial = {"ticket_id": "t2", "account_id": "B", "opened_at": day(3)}
    posted = post(folder, day(6), tickets=rows("tickets", rated, partial))
    (folder / "sources.toml").write_text(SOURCES)
    report = ingest(
        read_sources(folder / "sources.toml"),
        base=folder, into=folder / "history", quarantine=folder / "aside", clock=NOW, posted=posted,
    )  # fmt: skip

    (tickets,) = (item for item in report.tables if item.name == "tickets")
    assert (tickets.read, tickets.clean, tickets.posted) == (2, 2, 2)
    (finding,) = (item for item in tickets.findings if item.fault == "conflict")
    assert (finding.rows, finding.severity) == (1, "warning")


def test_that_a_row_is_completed_later_is_no_contradiction(folder: Path) -> None:
    opened = {"note_id": "n", "account_id": "A", "noted_at": day(2), "concern": True}
    again = {**opened, "recorded_at": day(5)}
    posted = post(folder, day(6), notes=rows("notes", {**opened, "recorded_at": day(3)}, again))
    (folder / "sources.toml").write_text(SOURCES)
    report = ingest(
        read_sources(folder / "sources.toml"),
        base=folder, into=folder / "history", quarantine=folder / "aside", clock=NOW, posted=posted,
    )  # fmt: skip

    (notes,) = (item for item in report.tables if item.name == "notes")
    assert (notes.clean, notes.posted, notes.findings) == (1, 2, ())


def test_a_table_may_be_posted_alone(folder: Path) -> None:
    said = {
        "message_id": "m1", "account_id": "A", "sent_at": day(6), "direction": "inbound",
        "text": "Hello.",
    }  # fmt: skip
    found = check(folder, post(folder, day(6), messages=rows("messages", said)))

    assert found.hindsight("messages")["text"].to_pylist() == ["Hello."]
    assert "messages" not in found.stale_days


def test_rows_beyond_the_manifest_do_not_count(folder: Path) -> None:
    one = {"account_id": "B", "occurred_at": day(6), "event": "login"}
    place = post(folder, day(6), usage=rows("usage", one, {**one, NUMBER: 9}))
    Posted(place, Mark(1, "d"), day(6), ("usage",)).write_manifest()

    assert check(folder, place).hindsight("usage").num_rows == 2


def test_history_is_read_again_when_something_was_posted(folder: Path) -> None:
    check(folder, folder / "posted")
    sources = read_sources(folder / "sources.toml")
    where: dict[str, Path] = {"base": folder, "into": folder / "history"}
    assert is_current(sources, **where, posted=folder / "posted")

    post(
        folder,
        day(6),
        usage=rows("usage", {"account_id": "B", "occurred_at": day(6), "event": "x"}),
    )
    assert not is_current(sources, **where, posted=folder / "posted")


def test_a_damaged_manifest_is_told(folder: Path) -> None:
    (folder / "posted").mkdir()
    (folder / "posted" / "posted.json").write_text("{")

    with pytest.raises(SourceError, match=r"posted\.json: cannot be read"):
        check(folder, folder / "posted")


TICKETS = st.fixed_dictionaries(
    {
        "ticket_id": st.sampled_from(["t1", "t2", "t3", "t4"]),
        "account_id": st.sampled_from(["A", "B"]),
        "opened_at": st.integers(1, 9).map(day),
        "priority": st.sampled_from([None, "low", "high"]),
        "resolved_at": st.none() | st.integers(10, 20).map(day),
        "first_contact": st.none() | st.booleans(),
        "csat_at": st.none() | st.integers(10, 20).map(day),
        "csat": st.none() | st.sampled_from([1.0, 5.0]),
    }
)


def taken(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge rows by the rule, written without SQL."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in given:
        kept = found.setdefault((row["account_id"], row["ticket_id"]), {**row})
        for time, value in (("resolved_at", "first_contact"), ("csat_at", "csat")):
            if kept[time] is None:
                kept[time], kept[value] = row[time], row[value] if row[time] else None
    return sorted(
        found.values(), key=lambda row: (row["account_id"], row["opened_at"], row["ticket_id"])
    )


@given(st.lists(TICKETS, min_size=1, max_size=6), st.lists(TICKETS, min_size=1, max_size=6))
def test_live_history_is_what_the_rule_says(
    base: list[dict[str, Any]], later: list[dict[str, Any]]
) -> None:
    first = {(row["account_id"], row["ticket_id"]): row for row in reversed(base)}
    clean = History.from_tables(
        {"tickets": rows("tickets", *first.values()).drop_columns([NUMBER])}, observed_until=day(25)
    )

    found = live(clean, STANDARD, ["A", "B"], {"tickets": rows("tickets", *later)}, day(26))

    wanted = taken([*first.values(), *later])
    got = found.hindsight("tickets").select(list(wanted[0])).to_pylist()
    # A value without its time counts for nothing; of a row that nobody completed it stays there.
    for row in [*got, *wanted]:
        row["csat"] = row["csat"] if row["csat_at"] else None
        row["first_contact"] = row["first_contact"] if row["resolved_at"] else None
    assert got == wanted
    assert found.observed_until == day(26)
