"""Segments as of a date, by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from churnml.actions.look import Look
from churnml.actions.segments import Tenure, UsageSegment, UsageSegments, tenures, usage_segments
from churnml.history.asof import History
from churnml.history.memory import ARROW_TYPES
from churnml.history.tables import STANDARD

NOW = dt.datetime(2026, 3, 17, 5, 42, 17)
BOUNDS = UsageSegments()


def ago(days: float) -> dt.datetime:
    return NOW - dt.timedelta(days=days)


def look(table: str, rows: list[dict[str, Any]]) -> Look:
    contract = STANDARD[table]
    columns = [name for name in contract.names if any(name in row for row in rows)]
    kinds = {name: ARROW_TYPES[contract.column(name).kind] for name in columns}
    held = pa.table(
        {name: pa.array([row.get(name) for row in rows], kinds[name]) for name in columns}
    )
    return Look(History.from_tables({table: held}, observed_until=NOW), NOW)


def used(account: str, *days: float, quantity: float | None = 1.0) -> list[dict[str, Any]]:
    return [
        {
            "account_id": account,
            "occurred_at": ago(day),
            "recorded_at": ago(day),
            "event": "run",
            "quantity": quantity,
        }
        for day in days
    ]


def test_segments_by_days_with_use() -> None:
    every_other = [2 * day + 0.5 for day in range(14)]
    found = usage_segments(
        look(
            "usage",
            [
                *used("heavy", *every_other, 1.5),
                *used("often", *every_other, every_other[0] + 0.1),
                *used("weekly", 1, 8, 15, 28),
                *used("rare", 1, 8, 15, 29, 30),
                *used("gone", 29, 300),
                *used("idle", 1, 2, quantity=0.0),
                *used("counted", 1, 2, 3, 4, quantity=None),
            ],
        ),
        BOUNDS,
    )
    assert found == {
        "heavy": UsageSegment.HEAVY,
        "often": UsageSegment.REGULAR,  # on 14 days, twice on one
        "weekly": UsageSegment.REGULAR,  # the 28th day ago is the last of the window
        "rare": UsageSegment.OCCASIONAL,
        "gone": UsageSegment.LAPSED,
        "counted": UsageSegment.REGULAR,
    }


def test_use_that_was_not_known_yet_makes_no_segment() -> None:
    late = [{**row, "recorded_at": NOW} for row in used("a", 1, 2, 3, 4)]
    assert usage_segments(look("usage", [*late, *used("a", 40)]), BOUNDS) == {
        "a": UsageSegment.LAPSED
    }


def test_tenure_since_the_first_term() -> None:
    starts = {"a": (89.9,), "b": (90, 10), "c": (365.2,), "d": (365.25,), "e": (1096,), "f": (-5,)}
    rows = [
        {
            "subscription_id": f"{account}{day}",
            "account_id": account,
            "started_at": ago(day),
            "recorded_at": ago(max(day, 1)),
        }
        for account, days in starts.items()
        for day in days
    ]
    assert tenures(look("subscriptions", rows)) == {
        "a": Tenure.NEW,
        "b": Tenure.FIRST_YEAR,
        "c": Tenure.FIRST_YEAR,
        "d": Tenure.UP_TO_THREE_YEARS,
        "e": Tenure.LONGER,
    }


def test_tenure_without_terms_is_the_age_of_the_account() -> None:
    rows = [{"account_id": "a", "created_at": ago(100), "recorded_at": ago(50)}]
    assert tenures(look("accounts", rows)) == {"a": Tenure.FIRST_YEAR}


def test_what_history_does_not_tell() -> None:
    assert tenures(look("usage", used("a", 1))) is None
    rows = [{"account_id": "a", "created_at": ago(100), "recorded_at": ago(50)}]
    assert usage_segments(look("accounts", rows), BOUNDS) is None


def test_bounds_must_ascend() -> None:
    with pytest.raises(ValidationError, match="regular below heavy"):
        UsageSegments(heavy=3)
