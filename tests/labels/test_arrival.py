"""How late facts are recorded, and what is not known for as long."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from churnml.errors import DataError, LabelError
from churnml.history.asof import History
from churnml.labels import Cutoffs, InactivityLabel, OutcomeLabel, SubscriptionLabel, label
from churnml.labels.arrival import Arrival, arrival

MakeHistory = Callable[..., History]
START = dt.datetime(2024, 1, 1)
END = dt.datetime(2025, 1, 1)
LEFT = OutcomeLabel(kind="outcomes", horizon_days=90)
USE = InactivityLabel(kind="inactivity")


def day(number: float) -> dt.datetime:
    return START + dt.timedelta(days=number)


def left(account: str, happened: float, recorded: float | None) -> dict[str, Any]:
    at = None if recorded is None else day(recorded)
    return {"account_id": account, "occurred_at": day(happened), "recorded_at": at}


def test_the_lag_is_told_of_what_happened_once_recording_had_begun(history: MakeHistory) -> None:
    rows = [left("a", -300, 0), *(left("a", n, n + 0.25) for n in range(98))]
    rows += [left("b", 98, 110), left("b", 99, 120.5), left("b", 100, None)]
    told = history(END, outcomes=rows)
    assert arrival(told, LEFT) == Arrival("outcomes", 100, 0.25, 12.0, 7)
    assert arrival(told, LEFT).too_late
    assert not arrival(told, LEFT.model_copy(update={"settle_days": 12})).too_late


def test_what_is_booked_ahead_is_not_late(history: MakeHistory) -> None:
    rows = [
        {"account_id": "a", "started_at": day(n), "ends_at": day(n + 30), "recorded_at": day(n - 9)}
        for n in (30, 60, 90)
    ]
    assert arrival(history(END, subscriptions=rows), SubscriptionLabel()) == Arrival(
        "subscriptions", 3, 0.0, 0.0, 7
    )


@pytest.mark.parametrize("more", [{}, {"recorded_at": None}])
def test_where_nothing_tells_no_lag_is_made_up(history: MakeHistory, more: dict[str, Any]) -> None:
    rows = [{"account_id": "a", "occurred_at": day(1), "event": "login", **more}]
    found = arrival(history(END, usage=rows), USE)
    assert found == Arrival("usage", 0, None, None, 7)
    assert not found.too_late


def test_a_table_that_is_not_there_is_an_error(history: MakeHistory) -> None:
    with pytest.raises(DataError, match="usage"):
        arrival(history(END, outcomes=[]), USE)


def test_a_label_is_not_known_before_its_facts_have_settled(history: MakeHistory) -> None:
    accounts = [{"account_id": name, "created_at": day(-300)} for name in ("a", "b")]
    churn = {**left("b", 79, 95), "kind": "churned"}
    cutoffs = Cutoffs(first=START.date(), last=START.date())

    def labels(days_after_window: float, settle: int) -> dict[str, int]:
        until = day(90 + days_after_window)
        told = history(
            until, accounts=accounts, outcomes=[churn] if churn["recorded_at"] < until else []
        )
        spec = LEFT.model_copy(update={"settle_days": settle})
        rows = label(told, spec, cutoffs).table.to_pylist()
        return {row["account_id"]: row["label"] for row in rows}

    # Recorded five days after the window: without days to settle the label is first wrong.
    assert labels(1, 0) == {"a": 0, "b": 0}
    with pytest.raises(LabelError, match="2 label window not fully observed"):
        labels(6, 7)
    assert labels(7, 7) == {"a": 0, "b": 1}
