from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from churnml.history.tables import STANDARD
from churnml.simulate.clock import DAY, NEVER
from churnml.simulate.rows import Coded, Rows, in_order, joined, numbered, observed


def tickets() -> Rows:
    return Rows(
        np.array([0, 0, 1, 2]),
        {
            "ticket_id": ["a1", "a2", "b1", "c1"],
            "opened_at": np.array([1, 8, 3, 3]) * DAY,
            "recorded_at": np.array([1, 11, 3, 3]) * DAY,
            "priority": Coded(np.array([0, 1, -1, 2]), ("low", "medium", "high", "critical")),
            "resolved_at": np.array([2 * DAY, NEVER, 10 * DAY, 4 * DAY]),
            "first_contact": np.array([True, False, True, False]),
            "csat_at": np.array([3 * DAY, NEVER, NEVER, 5 * DAY]),
            "csat": np.array([5.0, np.nan, 2.0, 1.0]),
        },
    )


def test_rows_are_numbered_in_the_order_of_accounts_and_time() -> None:
    rows = Rows(np.array([1, 0, 1]), {"opened_at": np.array([5, 9, 2])})
    found = in_order(rows, np.array([5, 9, 2]), "ticket_id", ["A", "B"], "T")
    assert list(found.columns) == ["ticket_id", "opened_at"]
    assert found.columns["ticket_id"] == ["A-T0001", "B-T0001", "B-T0002"]
    assert np.asarray(found.columns["opened_at"]).tolist() == [9, 2, 5]
    assert found.account.tolist() == [0, 1, 1]


def test_rows_come_out_as_known_at_the_end() -> None:
    table = observed(tickets(), STANDARD["tickets"], ["A", "B"], 2 * DAY, 10 * DAY)

    day = dt.datetime(1970, 1, 1)
    assert table.to_pylist() == [
        {
            "ticket_id": "a1",
            "account_id": "A",
            "opened_at": day + dt.timedelta(1),
            "recorded_at": day + dt.timedelta(2),  # entered when the system went live
            "priority": "low",
            "resolved_at": day + dt.timedelta(2),
            "first_contact": True,
            "csat_at": day + dt.timedelta(3),
            "csat": 5.0,
        },
        {
            "ticket_id": "b1",
            "account_id": "B",
            "opened_at": day + dt.timedelta(3),
            "recorded_at": day + dt.timedelta(3),
            "priority": None,
            "resolved_at": None,  # at the end itself, which is not before it
            "first_contact": None,
            "csat_at": None,
            "csat": None,
        },
    ]


def test_integers_are_missing_where_negative() -> None:
    rows = Rows(
        np.array([0, 0]),
        {"created_at": np.array([0, 0]), "employees": np.array([-1, 7])},
    )

    table = observed(rows, STANDARD["accounts"], ["A"], 0, DAY)

    assert table["employees"].to_pylist() == [None, 7]


def test_rows_are_numbered_within_their_account() -> None:
    assert numbered(np.array([0, 0, 2]), ["A", "B", "C"], "T") == ["A-T0001", "A-T0002", "C-T0001"]


def test_rows_are_taken_by_flag_and_by_position() -> None:
    by_flag = tickets().take(np.array([False, True, False, True]))
    by_position = tickets().take(np.array([3, 1]))

    assert by_flag.columns["ticket_id"] == ["a2", "c1"]
    assert by_position.columns["ticket_id"] == ["c1", "a2"]
    assert by_position.account.tolist() == [2, 0]


def test_columns_are_given_by_their_kind() -> None:
    assert tickets().array("opened_at").tolist() == [DAY, 8 * DAY, 3 * DAY, 3 * DAY]
    assert tickets().coded("priority").codes.tolist() == [0, 1, -1, 2]
    with pytest.raises(TypeError, match="priority holds Coded, not numbers"):
        tickets().array("priority")
    with pytest.raises(TypeError, match="opened_at holds ndarray, not codes"):
        tickets().coded("opened_at")


def test_values_are_joined_with_their_kind() -> None:
    codes = joined(Coded(np.array([-1]), ()), Coded(np.array([0]), ("x",)))

    assert isinstance(codes, Coded)
    assert (codes.codes.tolist(), codes.words) == ([-1, 0], ("x",))
    assert joined(["a"], ["b"]) == ["a", "b"]
    with pytest.raises(TypeError, match="cannot join list and ndarray"):
        joined(["a"], np.array([1.0]))
