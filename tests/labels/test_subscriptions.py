"""Churn as the end of paid coverage: every boundary by a literal, the whole by an oracle."""

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
from churnml.history.tables import SUBSCRIPTIONS
from churnml.labels import (
    Cutoffs,
    Every,
    Labels,
    SubscriptionLabel,
    label,
    pairs,
    population,
)
from churnml.labels import under_notice as noticed

MakeHistory = Callable[..., History]
CUTOFF = dt.datetime(2024, 6, 1)
OPENED = dt.datetime(2024, 1, 1)
LATER = dt.datetime(2025, 6, 1)
LABEL = SubscriptionLabel(
    lead_days=14, horizon_days=60, grace_days=30, settle_days=0, involuntary="exclude"
)
AT_CUTOFF = Cutoffs(first=CUTOFF.date(), last=CUTOFF.date())
SECOND = dt.timedelta(seconds=1)


def day(n: float) -> dt.datetime:
    """Count days from the cutoff."""
    return CUTOFF + dt.timedelta(days=n)


def term(ends: dt.datetime | None, started: dt.datetime = OPENED, **more: Any) -> dict[str, Any]:
    return {"account_id": "a", "started_at": started, "ends_at": ends, **more}


BESIDE = {"account_id": "other", "started_at": OPENED, "ends_at": None, "mrr": 1.0}


def of_account(labels: Labels) -> dict[str, Any]:
    rows = [row for row in labels.table.to_pylist() if row["account_id"] == "a"]
    return rows[0] if rows else {}


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (day(14) - SECOND, None),  # within the lead
        (day(14), 1),
        (day(74) - SECOND, 1),
        (day(74), 0),  # the window is half-open
        (day(0), None),  # still active just before the cutoff, gone at it: within the lead
        (day(0) - SECOND, None),  # ended before the cutoff: not in the population
        (None, 0),
    ],
)
def test_the_label_window_is_half_open(
    history: MakeHistory, end: dt.datetime | None, expected: int | None
) -> None:
    labels = label(history(LATER, subscriptions=[term(end), BESIDE]), LABEL, AT_CUTOFF)
    assert of_account(labels).get("label") == expected
    in_lead = end is not None and day(0) <= end < day(14)
    assert labels.dropped == {
        "under notice": 0,
        "label window not fully observed": 0,
        "left within lead": int(in_lead),
        "involuntary churn": 0,
    }


def test_without_lead_an_end_at_the_cutoff_is_churn(history: MakeHistory) -> None:
    spec = SubscriptionLabel(lead_days=0, horizon_days=60)
    row = of_account(label(history(LATER, subscriptions=[term(day(0)), BESIDE]), spec, AT_CUTOFF))
    assert (row["label"], row["churned_at"]) == (1, day(0))


@pytest.mark.parametrize(
    ("started", "member"), [(day(0) - SECOND, True), (day(0), False), (day(1), False)]
)
def test_a_term_that_starts_at_the_cutoff_is_not_seen(
    history: MakeHistory, started: dt.datetime, member: bool
) -> None:
    rows = [term(day(300), started=started), BESIDE]
    labels = label(history(LATER, subscriptions=rows), LABEL, AT_CUTOFF)
    assert bool(of_account(labels)) is member


@pytest.mark.parametrize(("recorded", "member"), [(day(0) - SECOND, True), (day(0), False)])
def test_a_term_recorded_at_the_cutoff_is_not_seen(
    history: MakeHistory, recorded: dt.datetime, member: bool
) -> None:
    rows = [term(day(300), recorded_at=recorded), BESIDE]
    labels = label(history(LATER, subscriptions=rows), LABEL, AT_CUTOFF)
    assert bool(of_account(labels)) is member


@pytest.mark.parametrize(
    ("gap", "expected"), [(0, 0), (30, 0), (30 + 1 / 86400, 1), (31, 1), (200, 1)]
)
def test_a_gap_of_at_most_the_grace_is_no_churn(
    history: MakeHistory, gap: float, expected: int
) -> None:
    rows = [term(day(40)), term(None, started=day(40 + gap)), BESIDE]
    row = of_account(label(history(LATER, subscriptions=rows), LABEL, AT_CUTOFF))
    assert row["label"] == expected
    assert row["churned_at"] == (day(40) if expected else None)


def test_an_account_in_a_gap_is_not_in_the_population(history: MakeHistory) -> None:
    rows = [term(day(-5)), term(None, started=day(5)), BESIDE]
    assert of_account(label(history(LATER, subscriptions=rows), LABEL, AT_CUTOFF)) == {}


def test_two_products_are_one_coverage(history: MakeHistory) -> None:
    rows = [term(day(20)), term(day(300), started=day(-10)), BESIDE]
    assert of_account(label(history(LATER, subscriptions=rows), LABEL, AT_CUTOFF))["label"] == 0


def test_a_long_term_holds_over_a_short_one_that_ends_later_in_order(history: MakeHistory) -> None:
    """The running end of coverage is the latest so far, not that of the previous term."""
    rows = [
        term(day(50)),
        term(day(-90), started=day(-100)),
        term(day(200), started=day(50)),
        BESIDE,
    ]
    assert of_account(label(history(LATER, subscriptions=rows), LABEL, AT_CUTOFF))["label"] == 0


def test_termination_cuts_a_term_short(history: MakeHistory) -> None:
    rows = [term(day(300), terminated_at=day(20)), BESIDE]
    row = of_account(label(history(LATER, subscriptions=rows), LABEL, AT_CUTOFF))
    assert (row["label"], row["churned_at"]) == (1, day(20))


def test_an_open_term_ends_when_it_is_cancelled_unless_it_was_terminated(
    history: MakeHistory,
) -> None:
    cancelled = [term(None, cancelled_at=day(20)), BESIDE]
    row = of_account(label(history(LATER, subscriptions=cancelled), LABEL, AT_CUTOFF))
    assert (row["label"], row["churned_at"]) == (1, day(20))
    both = [term(None, cancelled_at=day(20), terminated_at=day(300)), BESIDE]
    assert of_account(label(history(LATER, subscriptions=both), LABEL, AT_CUTOFF))["label"] == 0


@pytest.mark.parametrize(
    ("more", "rest", "notice"),
    [
        ({"cancelled_at": day(-1)}, [], True),
        ({"cancelled_at": day(0)}, [], False),  # given at the cutoff: not known strictly before
        ({}, [], False),
        # a second product goes on
        ({"cancelled_at": day(-1)}, [term(day(80))], False),
        # a further term is booked, within the grace
        ({"cancelled_at": day(-1)}, [term(day(99), day(70), recorded_at=day(-1))], False),
        ({"cancelled_at": day(-1)}, [term(day(99), day(70.5), recorded_at=day(-1))], True),
        # booked only later, or itself called off
        ({"cancelled_at": day(-1)}, [term(day(99), day(70), recorded_at=day(0))], True),
        (
            {"cancelled_at": day(-1)},
            [term(day(99), day(70), recorded_at=day(-2), cancelled_at=day(-1))],
            True,
        ),
    ],
)
def test_who_is_under_notice(
    history: MakeHistory, more: dict[str, Any], rest: list[dict[str, Any]], notice: bool
) -> None:
    told = history(LATER, subscriptions=[term(day(40), **more), *rest, BESIDE])
    labels = label(told, LABEL, AT_CUTOFF)
    assert labels.dropped["under notice"] == int(notice)
    assert bool(of_account(labels)) is not notice
    now = population(told, LABEL, CUTOFF)["account_id"].to_pylist()
    assert now == (["other"] if notice else ["a", "other"])
    gone = noticed(told, LABEL, CUTOFF)
    assert gone["account_id"].to_pylist() == (["a"] if notice else [])

    kept = SubscriptionLabel(
        lead_days=14, horizon_days=60, grace_days=30, exclude_under_notice=False
    )
    assert "label" in of_account(label(told, kept, AT_CUTOFF))
    assert population(told, kept, CUTOFF)["account_id"].to_pylist() == ["a", "other"]
    assert noticed(told, kept, CUTOFF).num_rows == 0


def test_a_term_terminated_only_later_still_counts_as_booked(history: MakeHistory) -> None:
    booked = term(day(99), day(40), recorded_at=day(-2), terminated_at=day(40))
    rows = [term(day(40), cancelled_at=day(-1)), booked, BESIDE]
    row = of_account(label(history(LATER, subscriptions=rows), LABEL, AT_CUTOFF))
    assert row["label"] == 1  # the renewal was void in the end, but nobody could know


@pytest.mark.parametrize("end", [day(40), None])
def test_a_window_that_is_not_fully_observed_is_dropped_whatever_it_would_be(
    history: MakeHistory, end: dt.datetime | None
) -> None:
    until = CUTOFF + dt.timedelta(days=14 + 60 + 30)
    rows = [term(end), BESIDE]
    assert label(history(until, subscriptions=rows), LABEL, AT_CUTOFF).table.num_rows == 2
    with pytest.raises(LabelError, match="2 label window not fully observed"):
        label(history(until - SECOND, subscriptions=rows), LABEL, AT_CUTOFF)


@pytest.mark.parametrize(
    ("kind", "option", "expected"),
    [
        ("involuntary", "exclude", None),
        ("involuntary", "churn", 1),
        ("involuntary", "retained", 0),
        ("voluntary", "exclude", 1),
        (None, "exclude", 1),
    ],
)
def test_involuntary_churn_is_kept_apart(
    history: MakeHistory, kind: str | None, option: Any, expected: int | None
) -> None:
    rows = [term(day(40), cancelled_at=day(30), cancel_kind=kind), BESIDE]
    spec = SubscriptionLabel(horizon_days=60, involuntary=option)
    labels = label(history(LATER, subscriptions=rows), spec, AT_CUTOFF)
    row = of_account(labels)
    assert row.get("label") == expected
    assert row.get("involuntary", True) is (kind == "involuntary")
    assert labels.dropped.get("involuntary churn", 0) == int(expected is None)


def test_a_wish_to_leave_outweighs_a_failed_payment_at_the_same_end(history: MakeHistory) -> None:
    rows = [
        term(day(40), cancelled_at=day(30), cancel_kind="involuntary"),
        term(day(40), cancelled_at=day(30), cancel_kind="voluntary"),
        BESIDE,
    ]
    row = of_account(label(history(LATER, subscriptions=rows), LABEL, AT_CUTOFF))
    assert (row["label"], row["involuntary"]) == (1, False)


@pytest.mark.parametrize(
    ("rows", "arr", "downgraded"),
    [
        ([term(None, mrr=100.0)], 1200.0, False),
        ([term(day(50), mrr=100.0), term(None, day(50), mrr=80.0)], 1200.0, True),
        ([term(day(50), mrr=100.0), term(None, day(50), mrr=120.0)], 1200.0, False),
        # a product dropped
        ([term(None, mrr=100.0), term(day(50), mrr=50.0)], 1800.0, True),
        # the change comes at the first instant after the window, and is seen; a second later not
        ([term(day(74), mrr=100.0), term(None, day(74), mrr=80.0)], 1200.0, True),
        ([term(day(75), mrr=100.0), term(None, day(75), mrr=80.0)], 1200.0, False),
        # in a gap at the window's end, the next term tells
        ([term(day(70), mrr=100.0), term(None, day(90), mrr=100.0)], 1200.0, False),
        ([term(day(70), mrr=100.0), term(None, day(90), mrr=90.0)], 1200.0, True),
        # unknown revenue
        ([term(None)], None, None),
        ([term(day(50), mrr=100.0), term(None, day(50))], 1200.0, None),
        ([term(None), term(None, mrr=7.0)], 84.0, False),
        # who leaves does not downgrade, nor who leaves at the first instant after the window
        ([term(day(50), mrr=100.0)], 1200.0, False),
        ([term(day(74), mrr=100.0)], 1200.0, False),
    ],
)
def test_revenue_at_the_cutoff_and_downgrades(
    history: MakeHistory, rows: list[dict[str, Any]], arr: float | None, downgraded: bool | None
) -> None:
    row = of_account(label(history(LATER, subscriptions=[*rows, BESIDE]), LABEL, AT_CUTOFF))
    assert (row["arr"], row["downgraded"]) == (arr, downgraded)


def test_revenue_that_changes_at_the_cutoff_is_the_old_one(history: MakeHistory) -> None:
    rows = [term(day(300), terminated_at=day(0), mrr=100.0), term(None, day(0), mrr=50.0), BESIDE]
    row = of_account(label(history(LATER, subscriptions=rows), LABEL, AT_CUTOFF))
    assert (row["arr"], row["downgraded"]) == (1200.0, True)


def test_labels_are_sorted_typed_and_monthly_by_default(history: MakeHistory) -> None:
    rows = [
        {"account_id": "b", "started_at": dt.datetime(2024, 2, 15), "ends_at": None},
        {"account_id": "a", "started_at": dt.datetime(2024, 1, 1), "ends_at": None},
    ]
    spec = SubscriptionLabel(horizon_days=30, grace_days=0, settle_days=0)
    labels = label(history(dt.datetime(2024, 5, 1), subscriptions=rows), spec, Cutoffs())
    table = labels.table
    assert table.schema == pa.schema(
        {
            "account_id": pa.string(),
            "cutoff": pa.timestamp("us"),
            "label": pa.int8(),
            "arr": pa.float64(),
            "involuntary": pa.bool_(),
            "downgraded": pa.bool_(),
            "churned_at": pa.timestamp("us"),
            "periods_told": pa.int16(),
            "churned_period": pa.int16(),
        }
    )
    pairs = list(zip(table["cutoff"].to_pylist(), table["account_id"].to_pylist(), strict=True))
    # 1 January is the first start, at which nothing is known yet; 1 May is not observed to its end.
    assert pairs == [
        (dt.datetime(2024, 2, 1), "a"),
        (dt.datetime(2024, 3, 1), "a"),
        (dt.datetime(2024, 3, 1), "b"),
        (dt.datetime(2024, 4, 1), "a"),
        (dt.datetime(2024, 4, 1), "b"),
    ]
    assert labels.dropped["label window not fully observed"] == 2
    assert labels.spec is spec


def test_cutoffs_every_so_many_days(history: MakeHistory) -> None:
    rows = [{"account_id": "a", "started_at": dt.datetime(2024, 1, 1, 7), "ends_at": None}]
    spec = SubscriptionLabel(horizon_days=10, grace_days=0, settle_days=0)
    told = history(dt.datetime(2024, 2, 1), subscriptions=rows)
    found = label(told, spec, Cutoffs(every=Every(days=10))).table["cutoff"].to_pylist()
    assert found == [dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 12), dt.datetime(2024, 1, 22)]
    bounded = Cutoffs(every=Every(days=10), first=dt.date(2024, 1, 5), last=dt.date(2024, 1, 15))
    found = label(told, spec, bounded).table["cutoff"].to_pylist()
    assert found == [dt.datetime(2024, 1, 5), dt.datetime(2024, 1, 15)]


def test_cutoffs_before_renewals(history: MakeHistory) -> None:
    rows = [
        term(day(90.4)),  # paid through during day 90: its cutoff is day 0
        term(day(150), day(90.4), recorded_at=day(59)),  # cutoff at day 60
        term(day(240), day(150), recorded_at=day(150)),  # known only at its own cutoff: none
        {"account_id": "b", "started_at": OPENED, "ends_at": day(90), "terminated_at": day(-1)},
        {"account_id": "c", "started_at": OPENED, "ends_at": day(90)},
        {"account_id": "c", "started_at": OPENED, "ends_at": day(90.9)},  # one row, not two
        {"account_id": "d", "started_at": OPENED, "ends_at": None},
    ]
    spec = SubscriptionLabel(lead_days=14, horizon_days=90)
    told = history(LATER, subscriptions=rows)
    labels = label(told, spec, Cutoffs(days_before_renewal=90))
    assert [
        (row["account_id"], row["cutoff"], row["label"]) for row in labels.table.to_pylist()
    ] == [
        ("a", day(0), 0),
        ("c", day(0), 1),
        ("a", day(60), 0),
    ]
    early = Cutoffs(days_before_renewal=90, last=day(30).date())
    assert label(told, spec, early).table["account_id"].to_pylist() == ["a", "c"]
    late = Cutoffs(days_before_renewal=90, first=day(30).date())
    assert label(told, spec, late).table["account_id"].to_pylist() == ["a"]
    with pytest.raises(LabelError, match="no term ends 365 days after a cutoff"):
        label(told, spec, Cutoffs(days_before_renewal=365))


def test_scores_use_the_moment_itself_not_its_midnight(history: MakeHistory) -> None:
    noon = CUTOFF + dt.timedelta(hours=12)
    told = history(LATER, subscriptions=[term(day(9), noon, mrr=5.0), {**BESIDE, "mrr": None}])
    assert population(told, LABEL, noon).to_pylist() == [
        {"account_id": "other", "cutoff": noon, "arr": None}
    ]
    later = noon + dt.timedelta(microseconds=1)
    assert population(told, LABEL, later)["account_id"].to_pylist() == ["a", "other"]


def test_the_join_in_small_parts_gives_the_same(
    history: MakeHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [term(day(30 * n), day(30 * n - 30)) for n in range(-3, 9)]
    told = history(LATER, subscriptions=[*rows, BESIDE])
    whole = label(told, LABEL, Cutoffs()).table
    monkeypatch.setattr(pairs, "_CHUNK", 5)
    assert label(told, LABEL, Cutoffs()).table.equals(whole)


def test_errors_say_what_is_missing(history: MakeHistory) -> None:
    endless = history(LATER, subscriptions=[{"account_id": "a", "started_at": OPENED}])
    with pytest.raises(LabelError, match=r"none of the columns ends_at, terminated_at, cancelled"):
        label(endless, LABEL, AT_CUTOFF)
    told = history(LATER, subscriptions=[term(day(-100))])
    with pytest.raises(LabelError, match=r"no row is left to learn from out of 0 accounts at cut"):
        label(told, LABEL, AT_CUTOFF)
    with pytest.raises(
        LabelError, match=r"no cutoff falls between 2030-01-01 00:00 and 2025-06-01"
    ):
        label(told, LABEL, Cutoffs(first=dt.date(2030, 1, 1)))
    with pytest.raises(DataError, match="no table 'subscriptions'"):
        label(history(LATER, usage=[]), LABEL, AT_CUTOFF)
    empty = told.from_tables(
        {"subscriptions": told.hindsight("subscriptions").slice(0, 0)}, observed_until=LATER
    )
    with pytest.raises(LabelError, match="history holds no account"):
        label(empty, LABEL, Cutoffs())
    assert population(empty, LABEL, CUTOFF).num_rows == 0


# The oracle: one account, one cutoff, plain loops over days, none of the arrays of the module.

START = dt.datetime(2024, 1, 1)
N_DAYS = 60
Days = st.none() | st.integers(0, N_DAYS)


@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(st.integers(0, 40))
    length = st.none() | st.integers(0, 25)
    ends, stopped = draw(length), draw(st.none() | st.integers(0, 20))
    return {
        "account_id": draw(st.sampled_from(["a", "b"])),
        "start": start,
        "known": draw(st.none() | st.integers(0, N_DAYS)),
        "ends": None if ends is None else start + ends,
        "cancelled": draw(Days),
        "kind": draw(st.sampled_from([None, "voluntary", "involuntary"])),
        "terminated": None if stopped is None else start + stopped,
        "mrr": draw(st.none() | st.integers(1, 4)),
    }


def final_end(item: dict[str, Any]) -> float:
    told = [item[name] for name in ("ends", "terminated") if item[name] is not None]
    if told:
        return float(min(told))
    return float("inf") if item["cancelled"] is None else float(item["cancelled"])


def covered(items: list[dict[str, Any]], half_day: float) -> bool:
    return any(item["start"] <= half_day < final_end(item) for item in items)


def churn_day(items: list[dict[str, Any]], cutoff: int, grace: int) -> float:
    """Walk from the cutoff in half days until coverage ends and does not come back in time."""
    day_number = cutoff
    while day_number < 200:
        if not covered(items, day_number + 0.5) and covered(items, day_number - 0.5):
            back = [s for item in items if final_end(item) > (s := item["start"]) >= day_number]
            if not back or min(back) - day_number > grace:
                return day_number
        day_number += 1
    return float("inf")


def known(item: dict[str, Any], cutoff: int) -> bool:
    return bool((item["start"] if item["known"] is None else item["known"]) < cutoff)


def before(moment: int | None, cutoff: int) -> bool:
    return moment is not None and moment < cutoff


def running(item: dict[str, Any], cutoff: int) -> bool:
    if not known(item, cutoff) or item["start"] >= cutoff or before(item["terminated"], cutoff):
        return False
    if item["ends"] is None:
        return not before(item["cancelled"], cutoff)
    return not before(item["ends"], cutoff)


def under_notice(items: list[dict[str, Any]], cutoff: int, grace: int) -> bool:
    now = [item for item in items if running(item, cutoff)]
    if any(not before(item["cancelled"], cutoff) for item in now):
        return False
    paid = max(item["ends"] for item in now)
    return not any(
        known(item, cutoff)
        and cutoff <= item["start"] <= paid + grace
        and not before(item["cancelled"], cutoff)
        and not before(item["terminated"], cutoff)
        for item in items
    )


def oracle(
    items: list[dict[str, Any]], cutoff: int, spec: SubscriptionLabel
) -> tuple[str, dict[str, Any]]:
    now = [item for item in items if running(item, cutoff)]
    if not now:
        return "not a member", {}
    if under_notice(items, cutoff, spec.grace_days):
        return "under notice", {}
    opens = cutoff + spec.lead_days
    closes = opens + spec.horizon_days
    waited = spec.grace_days + spec.settle_days
    if closes + waited > N_DAYS:
        return "label window not fully observed", {}
    churn = churn_day(items, cutoff, spec.grace_days)
    if churn < opens:
        return "left within lead", {}
    kinds = {i["kind"] for i in items if final_end(i) == churn > i["start"]}
    unpaid = churn < closes and "involuntary" in kinds and "voluntary" not in kinds
    if unpaid and spec.involuntary == "exclude":
        return "involuntary churn", {}
    lost = churn < closes and not (unpaid and spec.involuntary == "retained")
    told = [item["mrr"] for item in now if item["mrr"] is not None]
    seen = churn + waited <= N_DAYS
    return "kept", {
        "label": int(lost),
        "arr": sum(told) * 12.0 if told else None,
        "churned_at": START + dt.timedelta(days=churn) if seen else None,
    }


@settings(max_examples=300, deadline=None)
@given(
    st.lists(terms(), min_size=1, max_size=6),
    st.integers(0, 10),
    st.integers(1, 20),
    st.integers(0, 10),
    st.integers(0, 5),
    st.sampled_from(["exclude", "churn", "retained"]),
)
def test_labels_equal_a_walk_through_the_days(
    items: list[dict[str, Any]], lead: int, horizon: int, grace: int, settle: int, unpaid: Any
) -> None:
    def at(number: int | None) -> dt.datetime | None:
        return None if number is None else START + dt.timedelta(days=number)

    spec = SubscriptionLabel(
        lead_days=lead,
        horizon_days=horizon,
        grace_days=grace,
        settle_days=settle,
        involuntary=unpaid,
    )
    cutoffs = range(min(item["start"] for item in items) + 1, N_DAYS + 1)
    by_account = {
        name: [item for item in items if item["account_id"] == name] for name in ("a", "b")
    }
    expected: dict[Any, dict[str, Any]] = {}
    reasons = dict.fromkeys(
        ["under notice", "label window not fully observed", "left within lead"], 0
    )
    if unpaid == "exclude":
        reasons["involuntary churn"] = 0
    for cutoff in cutoffs:
        for name, own in by_account.items():
            reason, row = oracle(own, cutoff, spec)
            if reason in reasons:
                reasons[reason] += 1
            elif row:
                expected[name, at(cutoff)] = row
    columns = {
        "subscription_id": [str(i) for i in range(len(items))],
        "account_id": [item["account_id"] for item in items],
        "started_at": [at(item["start"]) for item in items],
        "recorded_at": [at(item["known"]) for item in items],
        "ends_at": [at(item["ends"]) for item in items],
        "mrr": [item["mrr"] for item in items],
        "cancelled_at": [at(item["cancelled"]) for item in items],
        "cancel_kind": [item["kind"] for item in items],
        "terminated_at": [at(item["terminated"]) for item in items],
    }
    assert set(columns) < set(SUBSCRIPTIONS.names)
    rows = pa.table(columns)
    told = History.from_tables(
        {"subscriptions": _typed(rows)}, observed_until=START + dt.timedelta(days=N_DAYS)
    )
    if not expected:
        with pytest.raises(LabelError):
            label(told, spec, Cutoffs(every=Every(days=1)))
        return
    labels = label(told, spec, Cutoffs(every=Every(days=1)))
    found = {
        (row["account_id"], row["cutoff"]): {k: row[k] for k in ("label", "arr", "churned_at")}
        for row in labels.table.to_pylist()
    }
    assert found == expected
    assert dict(labels.dropped) == reasons


def _typed(rows: pa.Table) -> pa.Table:
    """Give columns that hold nothing but nulls a type."""
    return rows.cast(
        pa.schema(
            [
                (
                    name,
                    _TYPES.get(name, pa.timestamp("us") if name.endswith("_at") else pa.string()),
                )
                for name in rows.column_names
            ]
        )
    )


_TYPES = {"mrr": pa.float64()}


@settings(max_examples=100, deadline=None)
@given(st.lists(terms(), min_size=1, max_size=5), st.integers(1, 40), st.data())
def test_the_population_does_not_see_what_was_not_yet_known(
    items: list[dict[str, Any]], cutoff: int, data: st.DataObject
) -> None:
    """Rewriting everything from the cutoff on changes neither who is a member nor the revenue."""

    def rewritten(item: dict[str, Any]) -> dict[str, Any]:
        later = st.none() | st.integers(cutoff, N_DAYS)
        new = dict(item)
        for name in ("cancelled", "terminated"):
            if not before(item[name], cutoff):
                new[name] = data.draw(later)
        if not known(item, cutoff):
            new |= {"ends": data.draw(later), "mrr": data.draw(st.none() | st.integers(1, 4))}
        return new

    def table(rows: list[dict[str, Any]]) -> pa.Table:
        def times(name: str) -> pa.Array:
            return pa.array(
                [
                    None if row[name] is None else START + dt.timedelta(days=row[name])
                    for row in rows
                ],
                pa.timestamp("us"),
            )

        return pa.table(
            {
                "subscription_id": [str(i) for i in range(len(rows))],
                "account_id": [row["account_id"] for row in rows],
                "started_at": times("start"),
                "recorded_at": times("known"),
                "ends_at": times("ends"),
                "mrr": pa.array([row["mrr"] for row in rows], pa.float64()),
                "cancelled_at": times("cancelled"),
                "terminated_at": times("terminated"),
            }
        )

    def seen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        told = History.from_tables(
            {"subscriptions": table(rows)}, observed_until=START + dt.timedelta(days=N_DAYS)
        )
        moment = START + dt.timedelta(days=cutoff)
        found: list[dict[str, Any]] = population(told, SubscriptionLabel(), moment).to_pylist()
        return found

    assert seen(items) == seen([rewritten(item) for item in items])
