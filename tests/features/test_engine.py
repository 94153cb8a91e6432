"""The plan against an oracle that knows nothing of it, the live path against the batch, and both
against what may be asked of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.errors import ConfigError, DataError, FeatureError, SourceError
from churnml.features import engine
from churnml.features.catalogue import Catalogue
from churnml.features.engine import compute, compute_live
from churnml.features.facts import compile_catalogue
from churnml.history.asof import AsOfView, History
from churnml.history.tables import STANDARD

from .histories import (
    ACCOUNTS,
    START,
    TICK,
    UNTIL,
    cutoff_lists,
    empty,
    histories,
    one_row,
    to_history,
)
from .oracle import Row, Tables, all_features, days, expected

CATALOGUE = all_features()
C = START + days(100)
Pair = tuple[str, dt.datetime]


def micros(cutoff: dt.datetime) -> int:
    return int(np.datetime64(cutoff, "us").astype(np.int64))


def batch(history: History, pairs: Sequence[Pair], catalogue: Catalogue = CATALOGUE) -> list[Row]:
    program = compile_catalogue(catalogue, history.contracts)
    cutoffs = np.array([micros(c) for _, c in pairs], dtype=np.int64)
    result: list[Row] = [{}] * len(pairs)
    for rows in compute(history, program, [a for a, _ in pairs], cutoffs):
        assert (np.diff(rows.positions) > 0).all()
        for position, row in zip(rows.positions, rows.columns.to_pylist(), strict=True):
            assert result[position] == {}
            result[position] = row
    return result


def live(
    history: History,
    accounts: Sequence[str],
    cutoff: dt.datetime,
    catalogue: Catalogue = CATALOGUE,
) -> list[Row]:
    program = compile_catalogue(catalogue, history.contracts)
    rows: list[Row] = compute_live(history, program, accounts, cutoff).to_pylist()
    return rows


def select(*names: str) -> Catalogue:
    return CATALOGUE.select(names)


@given(histories(), cutoff_lists)
@settings(max_examples=50, deadline=None)
def test_batch_agrees_with_the_oracle(
    generated: tuple[Tables, bool], cutoffs: list[dt.datetime]
) -> None:
    tables, late = generated
    history = to_history(tables, late_usage=late)
    pairs = [(a, c) for a in ACCOUNTS for c in cutoffs]
    for (account, cutoff), row in zip(pairs, batch(history, pairs), strict=True):
        assert row == expected(tables, account, cutoff), (account, cutoff)


@given(histories(), cutoff_lists, st.sampled_from([("a",), ("it's", "b"), ACCOUNTS]))
@settings(max_examples=25, deadline=None)
def test_live_equals_batch_exactly(
    generated: tuple[Tables, bool], cutoffs: list[dt.datetime], accounts: tuple[str, ...]
) -> None:
    tables, late = generated
    history = to_history(tables, late_usage=late)
    pairs = [(a, c) for c in cutoffs for a in accounts]
    assert batch(history, pairs) == [row for c in cutoffs for row in live(history, accounts, c)]


@given(histories(), cutoff_lists, st.integers(1, 400))
@settings(max_examples=8, deadline=None)
def test_chunks_equal_the_whole(
    generated: tuple[Tables, bool], cutoffs: list[dt.datetime], places: int
) -> None:
    tables, late = generated
    history = to_history(tables, late_usage=late)
    pairs = [(a, c) for c in cutoffs for a in ACCOUNTS]
    whole = batch(history, pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "CHUNK_PLACES", places)
        assert batch(history, pairs) == whole


def some_usage() -> Tables:
    tables = empty()
    tables["usage"] = [
        {"account_id": a, "occurred_at": C - days(n), "event": "view", "quantity": 1.0}
        for n in range(1, 40)
        for a in ACCOUNTS
    ]
    return tables


@pytest.mark.parametrize("places", [1, 1 << 23])
def test_progress_rises_by_one_to_its_total(monkeypatch: pytest.MonkeyPatch, places: int) -> None:
    monkeypatch.setattr(engine, "CHUNK_PLACES", places)
    history = to_history(some_usage())
    program = compile_catalogue(select("use_7d", "csat_last"), history.contracts)
    cutoffs = np.array([micros(C), micros(C + TICK)] * 3)
    accounts = [a for a in ACCOUNTS for _ in range(2)]
    seen: list[tuple[int, int]] = []
    parts = list(
        compute(history, program, accounts, cutoffs, progress=lambda *step: seen.append(step))
    )
    chunks = 3 if places == 1 else 1
    total = 2 * (2 + chunks)
    assert seen == [(n, total) for n in range(1, total + 1)]
    assert sorted(p for part in parts for p in part.positions) == list(range(6))


def test_no_pairs_and_no_accounts_give_no_rows() -> None:
    history = to_history(some_usage())
    program = compile_catalogue(CATALOGUE, history.contracts)
    assert list(compute(history, program, [], np.zeros(0, dtype=np.int64))) == []
    nothing = compute_live(history, program, [], C)
    assert (nothing.num_rows, nothing.column_names) == (0, list(CATALOGUE.columns))


def test_accounts_without_rows_have_done_nothing() -> None:
    history = to_history(some_usage())
    found = batch(history, [("nobody", C), ("a", C)], select("use_7d", "days_since_use"))
    assert found == [
        {"use_7d": 0.0, "days_since_use": None},
        {"use_7d": 7.0, "days_since_use": 1.0},
    ]
    assert live(history, ["nobody"], C) == batch(history, [("nobody", C)])


def test_an_account_asked_for_twice_gets_two_rows_in_the_order_given() -> None:
    history = to_history(some_usage())
    names = ["b", "a", "nobody", "b"]
    found = [row["use_7d"] for row in live(history, names, C)]
    assert found == [7.0, 7.0, 0.0, 7.0]
    assert [r["use_7d"] for r in batch(history, [(a, C) for a in names])] == found


@pytest.mark.parametrize(
    "cutoff", [dt.datetime(1950, 1, 1), START - days(5000), dt.datetime(2199, 1, 1)]
)
def test_a_cutoff_far_from_history_is_answered(cutoff: dt.datetime) -> None:
    tables = some_usage()
    history = to_history(tables)
    want = expected(tables, "a", cutoff)
    assert batch(history, [("a", cutoff)]) == [want]
    assert live(history, ["a"], cutoff) == [want]


@pytest.mark.parametrize("cutoff", [dt.datetime(1, 1, 1), dt.datetime(9999, 1, 1)])
def test_a_cutoff_that_is_no_date_of_business_is_refused(cutoff: dt.datetime) -> None:
    history = to_history(some_usage())
    with pytest.raises(FeatureError, match=r"expected .* between 1900 and 2200"):
        live(history, ["a"], cutoff)
    with pytest.raises(FeatureError, match=r"expected .* between 1900 and 2200"):
        batch(history, [("a", cutoff)])


def test_times_at_the_ends_of_the_calendar_are_harmless() -> None:
    tables = some_usage()
    for time in (dt.datetime(1, 1, 1), dt.datetime(1969, 12, 31), dt.datetime(9999, 12, 31)):
        event = {"account_id": "a", "occurred_at": time, "event": "view", "quantity": 1.0}
        tables["usage"].append(event)
    history = to_history(tables)
    pairs = [("a", C), ("a", C - days(30))]
    want = [expected(tables, a, c) for a, c in pairs]
    assert want[0]["use_ever"] == 41.0
    assert batch(history, pairs) == want
    assert [row for _, c in pairs for row in live(history, ["a"], c)] == want


@pytest.mark.parametrize("run", [batch, lambda h, p, c: live(h, [p[0][0]], p[0][1], c)])
@pytest.mark.parametrize(
    "quantities", [[1e13], [9e12, 9e12], [1e300], [-9.3e12], [9e12, -9e12, 9e12, 9e12]]
)
def test_a_sum_that_would_not_be_exact_is_refused(
    run: Callable[[History, list[Pair], Catalogue], object], quantities: list[float]
) -> None:
    tables = empty()
    for n, quantity in enumerate(quantities):
        tables["usage"].append(
            {"account_id": "a", "occurred_at": C - days(n + 8), "quantity": quantity}
        )
    with pytest.raises(FeatureError, match="table 'usage': a sum of quantity is out of range"):
        run(to_history(tables), [("a", C)], select("quantity_between_30d"))


def test_a_sum_just_in_range_is_exact() -> None:
    tables = empty()
    for quantity, n in ((4e12, 8), (4e12, 9), (0.000001, 10)):
        tables["usage"].append(
            {"account_id": "a", "occurred_at": C - days(n), "quantity": quantity}
        )
    history = to_history(tables)
    want = [{"quantity_between_30d": 8e12 + 0.000001}]
    assert batch(history, [("a", C)], select("quantity_between_30d")) == want
    assert live(history, ["a"], C, select("quantity_between_30d")) == want


def test_a_formula_that_is_no_finite_number_is_not_there(tmp_path: Path) -> None:
    history = to_history(one_row("usage", occurred_at=C - days(1), quantity=1e300))
    changed = [
        replace(f, entry=f.entry.model_copy(update={"formula": "quantity_max_7d * 1e200"}))
        if f.name == "use_change"
        else f
        for f in CATALOGUE.features
    ]
    kept = tuple(f for f in changed if f.name in {"quantity_max_7d", "use_change"})
    catalogue = Catalogue(kept, CATALOGUE.titles)
    assert live(history, ["a"], C, catalogue)[0]["use_change"] is None
    assert batch(history, [("a", C)], catalogue)[0]["use_change"] is None


def test_a_cutoff_with_a_time_zone_is_refused() -> None:
    with pytest.raises(DataError, match="has a time zone; expected a naive time in UTC"):
        live(to_history(empty()), ["a"], C.replace(tzinfo=dt.UTC))


def test_live_reads_clean_history_on_disk(tmp_path: Path) -> None:
    history = to_history(some_usage())
    for name in history.contracts:
        pq.write_table(history.hindsight(name), tmp_path / f"{name}.parquet")
    on_disk = History(
        contracts=history.contracts,
        observed_until=UNTIL,
        data={name: tmp_path / f"{name}.parquet" for name in history.contracts},
    )
    assert live(on_disk, ["it's"], C) == live(history, ["it's"], C)
    assert batch(on_disk, [("it's", C)]) == live(history, ["it's"], C)


def test_a_memory_limit_that_is_none_is_refused() -> None:
    history = to_history(some_usage())
    program = compile_catalogue(CATALOGUE, history.contracts)
    with pytest.raises(ConfigError, match=r"memory limit 'much': .*Expected such as '2GB'"):
        next(compute(history, program, ["a"], np.array([micros(C)]), memory_limit="much"))


def test_what_memory_does_not_hold_is_said(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "account_id": pa.array([f"account {n}" for n in range(200_000)]),
            "occurred_at": pa.array([C - days(1)] * 200_000, pa.timestamp("us")),
            "contact_id": pa.array([f"contact {n}" for n in range(200_000)]),
        }
    )
    history = History.from_tables({"usage": rows}, observed_until=UNTIL)
    program = compile_catalogue(select("people_7d"), history.contracts)
    with pytest.raises(FeatureError, match="table 'usage': memory does not suffice"):
        list(compute(history, program, ["account 1"], np.array([micros(C)]), memory_limit="1MB"))


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    history = History(STANDARD, UNTIL, {"usage": tmp_path / "usage.parquet"})
    program = compile_catalogue(select("use_7d"), history.contracts)
    with pytest.raises(SourceError, match=r"clean history cannot be read.*usage\.parquet"):
        next(compute(history, program, ["a"], np.array([micros(C)])))


def test_a_file_that_goes_meanwhile_is_said(tmp_path: Path) -> None:
    held = to_history(some_usage())
    for name in ("tickets", "usage"):
        pq.write_table(held.hindsight(name), tmp_path / f"{name}.parquet")
    data = {name: tmp_path / f"{name}.parquet" for name in ("tickets", "usage")}
    history = History(held.contracts, UNTIL, data)
    program = compile_catalogue(select("use_7d", "csat_last"), history.contracts)

    def remove(_done: int, _total: int) -> None:
        for path in data.values():
            path.unlink(missing_ok=True)

    with pytest.raises(SourceError, match=r"table 'tickets' cannot be read: .*tickets\.parquet"):
        next(compute(history, program, ["a"], np.array([micros(C)]), progress=remove))


def custom(function: str) -> Catalogue:
    """One custom feature, and a formula that reads it."""
    own = next(f for f in CATALOGUE.features if f.name == "use_change")
    entry = own.entry.model_copy(update={"function": f"{__name__}:{function}", "formula": None})
    double = own.entry.model_copy(update={"formula": "own * 2"})
    features = replace(own, name="own", entry=entry), replace(own, name="double", entry=double)
    return Catalogue(features, {"test": "Test"})


def uses_seen(view: AsOfView, accounts: tuple[str, ...]) -> list[float | None]:
    seen = view.table("usage")["account_id"].to_pylist()
    return [seen.count(account) or None for account in accounts]


def too_few(_view: AsOfView, _accounts: tuple[str, ...]) -> list[float]:
    return []


def words(_view: AsOfView, accounts: tuple[str, ...]) -> list[str]:
    return ["many"] * len(accounts)


def endless(_view: AsOfView, accounts: tuple[str, ...]) -> list[float]:
    return [float("inf")] * len(accounts)


NOT_A_FUNCTION = 3


def test_a_custom_feature_sees_history_as_of_the_cutoff_and_formulas_read_it() -> None:
    history = to_history(some_usage())
    pairs = [("a", C), ("nobody", C), ("a", C - days(38))]
    found = batch(history, pairs, custom("uses_seen"))
    assert [row["own"] for row in found] == [39.0, None, 1.0]
    assert [row["double"] for row in found] == [78.0, None, 2.0]
    assert live(history, ["a", "nobody"], C, custom("uses_seen")) == found[:2]


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("too_few", r"too_few returned 0 values for 1 accounts; expected one each"),
        ("words", r"words returned 'many' for account 'a'; expected a finite number"),
        ("endless", r"endless returned inf for account 'a'; expected a finite number"),
        ("absent", r"absent' cannot be imported: .* Expected \"package\.module:function\""),
        ("NOT_A_FUNCTION", r"NOT_A_FUNCTION' is a int, not a function"),
    ],
)
def test_a_custom_feature_that_goes_wrong_is_named(function: str, why: str) -> None:
    with pytest.raises(FeatureError, match=why):
        live(to_history(some_usage()), ["a"], C, custom(function))
