"""History up to now is what reading history anew gives, and tells of every posted event."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from churnml.errors import DataError
from churnml.features.engine import compute_live
from churnml.features.facts import compile_catalogue
from churnml.history.asof import History
from churnml.project import Project
from churnml.serving.live import Live
from churnml.serving.posting import lay_out
from churnml.serving.store.events import EventRecord
from churnml.serving.store.store import Store
from churnml.training.tables import open_history

if TYPE_CHECKING:
    import pyarrow as pa

SECOND = dt.timedelta(seconds=1)


def quiet(_step: str, _share: float) -> None:
    pass


@pytest.fixture
def store(store_in: Any, tmp_path: Any) -> Store:
    made: Store = store_in(tmp_path)
    return made


class Poster:
    """Posts rows a second apart, from the end of observation on."""

    def __init__(self, store: Store, history: History) -> None:
        self.store, self.at, self.count = store, history.observed_until, 0

    def __call__(self, table: str, account: str, **row: Any) -> dt.datetime:
        self.count += 1
        self.at += SECOND
        told = {"account_id": account, **{k: self._plain(v) for k, v in row.items()}}
        record = EventRecord("t", str(self.count), table, account, told, self.at, self.at)
        self.store.events.add([record])
        return self.at

    def now(self) -> str:
        return (self.at + SECOND).isoformat()

    def _plain(self, value: Any) -> Any:
        return value.isoformat() if isinstance(value, dt.datetime) else value


def features(project: Project, history: History, accounts: list[str]) -> pa.Table:
    catalogue, _ = project.catalogue.available(history.contracts)
    program = compile_catalogue(catalogue, history.contracts)
    return compute_live(history, program, accounts, history.observed_until)


def test_what_was_posted_counts_at_once_as_it_does_when_history_is_read_anew(
    elsewhere: Project, store: Store
) -> None:
    clean = open_history(elsewhere, quiet)
    tickets = clean.hindsight("tickets").to_pylist()
    opened = next(row for row in tickets if row["resolved_at"] is None)
    first, second = opened["account_id"], clean.hindsight("accounts")["account_id"][-1].as_py()
    post = Poster(store, clean)
    live = Live(elsewhere, store.events)
    before = features(elsewhere, live.of(clean, [first, second]), [first, second])

    for number in range(3):
        post("usage", first, occurred_at=post.now(), event="login", quantity=2.0 + number)
    kept = {k: v for k, v in opened.items() if v is not None and k != "account_id"}
    post("tickets", first, **kept, resolved_at=post.now())
    said = "This is a disgrace. Cancel our subscription at once."
    post("messages", second, message_id="m-new", sent_at=post.now(), direction="inbound", text=said)
    now = live.of(clean, [first, second])
    posted = features(elsewhere, now, [first, second])

    assert posted != before
    readings = now.hindsight("readings").to_pylist()
    (read,) = (row for row in readings if row["text_id"] == "messages/m-new")
    assert (read["cancel_request"], read["sentiment"]) == (True, "hostile")
    lay_out(store.events, elsewhere.sources.tables_declared(), elsewhere.posted)
    anew = open_history(elsewhere, quiet)
    assert anew.observed_until == now.observed_until
    assert anew.posted.number == post.count
    assert features(elsewhere, anew, [first, second]).equals(posted)
    # What clean history holds by now is not laid over it again.
    again = live.of(anew, [first, second])
    assert features(elsewhere, again, [first, second]).equals(posted)


def test_an_account_may_come_to_exist(elsewhere: Project, store: Store) -> None:
    clean = open_history(elsewhere, quiet)
    post = Poster(store, clean)
    post("accounts", "brand-new", created_at=post.now())

    now = Live(elsewhere, store.events).of(clean, ["brand-new"])

    assert now.hindsight("accounts")["account_id"].to_pylist() == ["brand-new"]
    assert now.hindsight("usage").num_rows == 0


def test_a_store_that_went_back_is_told(elsewhere: Project, store: Store, store_in: Any) -> None:
    clean = open_history(elsewhere, quiet)
    Poster(store, clean)("accounts", "brand-new", created_at=clean.observed_until)
    lay_out(store.events, elsewhere.sources.tables_declared(), elsewhere.posted)
    anew = open_history(elsewhere, quiet)
    other = store_in(elsewhere.var / "other")
    Poster(other, clean)("accounts", "another", created_at=clean.observed_until)

    with pytest.raises(DataError, match=r"events that the store has no longer.*`churnml check`"):
        Live(elsewhere, other.events).of(anew, ["brand-new"])


def test_tables_that_are_posted_to_are_not_stale(elsewhere: Project, store: Store) -> None:
    clean = open_history(elsewhere, quiet)
    live = Live(elsewhere, store.events)
    catalogue, _ = elsewhere.catalogue.available(clean.contracts)
    later = clean.observed_until + dt.timedelta(days=60)
    record = EventRecord(
        "t", "1", "usage", "a", {"account_id": "a"}, later - SECOND, later - SECOND
    )

    assert {"usage", "messages"} <= set(live.stale(clean, catalogue, later))
    store.events.add([record])
    found = live.stale(clean, catalogue, later)
    assert "usage" not in found
    assert "messages" in found
