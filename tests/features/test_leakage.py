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

from .histories import ACCOUNTS, START, TICK, histories, instants, one_row, to_history
from .oracle import CONTRACTS, Row, Tables, all_features, days, row_known

CATALOGUE = all_features()
C = START + days(100)
WRONG = {
    "quantity": 9e8,
    "mrr": 9e8,
    "event": "export",
    "priority": "critical",
    "segment": "a",
    "level": "z",
    "day": 3,
}
WRONG_LATE: dict[str, list[Any]] = {"csat": [None, 1.0, 5.0], "kind": [None, "gift", "other"]}


def features(tables: Tables, cutoff: dt.datetime, *, late: bool = True) -> list[Row]:
    history = to_history(tables, late_usage=late)
    program = compile_catalogue(CATALOGUE, history.contracts)
    found: list[Row] = compute_live(history, program, ACCOUNTS, cutoff).to_pylist()
    return found


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


def _corrupt_row(table: str, row: Row, cutoff: dt.datetime, rng: random.Random) -> None:
    later = cutoff + days(rng.choice([0, 1, 50]))
    if CONTRACTS[table].scheduled or row.get("recorded_at") is not None:
        row["recorded_at"] = later
    else:
        row[CONTRACTS[table].time] = later
    row["account_id"] = rng.choice(ACCOUNTS)
    row.update({name: wrong for name, wrong in WRONG.items() if name in row})


def _corrupt_values(table: str, row: Row, cutoff: dt.datetime, rng: random.Random) -> None:
    columns = [c for c in CONTRACTS[table].columns if c.known in row and c.name in row]
    unknown = {
        c.known for c in columns if row[c.known or ""] is None or row[c.known or ""] >= cutoff
    }
    for column in columns:
        if column.known not in unknown:
            continue
        if column.name == column.known:
            row[column.name] = rng.choice([None, cutoff, cutoff + days(3)])
        elif column.name in WRONG_LATE:
            row[column.name] = rng.choice(WRONG_LATE[column.name])
        else:
            row[column.name] = rng.choice([None, cutoff - days(3), cutoff + days(3)])


@given(histories(), instants, st.integers(0, 10**6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_unknown_changes_nothing(
    generated: tuple[Tables, bool], cutoff: dt.datetime, seed: int, delete: bool
) -> None:
    tables, late = generated
    before = features(tables, cutoff, late=late)
    assert features(spoiled(tables, cutoff, seed, delete=delete), cutoff, late=late) == before


@pytest.mark.parametrize(
    ("table", "row", "feature"),
    [
        ("usage", {"occurred_at": C, "event": "view"}, "use_ever"),
        ("usage", {"occurred_at": C - days(5), "recorded_at": C, "event": "view"}, "use_ever"),
        ("tickets", {"ticket_id": "t", "opened_at": C - days(9), "resolved_at": C}, "resolved_30d"),
    ],
)
def test_known_exactly_at_the_cutoff_is_not_seen(table: str, row: Row, feature: str) -> None:
    tables = one_row(table, **row)
    assert features(tables, C)[0][feature] == 0
    assert features(tables, C + TICK)[0][feature] == 1


def test_a_value_known_later_than_its_row_waits_for_its_own_time() -> None:
    tables = one_row(
        "tickets", ticket_id="t", opened_at=C - days(9), priority="high", csat_at=C, csat=2.0
    )
    assert features(tables, C)[0]["csat_mean_30d"] is None
    assert features(tables, C)[0]["answered_share_30d"] == 0
    assert features(tables, C + TICK)[0]["csat_mean_30d"] == 2.0
    assert features(tables, C + TICK)[0]["answered_share_30d"] == 1


def test_a_booked_term_is_known_before_it_begins() -> None:
    tables = one_row(
        "subscriptions",
        subscription_id="s",
        started_at=C + days(20),
        recorded_at=C - TICK,
        ends_at=C + days(50),
        mrr=10.0,
    )
    seen = features(tables, C)[0]
    assert (seen["paid_through"], seen["mrr_begun"]) == (50.0, 0.0)
    assert features(tables, C - TICK)[0]["paid_through"] is None


def test_a_dimension_known_late_is_not_told_apart_before() -> None:
    tables = one_row("order", order_id="o", when=C - days(9), kind="gift", sorted_at=C, day=1)
    assert features(tables, C)[0]["order_kinds_200d"] == 0
    assert features(tables, C)[0]["gifts_30d"] == 0
    assert features(tables, C + TICK)[0]["order_kinds_200d"] == 1
    assert features(tables, C + TICK)[0]["gifts_30d"] == 1


def test_a_time_told_after_it_came_dates_nothing_before_it_is_told() -> None:
    tables = one_row(
        "order", order_id="o", when=C - days(9), effective_at=C - days(5), announced_at=C, day=1
    )
    assert features(tables, C)[0]["delivered_30d"] == 0
    assert features(tables, C + TICK)[0]["delivered_30d"] == 1
