"""Peers by hand: who is like an account, and what is typical of them."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

from churnml.actions.look import Look
from churnml.history.asof import History
from churnml.serving.peers import find_peers, typical

NOW = dt.datetime(2026, 1, 1)
START = dt.datetime(2025, 1, 1)


def look(used: list[str], begun: dict[str, dt.datetime]) -> Look:
    then = dt.datetime(2025, 12, 31)
    usage = pa.table(
        {
            "account_id": used,
            "occurred_at": pa.array([then] * len(used), pa.timestamp("us")),
            "recorded_at": pa.array([then] * len(used), pa.timestamp("us")),
            "event": ["run"] * len(used),
        }
    )
    terms = pa.table(
        {
            "subscription_id": list(begun),
            "account_id": list(begun),
            "started_at": pa.array(list(begun.values()), pa.timestamp("us")),
            "recorded_at": pa.array(list(begun.values()), pa.timestamp("us")),
        }
    )
    tables = {"usage": usage, "subscriptions": terms}
    return Look(History.from_tables(tables, observed_until=NOW), NOW)


def test_peers_share_tier_use_and_tenure() -> None:
    names = [f"a{place:02d}" for place in range(42)]
    arr = [20_000.0] * 21 + [500_000.0] * 20 + [None]
    found = find_peers(look(names, dict.fromkeys(names, START)), names, arr, 0)
    assert found.shared == {"tier": "business", "usage": "occasional", "tenure": "first_year"}
    assert found.places == tuple(range(1, 21))


def test_with_too_few_peers_less_is_asked_of_them() -> None:
    names = [f"a{place:02d}" for place in range(30)]
    long_ago = dt.datetime(2010, 1, 1)
    begun = {name: START if place < 20 else long_ago for place, name in enumerate(names)}
    found = find_peers(look(names, begun), names, [20_000.0] * 30, 0)
    # 19 others share all three, 29 all but tenure.
    assert found.shared == {"tier": "business", "usage": "occasional"}
    assert found.places == tuple(range(1, 30))
    found = find_peers(look(names[:5], begun), names, [20_000.0] * 30, 0)
    assert found.shared == {"tier": "business"}
    found = find_peers(look(names[:5], begun), names, [20_000.0] * 3 + [1.0] * 27, 0)
    assert (found.shared, len(found.places)) == ({}, 29)


def test_who_stands_alone_has_none() -> None:
    assert find_peers(look(["a"], {"a": START}), ["a"], [None], 0).places == ()


def test_what_is_typical() -> None:
    rows = pa.table(
        {
            "days": [1.0, 4.0, None, 30.0],
            "plan": ["b", "a", "b", "a"],
            "silent": pa.array([None, None, None, 1.0], pa.float64()),
            "auto": [True, True, False, None],
        }
    )
    assert typical(rows) == {"days": 4.0, "plan": "a", "silent": None, "auto": True}
