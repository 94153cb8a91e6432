"""Posted events: kept once, in order, all or none."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from churnml.serving.store.events import Added, EventConflictError, EventRecord
from churnml.serving.store.store import Store

AT = dt.datetime(2026, 3, 1, 12)


def event(event_id: str, account: str = "a", table: str = "usage", **row: object) -> EventRecord:
    return EventRecord("crm", event_id, table, account, {"event": "login", **row}, AT, AT, "k", "r")


def test_events_are_kept_once_and_in_their_order(store: Store) -> None:
    assert store.events.add([event("1"), event("2", "b"), event("1")]) == Added(2, 1)
    assert store.events.add([event("2", "b"), event("3")]) == Added(1, 1)

    found = store.events.of_accounts(["a"], 0)
    assert found == [event("1"), event("3")]
    assert [item.number for item in found] == [1, 3]
    assert store.events.of_accounts(["a", "b"], 1) == [event("2", "b"), event("3")]
    assert store.events.last() == 3
    assert store.events.newest(["usage", "notes"]) == {"usage": AT}
    assert store.events.newest(["usage"], before=AT) == {}


def test_the_same_id_of_another_source_is_another_event(store: Store) -> None:
    other = replace(event("1"), source="app")

    assert store.events.add([event("1"), other]) == Added(2, 0)


@pytest.mark.parametrize("second", [event("1", n=1), event("1", table="notes")])
def test_another_event_of_an_id_is_refused_with_all_beside_it(
    store: Store, second: EventRecord
) -> None:
    store.events.add([event("1")])

    for batch in ([event("9"), second], [event("8"), replace(event("8"), row={})]):
        with pytest.raises(EventConflictError, match=r"1 events have ids .* Nothing was kept\."):
            store.events.add(batch)
    assert store.events.last() == 1


def test_events_are_read_by_table(store: Store) -> None:
    store.events.add([event("1"), event("2", table="notes"), event("3", "b")])

    assert store.events.tables() == ("notes", "usage")
    assert [list(part) for part in store.events.all("usage")] == [[event("1"), event("3", "b")]]
    assert list(store.events.all("surveys")) == []
    assert store.events.digest(2) == event("2", table="notes").digest.hex()
    assert store.events.digest(4) is None


def test_an_empty_store_reaches_nowhere(store: Store) -> None:
    assert store.events.last() == 0
    assert store.events.newest([]) == {}
    assert store.events.add([]) == Added(0, 0)
