"""Nothing that was not yet known at a cutoff changes a feature there, whatever is done to it."""

from __future__ import annotations

import copy
import datetime as dt
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.features.engine import compute_live
from churnml.features.facts import compile_catalogue
from churnml.history.tables import STANDARD

from .histories import ACCOUNTS, START, all_features, days, histories, instants, to_history

CATALOGUE = all_features()
Tables = dict[str, list[dict[str, Any]]]


def features(tables: Tables, cutoff: dt.datetime, *, late: bool) -> list[dict[str, Any]]:
    history = to_history(tables, late_usage=late)
    program = compile_catalogue(CATALOGUE, history.contracts)
    found: list[dict[str, Any]] = compute_live(history, program, ACCOUNTS, cutoff).to_pylist()
    return found


def row_known(table: str, row: dict[str, Any]) -> dt.datetime:
    contract = STANDARD[table]
    time: dt.datetime = row[contract.time]
    recorded: dt.datetime = row.get("recorded_at") or time
    return recorded if contract.scheduled else max(recorded, time)


def spoiled(tables: Tables, cutoff: dt.datetime, seed: int, *, delete: bool) -> Tables:
    """Delete or corrupt every row and value that was not known before the cutoff."""
    rng = random.Random(seed)
    result: Tables = {}
    for table, rows in copy.deepcopy(tables).items():
        kept = []
        for row in rows:
            if row_known(table, row) >= cutoff:
                if delete:
                    continue
                _corrupt_row(table, row, cutoff, rng)
            _corrupt_values(table, row, cutoff, rng)
            kept.append(row)
        result[table] = kept
    return result


def _corrupt_row(table: str, row: dict[str, Any], cutoff: dt.datetime, rng: random.Random) -> None:
    later = cutoff + days(rng.choice([0, 1, 50]))
    if STANDARD[table].scheduled or row.get("recorded_at") is not None:
        row["recorded_at"] = later
    else:
        row[STANDARD[table].time] = later
    row["account_id"] = rng.choice(ACCOUNTS)
    for name, wrong in (
        ("quantity", 9e8),
        ("mrr", 9e8),
        ("event", "export"),
        ("priority", "critical"),
    ):
        if name in row:
            row[name] = wrong


def _corrupt_values(
    table: str, row: dict[str, Any], cutoff: dt.datetime, rng: random.Random
) -> None:
    for column in STANDARD[table].columns:
        if column.known is None or column.known not in row:
            continue
        came = row[column.known]
        if came is None or came >= cutoff:
            row[column.known] = rng.choice([None, cutoff, cutoff + days(3)])
            if column.name == "csat":
                row["csat"] = rng.choice([None, 1.0, 5.0])


@given(histories(), instants, st.integers(0, 10**6), st.booleans())
@settings(max_examples=120, deadline=None)
def test_the_unknown_changes_nothing(
    generated: tuple[Tables, bool], cutoff: dt.datetime, seed: int, delete: bool
) -> None:
    tables, late = generated
    before = features(tables, cutoff, late=late)
    assert features(spoiled(tables, cutoff, seed, delete=delete), cutoff, late=late) == before


def one_row(table: str, **values: Any) -> Tables:
    tables: Tables = {"usage": [], "tickets": [], "subscriptions": []}
    tables[table] = [{"account_id": "a", **values}]
    return tables


C = START + days(100)
TICK = dt.timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("table", "row", "feature"),
    [
        ("usage", {"occurred_at": C, "event": "view"}, "use_ever"),
        ("usage", {"occurred_at": C - days(5), "recorded_at": C, "event": "view"}, "use_ever"),
        ("tickets", {"ticket_id": "t", "opened_at": C - days(9), "resolved_at": C}, "resolved_30d"),
    ],
)
def test_known_exactly_at_the_cutoff_is_not_seen(
    table: str, row: dict[str, Any], feature: str
) -> None:
    tables = one_row(table, **row)
    assert features(tables, C, late=True)[0][feature] == 0
    assert features(tables, C + TICK, late=True)[0][feature] == 1


def test_a_value_known_later_than_its_row_waits_for_its_own_time() -> None:
    tables = one_row(
        "tickets", ticket_id="t", opened_at=C - days(9), priority="high", csat_at=C, csat=2.0
    )
    assert features(tables, C, late=True)[0]["csat_mean_30d"] is None
    assert features(tables, C, late=True)[0]["answered_share_30d"] == 0
    assert features(tables, C + TICK, late=True)[0]["csat_mean_30d"] == 2.0
    assert features(tables, C + TICK, late=True)[0]["answered_share_30d"] == 1


def test_a_booked_term_is_known_before_it_begins() -> None:
    tables = one_row(
        "subscriptions",
        subscription_id="s",
        started_at=C + days(20),
        recorded_at=C - TICK,
        ends_at=C + days(50),
        mrr=10.0,
    )
    seen = features(tables, C, late=True)[0]
    assert (seen["paid_through"], seen["mrr_begun"]) == (50.0, 0.0)
    assert features(tables, C - TICK, late=True)[0]["paid_through"] is None

