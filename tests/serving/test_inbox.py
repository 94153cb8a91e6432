"""What is posted to a small company: which rows are taken, and that history tells of them alike.

Whatever scores see at once must be what reading history anew gives, for every kind of table.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from churnml.errors import SourceError
from churnml.history.asof import History
from churnml.project import Project
from churnml.serving.inbox import Inbox
from churnml.serving.live import Live
from churnml.serving.posting import lay_out
from churnml.serving.problems import Problem
from churnml.serving.store.events import Events
from churnml.serving.store.store import Store
from churnml.training.tables import open_history

ROOT = Path(__file__).parents[2]
NOW = dt.datetime(2024, 4, 5)
ACCOUNTS = "account_id,created_at\nA,2024-01-01\nB,2024-01-01\n"
TERMS = "subscription_id,account_id,started_at,recorded_at,mrr\ns1,A,2024-01-02,2024-01-02,9\n"
TICKETS = "ticket_id,account_id,opened_at,resolved_at\nt1,A,2024-03-01,\n"
GIVEN = {"accounts": ACCOUNTS, "subscriptions": TERMS, "tickets": TICKETS}


@dataclass
class World:
    """A company, what was posted to it, and its history as it was read last."""

    project: Project
    store: Store
    clean: History

    def post(
        self, *rows: tuple[str, dict[str, Any]], at: dt.datetime = NOW, source: str = "app"
    ) -> dict[str, str]:
        """Post rows; give what was refused."""
        first = self.store.events.last()
        events = [
            {"id": str(number), "table": table, "row": row}
            for number, (table, row) in enumerate(rows, first)
        ]
        body = json.dumps({"source": source, "events": events}).encode()
        inbox = Inbox(self.project.sources, self.store.events)
        try:
            inbox.take(body, self.clean, at, key_id="k", request_id="r", most=1000)
        except Problem as problem:
            return {fault.at: fault.why for fault in problem.faults}
        return {}

    def live(self, *accounts: str) -> History:
        return Live(self.project, self.store.events).of(self.clean, accounts)

    def check(self) -> History:
        lay_out(self.store.events, self.project.sources.tables_declared(), self.project.posted)
        self.clean = open_history(self.project, quiet)
        return self.clean


def quiet(_step: str, _share: float) -> None:
    pass


def told(history: History, *accounts: str) -> dict[str, Any]:
    """Give all that history says of accounts."""
    return {
        name: (
            table.names,
            [r for r in history.hindsight(name).to_pylist() if r["account_id"] in accounts],
        )
        for name, table in history.contracts.items()
    }


@pytest.fixture
def world(tmp_path: Path, store_in: Any) -> Callable[..., World]:
    def made(declared: str = "", **tables: str) -> World:
        (tmp_path / "pyproject.toml").write_text('[tool.churnml]\nname = "small"\n')
        for folder in ("features", "training", "serving"):
            shutil.copytree(ROOT / folder, tmp_path / folder)
        data = tmp_path / "data"
        data.mkdir()
        shutil.copy(ROOT / "data" / "text.toml", data)
        for name, rows in tables.items():
            (data / f"{name}.csv").write_text(rows)
            declared += f'\n[tables.{name}]\nfiles = "{name}.csv"\n'
        (data / "sources.toml").write_text(declared)
        project = Project.load(tmp_path)
        return World(project, store_in(tmp_path), open_history(project, quiet))

    return made


def ticket(account: str, day: int, **row: Any) -> tuple[str, dict[str, Any]]:
    told = {"ticket_id": f"p{day}", "account_id": account, "opened_at": f"2024-04-0{day}", **row}
    return "tickets", told


def test_a_table_that_no_source_gives_keeps_all_its_columns(world: Callable[..., World]) -> None:
    here = world(accounts=ACCOUNTS, subscriptions=TERMS)
    assert here.post(ticket("A", 1)) == {}
    here.check()

    assert here.post(ticket("A", 1, resolved_at="2024-04-02", first_contact=True)) == {}
    (row,) = here.check().hindsight("tickets").to_pylist()
    assert (row["resolved_at"], row["first_contact"]) == (dt.datetime(2024, 4, 2), True)


def test_tables_do_not_depend_on_whose_history_is_asked_for(world: Callable[..., World]) -> None:
    here = world(accounts=ACCOUNTS, subscriptions=TERMS)
    said = {"message_id": "m", "account_id": "B", "sent_at": "2024-04-03", "direction": "inbound"}
    assert here.post(ticket("A", 1), ("messages", said)) == {}
    a, b = here.live("A"), here.live("B")

    anew = here.check()

    assert told(a, "A") == told(anew, "A")
    assert told(b, "B") == told(anew, "B")
    assert {"tickets", "messages", "readings"} <= set(a.contracts)


def test_derived_accounts_come_to_exist_with_what_was_posted(world: Callable[..., World]) -> None:
    here = world("[tables.accounts]\nderive = true\n", subscriptions=TERMS, tickets=TICKETS)
    booked = {
        "subscription_id": "s9", "account_id": "N", "started_at": "2024-06-01",
        "recorded_at": "2024-04-02", "mrr": 5,
    }  # fmt: skip
    note = {"note_id": "n1", "account_id": "M", "noted_at": "2024-04-03", "concern": True}
    late = {"ticket_id": "t0", "account_id": "A", "opened_at": "2023-12-01"}
    assert here.post(("subscriptions", booked), ("notes", note), ("tickets", late)) == {}
    now = here.live("A", "M", "N")

    found = [tuple(row.values()) for row in now.hindsight("accounts").to_pylist()]
    assert found == [
        ("A", dt.datetime(2023, 12, 1), dt.datetime(2023, 12, 1)),
        ("M", dt.datetime(2024, 4, 3), dt.datetime(2024, 4, 3)),
        ("N", dt.datetime(2024, 4, 2), dt.datetime(2024, 4, 2)),
    ]
    assert told(here.check(), "A", "M", "N") == told(now, "A", "M", "N")


def test_derived_accounts_cannot_be_posted(world: Callable[..., World]) -> None:
    """Reading history anew would lose them."""
    here = world("[tables.accounts]\nderive = true\n", subscriptions=TERMS)

    refused = here.post(("accounts", {"account_id": "N", "created_at": "2024-04-01"}))

    assert refused["events.0.table"].startswith("no table 'accounts' can be posted to.")


def test_what_is_only_planned_is_refused(world: Callable[..., World]) -> None:
    """The first row that tells of it counts, so that what came in truth would not be taken."""
    here = world(**GIVEN)
    booked = {"subscription_id": "s9", "account_id": "A", "started_at": "2024-06-01", "mrr": 5}
    term = {**booked, "recorded_at": "2024-04-02"}
    why = "lies ahead of the service's clock. Post what became known then when it has come."

    refused = here.post(
        ticket("A", 1, resolved_at="2024-04-06"),
        ticket("A", 2, resolved_at="2024-04-05T00:05:00Z"),
        ("subscriptions", booked),
        ("tickets", {"ticket_id": "x", "account_id": "A", "opened_at": "2024-04-05T00:05:01"}),
    )

    assert refused == {
        "events.0.row.resolved_at": why,
        "events.2.row.started_at": why,
        "events.3.row.opened_at": why,
    }
    assert here.post(("subscriptions", term)) == {}


def test_rows_that_are_gone_or_damaged_are_laid_out_anew(world: Callable[..., World]) -> None:
    here = world(**GIVEN)
    here.post(ticket("A", 1))
    here.check()
    file = here.project.posted / "tickets.parquet"

    file.write_bytes(b"PAR1")
    with pytest.raises(SourceError, match=r"posted: what was posted .* `churnml check` writes it"):
        open_history(here.project, quiet)
    assert here.check().hindsight("tickets").num_rows == 2
    file.unlink()
    with pytest.raises(SourceError, match=r"posted: what was posted .* `churnml check` writes it"):
        open_history(here.project, quiet)
    assert here.check().hindsight("tickets").num_rows == 2


def test_what_is_posted_while_rows_are_laid_out_waits_for_the_next_time(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = world(**GIVEN)
    here.post(ticket("A", 1))
    last = here.store.events.last()
    here.post(ticket("A", 2))
    here.post(("notes", {"note_id": "n", "account_id": "A", "noted_at": "2024-04-03"}))
    monkeypatch.setattr(Events, "last", lambda _: last)

    found = lay_out(here.store.events, here.project.sources.tables_declared(), here.project.posted)

    assert (found.mark.number, found.tables) == (1, ("tickets",))
    assert found.newest == dt.datetime(2024, 4, 1)


def test_names_that_postgresql_cannot_keep_are_refused(world: Callable[..., World]) -> None:
    here = world(**GIVEN)

    assert here.post(ticket("A", 1), source="a\0").keys() == {"source"}
    assert here.post(ticket("A\0", 1)).keys() == {"events.0.row.account_id"}
    assert here.post(ticket("A", 1, ticket_id="\0")).keys() == {"events.0.row.ticket_id"}
