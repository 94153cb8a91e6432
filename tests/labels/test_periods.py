from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.history.asof import History
from churnml.history.memory import ARROW_TYPES
from churnml.history.tables import STANDARD
from churnml.labels import Cutoffs, InactivityLabel, OutcomeLabel, SubscriptionLabel, label

MakeHistory = Callable[..., History]
CUTOFF = dt.datetime(2025, 1, 1)
AT_CUTOFF = Cutoffs(first=CUTOFF.date(), last=CUTOFF.date())
LABEL = SubscriptionLabel(lead_days=5, horizon_days=30, grace_days=10, settle_days=3)
BESIDE = {"account_id": "b", "started_at": CUTOFF - dt.timedelta(days=400), "ends_at": None}


def day(n: float) -> dt.datetime:
    return CUTOFF + dt.timedelta(days=n)


def told(history: History, spec: Any = LABEL) -> tuple[int, int | None]:
    row = label(history, spec, AT_CUTOFF).table.to_pylist()[0]
    assert row["account_id"] == "a"
    return row["periods_told"], row["churned_period"]


@pytest.mark.parametrize(
    ("until", "expected"),
    [(48, 1), (77.9, 1), (78, 2), (108, 3), (5000, 12)],  # 5 + 30 + 10 + 3 = 48, then every 30
)
def test_a_period_is_told_when_grace_and_settling_have_passed(
    history: MakeHistory, until: float, expected: int
) -> None:
    rows = [{**BESIDE, "account_id": "a"}, BESIDE]
    assert told(history(day(until), subscriptions=rows)) == (expected, None)


@pytest.mark.parametrize(
    ("end", "period"),
    [(5, 1), (34.9, 1), (35, 2), (64.9, 2), (65, 3), (95, None)],
)
def test_churn_counts_in_the_period_it_falls_into(
    history: MakeHistory, end: float, period: int | None
) -> None:
    """Observed until day 108: three periods, the last of which ends on day 95."""
    rows = [{**BESIDE, "account_id": "a", "ends_at": day(end)}, BESIDE]
    assert told(history(day(108), subscriptions=rows)) == (3, period)


@pytest.mark.parametrize(
    ("involuntary", "expected"),
    [("churn", (3, 2)), ("retained", (3, None)), ("exclude", (1, None))],
)
def test_churn_for_want_of_payment_is_what_the_label_says(
    history: MakeHistory, involuntary: Any, expected: tuple[int, int | None]
) -> None:
    left = {"ends_at": day(40), "cancelled_at": day(40), "cancel_kind": "involuntary"}
    rows = [{**BESIDE, "account_id": "a", **left}, BESIDE]
    spec = LABEL.model_copy(update={"involuntary": involuntary})
    assert told(history(day(108), subscriptions=rows), spec) == expected


def test_recorded_outcomes_have_periods_too(history: MakeHistory) -> None:
    spec = OutcomeLabel(kind="outcomes", horizon_days=30, settle_days=7)
    accounts = [{"account_id": name, "created_at": day(-300)} for name in "ab"]
    outcomes = [{"account_id": "a", "occurred_at": day(61), "kind": "churned"}]
    assert told(history(day(97), accounts=accounts, outcomes=outcomes), spec) == (3, 3)
    assert told(history(day(96), accounts=accounts, outcomes=outcomes), spec) == (2, None)


@pytest.mark.parametrize(("active", "period"), [((), 1), ((20,), 2), ((20, 50), 3), ((70,), 1)])
def test_without_a_contract_the_first_silent_period_counts(
    history: MakeHistory, active: tuple[int, ...], period: int
) -> None:
    spec = InactivityLabel(kind="inactivity", active_days=30, horizon_days=30, settle_days=0)
    moments = [("a", -3), *(("a", n) for n in active), ("b", -400)]
    rows = [{"account_id": name, "occurred_at": day(n), "event": "login"} for name, n in moments]
    assert told(history(day(90), usage=rows), spec) == (3, period)


DAYS = st.integers(-30, 200)


@settings(max_examples=150)
@given(
    ends=st.lists(st.tuples(DAYS, st.sampled_from(["voluntary", "involuntary", None])), min_size=1),
    until=st.integers(60, 220),
    number=st.integers(1, 4),
    involuntary=st.sampled_from(["churn", "retained"]),
)
def test_no_churn_in_some_periods_is_the_label_of_as_many_horizons(
    ends: list[tuple[int, str | None]], until: int, number: int, involuntary: Any
) -> None:
    """So that survival of k periods is what the same recipe says with k times the horizon."""
    kinds = {column.name: ARROW_TYPES[column.kind] for column in STANDARD["subscriptions"].columns}
    rows = [
        {
            "subscription_id": str(place),
            "account_id": f"a{place:03d}",
            "started_at": day(-100),
            "ends_at": day(end),
            "cancelled_at": day(end) if kind else None,
            "cancel_kind": kind,
        }
        for place, (end, kind) in enumerate(ends)
    ]
    rows.append(
        {
            **rows[0],
            "subscription_id": "x",
            "account_id": "z",
            "ends_at": None,
            "cancelled_at": None,
        }
    )
    columns = {name: pa.array([row[name] for row in rows], kinds[name]) for name in rows[0]}
    history = History.from_tables({"subscriptions": pa.table(columns)}, observed_until=day(until))
    spec = LABEL.model_copy(update={"involuntary": involuntary})
    short = label(history, spec, AT_CUTOFF).table.to_pylist()
    if until < 18 + 30 * number:
        assert all(row["periods_told"] < number for row in short)
        return
    longer = spec.model_copy(update={"horizon_days": 30 * number})
    wanted = {
        r["account_id"]: r["label"] for r in label(history, longer, AT_CUTOFF).table.to_pylist()
    }
    found = {r["account_id"]: int((r["churned_period"] or 99) <= number) for r in short}
    assert found == wanted
    assert all(row["label"] == (row["churned_period"] == 1) for row in short)
