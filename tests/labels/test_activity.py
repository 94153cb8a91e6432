"""Churn as silence: boundaries by literals, the whole by an oracle that loops over events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.errors import DataError, LabelError
from churnml.history.asof import History
from churnml.labels import Cutoffs, Every, InactivityLabel, label, population

MakeHistory = Callable[..., History]
CUTOFF = dt.datetime(2024, 6, 1)
LATER = dt.datetime(2025, 6, 1)
LABEL = InactivityLabel(
    kind="inactivity", active_days=30, lead_days=7, horizon_days=60, settle_days=0
)
AT_CUTOFF = Cutoffs(first=CUTOFF.date(), last=CUTOFF.date())
SECOND = dt.timedelta(seconds=1)


def day(n: float) -> dt.datetime:
    return CUTOFF + dt.timedelta(days=n)


def used(account: str, *moments: dt.datetime, **more: Any) -> list[dict[str, Any]]:
    return [
        {"account_id": account, "occurred_at": moment, "event": "login", **more}
        for moment in moments
    ]


OLD = used("other", dt.datetime(2024, 1, 1))


@pytest.mark.parametrize(
    ("last", "member"),
    [(day(-30) - SECOND, False), (day(-30), True), (day(0) - SECOND, True), (day(0), False)],
)
def test_the_population_was_active_in_the_window_before_the_cutoff(
    history: MakeHistory, last: dt.datetime, member: bool
) -> None:
    told = history(LATER, usage=[*OLD, *used("a", last), *used("b", day(-1))])
    found = label(told, LABEL, AT_CUTOFF).table["account_id"].to_pylist()
    assert found == (["a", "b"] if member else ["b"])
    assert population(told, LABEL, CUTOFF)["account_id"].to_pylist() == found


@pytest.mark.parametrize(
    ("following", "expected"),
    [
        (day(7) - SECOND, 1),  # within the lead: it says nothing of the window
        (day(7), 0),
        (day(67) - SECOND, 0),
        (day(67), 1),
    ],
)
def test_silence_in_the_label_window_is_churn(
    history: MakeHistory, following: dt.datetime, expected: int
) -> None:
    told = history(LATER, usage=[*OLD, *used("a", day(-1), following)])
    row = label(told, LABEL, AT_CUTOFF).table.to_pylist()[0]
    assert row == {
        "account_id": "a",
        "cutoff": CUTOFF,
        "label": expected,
        "arr": None,
        "involuntary": False,
        "downgraded": None,
        "churned_at": day(7) if expected else None,
        "periods_told": 5,
        "churned_period": 1 if expected else 2,
    }


def test_activity_known_only_later_does_not_make_a_member_but_breaks_the_silence(
    history: MakeHistory,
) -> None:
    late = used("a", day(-1), recorded_at=day(0))
    told = history(LATER, usage=[*OLD, *late, *used("b", day(-1))])
    assert label(told, LABEL, AT_CUTOFF).table["account_id"].to_pylist() == ["b"]
    late = used("b", day(20), recorded_at=day(300))
    told = history(LATER, usage=[*OLD, *late, *used("b", day(-1))])
    assert label(told, LABEL, AT_CUTOFF).table["label"].to_pylist() == [0]


def test_only_the_named_events_count(history: MakeHistory) -> None:
    rows = [*used("a", day(-1)), *used("a", day(20), event="invoice_sent"), *used("b", day(-1))]
    told = history(LATER, usage=[*OLD, *rows])
    assert label(told, LABEL, AT_CUTOFF).table["label"].to_pylist() == [0, 1]
    spec = LABEL.model_copy(update={"events": ("login", "it's odd")})
    assert label(told, spec, AT_CUTOFF).table["label"].to_pylist() == [1, 1]


def test_a_window_that_is_not_fully_observed_is_dropped(history: MakeHistory) -> None:
    rows = [*OLD, *used("a", day(-1), day(20))]
    assert label(history(day(67), usage=rows), LABEL, AT_CUTOFF).table.num_rows == 1
    with pytest.raises(LabelError, match="1 label window not fully observed"):
        label(history(day(67) - SECOND, usage=rows), LABEL, AT_CUTOFF)


def test_scores_use_the_moment_itself_not_its_midnight(history: MakeHistory) -> None:
    rows = used("a", day(-30)) + used("b", day(0)) + used("c", day(0.5))
    told = history(LATER, usage=rows)
    half = dt.timedelta(hours=12)
    at_noon = population(told, LABEL, CUTOFF + half)["account_id"].to_pylist()
    assert at_noon == ["b"]  # "a" is half a day too old, "c" not yet known


def test_subscriptions_tell_the_revenue_and_the_renewals(history: MakeHistory) -> None:
    terms = [
        {
            "account_id": "a",
            "started_at": dt.datetime(2024, 1, 1),
            "ends_at": day(45),
            "mrr": 10.0,
        }
    ]
    rows = [*OLD, *used("a", day(-1)), *used("b", day(-1))]
    told = history(LATER, usage=rows, subscriptions=terms)
    assert label(told, LABEL, AT_CUTOFF).table["arr"].to_pylist() == [120.0, 0.0]
    renewals = Cutoffs(days_before_renewal=45)
    assert label(told, LABEL, renewals).table["account_id"].to_pylist() == ["a"]
    with pytest.raises(LabelError, match="needs the table 'subscriptions', and history has none"):
        label(history(LATER, usage=rows), LABEL, renewals)


def test_errors_say_what_is_missing(history: MakeHistory) -> None:
    told = history(LATER, usage=OLD, tickets=[])
    with pytest.raises(LabelError, match="'usage' has no rows with an event among logon, so no"):
        label(told, LABEL.model_copy(update={"events": ("logon",)}), AT_CUTOFF)
    with pytest.raises(LabelError, match="'tickets' has no rows, so no account was ever active"):
        label(told, LABEL.model_copy(update={"table": "tickets"}), AT_CUTOFF)
    with pytest.raises(LabelError, match="'tickets' has no dimension to tell events apart"):
        label(told, LABEL.model_copy(update={"table": "tickets", "events": ("x",)}), AT_CUTOFF)
    with pytest.raises(DataError, match=r"no table 'usag'\. Did you mean 'usage'"):
        label(told, LABEL.model_copy(update={"table": "usag"}), AT_CUTOFF)


N_DAYS = 40
EVENTS = st.tuples(
    st.sampled_from("ab"),
    st.integers(0, N_DAYS * 24 - 1),
    st.none() | st.integers(0, N_DAYS * 24 - 1),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(EVENTS, min_size=1, max_size=12),
    st.integers(1, 15),
    st.integers(0, 5),
    st.integers(1, 10),
)
def test_labels_equal_a_loop_over_events(
    events: list[tuple[str, int, int | None]], active: int, lead: int, horizon: int
) -> None:
    """Times in hours; a row is known at the later of its own time and when it was recorded."""
    start = dt.datetime(2024, 1, 1)
    spec = InactivityLabel(
        kind="inactivity", active_days=active, lead_days=lead, horizon_days=horizon, settle_days=0
    )
    first_day = min(hour for _, hour, _ in events) // 24
    expected = {}
    for cutoff in range(first_day + 1, N_DAYS - lead - horizon + 1):
        c, opens = cutoff * 24, (cutoff + lead) * 24
        for account in "ab":
            own = [
                (hour, hour if r is None else max(hour, r)) for a, hour, r in events if a == account
            ]
            if any(c - active * 24 <= hour < c and known < c for hour, known in own):
                noise = any(opens <= hour < opens + horizon * 24 for hour, _ in own)
                expected[account, start + dt.timedelta(days=cutoff)] = int(not noise)

    def moments(hours: list[int | None]) -> pa.Array:
        return pa.array(
            [None if hour is None else start + dt.timedelta(hours=hour) for hour in hours],
            pa.timestamp("us"),
        )

    rows = pa.table(
        {
            "account_id": [account for account, _, _ in events],
            "occurred_at": moments([hour for _, hour, _ in events]),
            "recorded_at": moments([recorded for _, _, recorded in events]),
            "event": ["x"] * len(events),
        }
    )
    told = History.from_tables({"usage": rows}, observed_until=start + dt.timedelta(days=N_DAYS))
    if not expected:
        with pytest.raises(LabelError):
            label(told, spec, Cutoffs(every=Every(days=1)))
        return
    labels = label(told, spec, Cutoffs(every=Every(days=1))).table.to_pylist()
    assert {(row["account_id"], row["cutoff"]): row["label"] for row in labels} == expected
