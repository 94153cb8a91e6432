from __future__ import annotations

import datetime as dt
import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.errors import LabelError
from churnml.labels import ColumnLabel, Cutoffs, Every, InactivityLabel, SubscriptionLabel
from churnml.splits import Span, Splits, span, split

MONTHLY = Cutoffs(every="month")
FLAT = ColumnLabel(kind="column", file="x.csv", column="y", positive=1)


def frame(*rows: tuple[str, dt.datetime]) -> pa.Table:
    return pa.table(
        {
            "account_id": [account for account, _ in rows],
            "cutoff": pa.array([cutoff for _, cutoff in rows], pa.timestamp("us")),
        }
    )


def month(number: int) -> dt.datetime:
    return dt.datetime(2023 + (number - 1) // 12, (number - 1) % 12 + 1, 1)


YEAR = frame(*((account, month(n)) for n in range(1, 13) for account in ("a", "b")))
HORIZON = SubscriptionLabel(
    lead_days=0, horizon_days=31, grace_days=22
)  # with 7 to settle, 60 days


def months(table: pa.Table, rows: np.ndarray) -> list[int]:
    return sorted({moment.month for moment in table.take(rows)["cutoff"].to_pylist()})


def test_each_test_rolls_forward_and_purges() -> None:
    first, second = split(YEAR, Splits(test_cutoffs=2), HORIZON, MONTHLY)
    assert (months(YEAR, first.test), first.test_from) == ([11], dt.datetime(2023, 11, 1))
    # 1 September + 60 days = 31 October, just in time; 1 October + 60 days = 30 November.
    assert months(YEAR, first.learn) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert first.purged == 2  # October, two accounts
    assert months(YEAR, second.test) == [12]
    assert months(YEAR, second.learn) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert second.purged == 2
    assert second.out_of_time


def test_tests_may_be_given_by_date() -> None:
    dates = (dt.date(2023, 12, 1), dt.date(2023, 10, 1))
    spec = Splits(test_at=dates)
    first, second = split(YEAR, spec, HORIZON, MONTHLY)
    assert [months(YEAR, part.test) for part in (first, second)] == [[10], [12]]
    # 1 August + 60 days = 30 September; 1 September + 60 days = 31 October is too late.
    assert (months(YEAR, first.learn), first.purged) == ([1, 2, 3, 4, 5, 6, 7, 8], 2)
    (latest,) = split(YEAR, Splits(test_cutoffs=1), HORIZON, MONTHLY)
    assert second.learn.tolist() == latest.learn.tolist()


def test_a_date_to_test_at_that_is_no_cutoff_is_an_error() -> None:
    spec = Splits(test_at=(dt.date(2023, 11, 1), dt.date(2023, 11, 2)))
    with pytest.raises(LabelError, match=r"2023-11-02: there is no cutoff .* to 2023-12-01"):
        split(YEAR, spec, HORIZON, MONTHLY)
    with pytest.raises(LabelError, match="the table has no rows"):
        split(YEAR.slice(0, 0), spec, HORIZON, MONTHLY)
    early = Splits(test_at=(dt.date(2023, 2, 1),))
    with pytest.raises(LabelError, match="can give 0 tests, but test_at = 2023-02-01"):
        split(YEAR, early, HORIZON, MONTHLY)
    with pytest.raises(LabelError, match="without times have no cutoffs"):
        split(YEAR.drop_columns(["cutoff"]), spec, FLAT, Cutoffs())
    with pytest.raises(ValueError, match="give test_cutoffs, or test_at, but not both"):
        Splits(test_cutoffs=1, test_at=(dt.date(2023, 11, 1),))


def test_a_label_known_exactly_at_the_test_cutoff_may_teach_and_a_day_later_not() -> None:
    table = frame(*((str(n), month(n)) for n in range(1, 13)))
    one = Splits(test_cutoffs=1)
    # 1 November to 1 December
    exact = SubscriptionLabel(horizon_days=30, grace_days=0, settle_days=0)
    assert months(table, split(table, one, exact, MONTHLY)[0].learn)[-1] == 11
    longer = exact.model_copy(update={"settle_days": 1})
    (only,) = split(table, one, longer, MONTHLY)
    assert (months(table, only.learn)[-1], only.purged) == (10, 1)


def test_accounts_never_seen_are_marked() -> None:
    rows = [("a", month(n)) for n in range(1, 13)]
    # What was purged has not been seen either.
    table = frame(*rows, ("purged", month(11)), ("new", month(12)), ("purged", month(12)))
    (only,) = split(table, Splits(test_cutoffs=1), HORIZON, MONTHLY)
    names = table.take(only.test)["account_id"].to_pylist()
    assert dict(zip(names, only.unseen.tolist(), strict=True)) == {
        "a": False,
        "new": True,
        "purged": True,
    }


def test_cutoffs_that_hang_on_renewals_are_parted_by_month() -> None:
    days = [dt.datetime(2023, 1, 1) + dt.timedelta(days=5 * n) for n in range(70)]
    table = frame(*((str(n), day) for n, day in enumerate(days)))
    renewals = Cutoffs(days_before_renewal=20)
    (only,) = split(table, Splits(test_cutoffs=1), HORIZON, renewals)
    assert only.test_from == dt.datetime(2023, 12, 1)
    assert months(table, only.test) == [12]
    # Known by December are the labels up to 2 October, of which 28 September is the last.
    assert only.learn.tolist() == list(range(55))
    assert max(table.take(only.learn)["cutoff"].to_pylist()) == dt.datetime(2023, 9, 28)
    assert only.purged == 12  # from 3 October to 27 November
    weekly = Cutoffs(every=Every(days=5))
    (only,) = split(table, Splits(test_cutoffs=1), HORIZON, weekly)
    # Twelve steps of five days are just the sixty that a label takes.
    assert (only.test.tolist(), only.learn.tolist()) == ([69], list(range(58)))
    assert only.test_from == dt.datetime(2023, 12, 12)


def test_flat_tables_with_times_are_parted_by_month() -> None:
    timed = FLAT.model_copy(update={"time": "t", "horizon_days": 60})
    rows = [(str(n), month(n) + dt.timedelta(days=n)) for n in range(1, 13)]
    (only,) = split(frame(*rows), Splits(test_cutoffs=1), timed, Cutoffs())
    assert (only.test.tolist(), only.test_from) == ([11], dt.datetime(2023, 12, 1))
    assert only.learn.tolist() == list(range(9))  # 11 October + 60 days is after 1 December


def test_a_label_that_is_known_at_once_is_on_one_side_alone() -> None:
    now = FLAT.model_copy(update={"time": "t", "horizon_days": 0})
    table = frame(*((account, month(n)) for n in range(1, 9) for account in "ab"))
    (only,) = split(table, Splits(test_cutoffs=1), now, Cutoffs())
    assert only.test.tolist() == [14, 15]
    assert only.learn.tolist() == list(range(14))
    assert only.purged == 0


def test_one_is_told_in_the_singular() -> None:
    table = frame(("a", month(1)))
    daily = SubscriptionLabel(horizon_days=1, grace_days=0, settle_days=0)
    spec = Splits(test_cutoffs=1)
    with pytest.raises(LabelError, match=r"^1 cutoff can give 0 tests.* takes 1 day to"):
        split(table, spec, daily, MONTHLY)


def test_too_little_history_is_an_error_that_says_what_is_needed() -> None:
    short = YEAR.slice(0, 4)  # January and February
    with pytest.raises(
        LabelError, match=r"2 cutoffs can give 0 tests, but test_cutoffs = 1: .* takes 60 days to"
    ):
        split(short, Splits(test_cutoffs=1), HORIZON, MONTHLY)
    # 1 January + 60 days is 2 March: April is the first to be tested.
    assert len(split(YEAR, Splits(test_cutoffs=9), HORIZON, MONTHLY)) == 9
    with pytest.raises(LabelError, match="12 cutoffs can give 9 tests, but test_cutoffs = 10"):
        split(YEAR, Splits(test_cutoffs=10), HORIZON, MONTHLY)
    with pytest.raises(LabelError, match="12 cutoffs can give 9 tests, but test_cutoffs = 99"):
        split(YEAR, Splits(test_cutoffs=99), HORIZON, MONTHLY)


def test_without_times_accounts_are_held_out_by_their_hash() -> None:
    names = [f"account-{n}" for n in range(2000)]
    table = pa.table({"account_id": names})
    spec = Splits(test_share=0.25)
    (only,) = split(table, spec, FLAT, Cutoffs())
    assert not only.out_of_time
    assert only.test_from is None
    assert only.unseen.all()
    expected = [
        n
        for n, name in enumerate(names)
        if hashlib.sha256(name.encode()).digest()[0] < 64  # the first byte of a quarter
    ]
    assert only.test.tolist() == expected
    assert sorted([*only.learn.tolist(), *expected]) == list(range(2000))
    # A table in another order, or with more accounts, parts each account the same way.
    (turned,) = split(table.slice(1000), spec, FLAT, Cutoffs())
    assert (turned.test + 1000).tolist() == [n for n in expected if n >= 1000]


def test_an_account_is_never_on_both_sides_of_a_holdout() -> None:
    table = pa.table({"account_id": [f"account-{n % 50}" for n in range(200)]})
    (only,) = split(table, Splits(), FLAT, Cutoffs())
    names = np.array(table["account_id"].to_pylist())
    assert not set(names[only.test]) & set(names[only.learn])
    assert only.test.size + only.learn.size == 200
    assert (only.purged, bool(only.unseen.all())) == (0, True)


def test_a_handful_of_accounts_cannot_be_held_out() -> None:
    with pytest.raises(LabelError, match="2 rows cannot be parted into 20% to test on"):
        split(pa.table({"account_id": ["a", "b"]}), Splits(), FLAT, Cutoffs())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 400)), min_size=1, max_size=60),
    st.integers(0, 30),
    st.integers(1, 90),
    st.integers(0, 20),
    st.integers(1, 3),
    st.booleans(),
)
def test_nothing_learnt_was_unknown_when_it_was_judged(
    rows: list[tuple[str, int]],
    lead: int,
    horizon: int,
    settle: int,
    tests: int,
    by_month: bool,
) -> None:
    start = dt.datetime(2023, 1, 1)
    table = frame(*((account, start + dt.timedelta(days=day)) for account, day in rows))
    label = InactivityLabel(
        kind="inactivity", lead_days=lead, horizon_days=horizon, settle_days=settle
    )
    cutoffs = Cutoffs(days_before_renewal=1) if by_month else MONTHLY
    try:
        found = split(table, Splits(test_cutoffs=tests), label, cutoffs)
    except LabelError:
        return
    assert len(found) == tests
    moments = np.asarray(table["cutoff"], dtype="datetime64[us]")
    closed = moments + np.timedelta64(lead + horizon + settle, "D")
    for item in found:
        learn, test = set(item.learn.tolist()), set(item.test.tolist())
        assert learn
        assert test
        assert not learn & test
        judged = np.datetime64(item.test_from)
        assert moments[item.test].min() >= judged
        assert closed[item.learn].max() <= judged
        # And nothing that was known is left lying.
        assert learn == set(np.flatnonzero((closed <= judged) & (moments < judged)).tolist())
        assert item.purged + len(learn) == int((moments < judged).sum())


def test_a_span_is_from_the_first_to_the_last() -> None:
    assert span(YEAR) == Span(first=dt.datetime(2023, 1, 1), last=dt.datetime(2023, 12, 1))
    assert span(YEAR.slice(0, 0)) is None
    assert span(YEAR.drop_columns(["cutoff"])) is None
