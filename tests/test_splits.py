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
from churnml.splits import Splits, final, split

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
    first, second = split(YEAR, Splits(test_cutoffs=2, validation_cutoffs=2), HORIZON, MONTHLY)
    assert (months(YEAR, first.test), first.test_from) == ([11], dt.datetime(2023, 11, 1))
    # Labels of September run into November (1 September + 60 days = 31 October: just in time).
    assert months(YEAR, first.validation) == [8, 9]
    # 1 June + 60 days = 31 July, before 1 August; July is purged.
    assert months(YEAR, first.fit) == [1, 2, 3, 4, 5, 6]
    assert first.purged == 4  # July and October, two accounts each
    # 1 October + 60 days = 30 November, before 1 December.
    assert months(YEAR, second.test) == [12]
    assert months(YEAR, second.validation) == [9, 10]
    assert months(YEAR, second.fit) == [1, 2, 3, 4, 5, 6, 7]  # 1 July + 60 days = 30 August
    assert second.out_of_time


def test_tests_may_be_given_by_date() -> None:
    dates = (dt.date(2023, 12, 1), dt.date(2023, 10, 1))
    spec = Splits(test_at=dates, validation_cutoffs=1)
    first, second = split(YEAR, spec, HORIZON, MONTHLY)
    assert [months(YEAR, part.test) for part in (first, second)] == [[10], [12]]
    # 1 August + 60 days = 30 September, and 1 June + 60 days = 31 July.
    assert (months(YEAR, first.validation), months(YEAR, first.fit)) == ([8], [1, 2, 3, 4, 5, 6])
    latest = Splits(test_cutoffs=1, validation_cutoffs=1)
    assert second.fit.tolist() == split(YEAR, latest, HORIZON, MONTHLY)[0].fit.tolist()


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
    one = Splits(test_cutoffs=1, validation_cutoffs=1)
    # 1 November to 1 December
    exact = SubscriptionLabel(horizon_days=30, grace_days=0, settle_days=0)
    assert months(table, split(table, one, exact, MONTHLY)[0].validation) == [11]
    longer = exact.model_copy(update={"settle_days": 1})
    assert months(table, split(table, one, longer, MONTHLY)[0].validation) == [10]


def test_accounts_never_seen_are_marked() -> None:
    rows = [("a", month(n)) for n in range(1, 13)]
    table = frame(*rows, ("validated", month(9)), ("new", month(12)), ("validated", month(12)))
    (only,) = split(table, Splits(test_cutoffs=1, validation_cutoffs=2), HORIZON, MONTHLY)
    names = table.take(only.test)["account_id"].to_pylist()
    assert dict(zip(names, only.unseen.tolist(), strict=True)) == {
        "a": False,
        "new": True,
        "validated": False,
    }


def test_cutoffs_that_hang_on_renewals_are_parted_by_month() -> None:
    days = [dt.datetime(2023, 1, 1) + dt.timedelta(days=5 * n) for n in range(70)]
    table = frame(*((str(n), day) for n, day in enumerate(days)))
    renewals = Cutoffs(days_before_renewal=20)
    (only,) = split(table, Splits(test_cutoffs=1, validation_cutoffs=2), HORIZON, renewals)
    assert only.test_from == dt.datetime(2023, 12, 1)
    assert months(table, only.test) == [12]
    # Known by December are the labels up to 2 October, of which 28 September is the last.
    assert months(table, only.validation) == [8, 9]
    assert max(table.take(only.validation)["cutoff"].to_pylist()) == dt.datetime(2023, 9, 28)
    # And by 1 August those up to 2 June.
    assert max(table.take(only.fit)["cutoff"].to_pylist()) == dt.datetime(2023, 5, 31)
    weekly = Cutoffs(every=Every(days=5))
    (only,) = split(table, Splits(test_cutoffs=1, validation_cutoffs=2), HORIZON, weekly)
    assert (only.test.tolist(), only.validation.size) == ([69], 2)


def test_flat_tables_with_times_are_parted_by_month() -> None:
    timed = FLAT.model_copy(update={"time": "t", "horizon_days": 60})
    rows = [(str(n), month(n) + dt.timedelta(days=n)) for n in range(1, 13)]
    (only,) = split(frame(*rows), Splits(test_cutoffs=1, validation_cutoffs=2), timed, Cutoffs())
    assert (only.test.tolist(), only.test_from) == ([11], dt.datetime(2023, 12, 1))
    assert only.validation.tolist() == [7, 8]  # 10 October + 60 days is after 1 December


def test_a_label_that_is_known_at_once_is_on_one_side_alone() -> None:
    now = FLAT.model_copy(update={"time": "t", "horizon_days": 0})
    table = frame(*((account, month(n)) for n in range(1, 9) for account in "ab"))
    (only,) = split(table, Splits(test_cutoffs=1, validation_cutoffs=2), now, Cutoffs())
    assert only.test.tolist() == [14, 15]
    assert only.validation.tolist() == [10, 11, 12, 13]
    assert only.fit.tolist() == list(range(10))
    assert only.purged == 0
    last = final(table, Splits(validation_cutoffs=2), now, Cutoffs())
    assert (last.validation.tolist(), last.fit.tolist()) == ([12, 13, 14, 15], list(range(12)))


def test_one_is_told_in_the_singular() -> None:
    table = frame(("a", month(1)))
    daily = SubscriptionLabel(horizon_days=1, grace_days=0, settle_days=0)
    spec = Splits(test_cutoffs=1, validation_cutoffs=1)
    with pytest.raises(LabelError, match=r"^1 cutoff can give 0 tests.*takes 1 cutoff,.* 1 day to"):
        split(table, spec, daily, MONTHLY)


def test_the_final_split_holds_nothing_back() -> None:
    last = final(YEAR, Splits(validation_cutoffs=2), HORIZON, MONTHLY)
    assert months(YEAR, last.validation) == [11, 12]
    assert months(YEAR, last.fit) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert (last.test.size, last.unseen.size, last.purged, last.test_from) == (0, 0, 2, None)


def test_too_little_history_is_an_error_that_says_what_is_needed() -> None:
    short = YEAR.slice(0, 10)  # five cutoffs
    with pytest.raises(LabelError, match="5 cutoffs can give 0 tests, but test_cutoffs = 1"):
        split(short, Splits(test_cutoffs=1, validation_cutoffs=4), HORIZON, MONTHLY)
    with pytest.raises(LabelError, match="12 cutoffs can give 7 tests, but test_cutoffs = 8"):
        split(YEAR, Splits(test_cutoffs=8, validation_cutoffs=1), HORIZON, MONTHLY)
    with pytest.raises(LabelError, match=r"5 cutoffs cannot give a model.* takes 4 cutoffs"):
        final(short, Splits(validation_cutoffs=4), HORIZON, MONTHLY)
    with pytest.raises(LabelError, match=r"5 cutoffs cannot give a model.* takes 9 cutoffs"):
        final(short, Splits(validation_cutoffs=9), HORIZON, MONTHLY)


def test_without_times_accounts_are_held_out_by_their_hash() -> None:
    names = [f"account-{n}" for n in range(2000)]
    table = pa.table({"account_id": names})
    spec = Splits(test_share=0.25, validation_share=0.2)
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
    assert 0.12 < only.validation.size / 2000 < 0.18
    # A table in another order, or with more accounts, parts each account the same way.
    (turned,) = split(table.slice(1000), spec, FLAT, Cutoffs())
    assert (turned.test + 1000).tolist() == [n for n in expected if n >= 1000]


def test_the_final_holdout_keeps_no_test() -> None:
    table = pa.table({"account_id": [f"account-{n}" for n in range(500)]})
    last = final(table, Splits(validation_share=0.2), FLAT, Cutoffs())
    assert (last.test.size, last.fit.size + last.validation.size) == (0, 500)
    assert 70 < last.validation.size < 130


def test_an_account_is_never_on_both_sides_of_a_holdout() -> None:
    table = pa.table({"account_id": [f"account-{n % 50}" for n in range(200)]})
    (only,) = split(table, Splits(), FLAT, Cutoffs())
    names = np.array(table["account_id"].to_pylist())
    assert not set(names[only.test]) & set(names[only.fit])
    assert not set(names[only.validation]) & set(names[only.fit])


def test_a_handful_of_accounts_cannot_be_held_out() -> None:
    with pytest.raises(LabelError, match="2 rows are too few to hold out 20%"):
        split(pa.table({"account_id": ["a", "b"]}), Splits(), FLAT, Cutoffs())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 400)), min_size=1, max_size=60),
    st.integers(0, 30),
    st.integers(1, 90),
    st.integers(0, 20),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_nothing_learnt_was_unknown_when_it_was_judged(
    rows: list[tuple[str, int]],
    lead: int,
    horizon: int,
    settle: int,
    tests: int,
    validations: int,
    by_month: bool,
) -> None:
    start = dt.datetime(2023, 1, 1)
    table = frame(*((account, start + dt.timedelta(days=day)) for account, day in rows))
    label = InactivityLabel(
        kind="inactivity", lead_days=lead, horizon_days=horizon, settle_days=settle
    )
    cutoffs = Cutoffs(days_before_renewal=1) if by_month else MONTHLY
    try:
        found = split(
            table, Splits(test_cutoffs=tests, validation_cutoffs=validations), label, cutoffs
        )
    except LabelError:
        return
    assert len(found) == tests
    moments = np.asarray(table["cutoff"], dtype="datetime64[us]")
    closed = moments + np.timedelta64(lead + horizon + settle, "D")
    for item in found:
        sides = [set(item.fit.tolist()), set(item.validation.tolist()), set(item.test.tolist())]
        assert len(sides[0] | sides[1] | sides[2]) == sum(map(len, sides))
        assert all(sides)
        judged = np.datetime64(item.test_from)
        assert moments[item.test].min() >= judged
        assert closed[item.fit].max() <= moments[item.validation].min()
        assert max(closed[item.fit].max(), closed[item.validation].max()) <= judged
        assert item.purged + len(sides[0]) + len(sides[1]) == int((moments < judged).sum())
