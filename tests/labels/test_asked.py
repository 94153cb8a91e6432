"""Of whom a model can be asked that learnt some days before renewals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.errors import LabelError
from churnml.history.asof import History
from churnml.labels import Cutoffs, SubscriptionLabel, asked, label, population

MakeHistory = Callable[..., History]
CUTOFF = dt.datetime(2024, 6, 1)
OPENED = dt.datetime(2024, 1, 1)
LATER = dt.datetime(2025, 6, 1)
LABEL = SubscriptionLabel(lead_days=14, horizon_days=90)
THIRTY = Cutoffs(days_before_renewal=30)
SECOND = dt.timedelta(seconds=1)


def day(number: float) -> dt.datetime:
    return CUTOFF + dt.timedelta(days=number)


def term(ends: dt.datetime | None, **more: Any) -> dict[str, Any]:
    return {"account_id": "a", "started_at": OPENED, "ends_at": ends, **more}


def asked_of(told: History, spec: SubscriptionLabel = LABEL, cutoffs: Cutoffs = THIRTY) -> bool:
    people = population(told, spec, CUTOFF)
    assert people["account_id"].to_pylist() == ["a"]
    return bool(asked(told, spec, cutoffs, people).num_rows)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([term(day(14) - SECOND)], False),  # within the lead: no longer in the label's window
        ([term(day(14))], True),
        ([term(day(31) - SECOND)], True),  # 30 days before it, at midnight, is this very cutoff
        ([term(day(31))], False),
        ([term(None)], False),
        # a cut short term does not renew
        ([term(day(20), terminated_at=day(-1)), term(day(300))], False),
        # of several terms any will do, so far as it is known
        ([term(day(300)), term(day(20))], True),
        ([term(day(300)), term(day(20), recorded_at=day(1))], False),
    ],
)
def test_a_renewal_must_lie_close_ahead(
    history: MakeHistory, rows: list[dict[str, Any]], expected: bool
) -> None:
    assert asked_of(history(LATER, subscriptions=rows)) is expected


def test_without_lead_it_is_asked_to_the_end(history: MakeHistory) -> None:
    spec = LABEL.model_copy(update={"lead_days": 0})
    assert asked_of(history(LATER, subscriptions=[term(day(0))]), spec)


def test_a_calendar_keeps_everybody(history: MakeHistory) -> None:
    assert asked_of(history(LATER, subscriptions=[term(None)]), cutoffs=Cutoffs(every="month"))


def test_of_nobody_nothing_is_asked(history: MakeHistory) -> None:
    told = history(LATER, subscriptions=[term(day(-9))])
    assert asked(told, LABEL, THIRTY, population(told, LABEL, CUTOFF)).num_rows == 0


def test_without_subscriptions_nobody_can_be_told_apart(history: MakeHistory) -> None:
    people = population(history(LATER, subscriptions=[term(None)]), LABEL, CUTOFF)
    with pytest.raises(LabelError, match="needs the table 'subscriptions'"):
        asked(history(LATER, outcomes=[]), LABEL, THIRTY, people)


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 900), st.integers(1, 900)),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 30),
)
def test_what_was_learnt_can_be_asked(terms: list[tuple[str, int, int]], days: int) -> None:
    """Every row of training is one that scoring at its cutoff would be asked about."""
    rows = [
        {
            "subscription_id": str(place),
            "account_id": account,
            "started_at": OPENED + dt.timedelta(hours=start),
            "ends_at": OPENED + dt.timedelta(hours=start + length),
        }
        for place, (account, start, length) in enumerate(terms)
    ]
    told = History.from_tables(
        {"subscriptions": pa.Table.from_pylist(rows)},
        observed_until=OPENED + dt.timedelta(days=365),
    )
    spec = SubscriptionLabel(horizon_days=40, exclude_under_notice=False)
    cutoffs = Cutoffs(days_before_renewal=days)
    try:
        learnt = label(told, spec, cutoffs).table
    except LabelError:
        return
    for row in learnt.to_pylist():
        people = population(told, spec, row["cutoff"])
        found = asked(told, spec, cutoffs, people)["account_id"].to_pylist()
        assert row["account_id"] in found
