from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pytest

from churnml.training.audit.worth import Rows, ranked, shares, steps


def rows(label: np.ndarray, account: np.ndarray | None = None) -> Rows:
    return Rows(label.astype(bool), np.arange(label.size) if account is None else account, None)


@pytest.mark.parametrize(
    ("values", "held", "found"),
    [
        ([3, None, 1, 3], pa.int64(), [2, 0, 1, 2]),
        ([0.5, float("nan"), -1.0, None], pa.float64(), [2, 0, 1, 0]),
        ([True, None, False], pa.bool_(), [2, 0, 1]),
        (["b", None, "a", "b"], pa.string(), [1, 0, 2, 1]),
        (["b", None, "a", "b"], pa.dictionary(pa.int8(), pa.string()), [1, 0, 2, 1]),
        ([decimal.Decimal("1.5"), None], pa.decimal128(5, 2), [1, 0]),
        ([dt.date(2024, 1, 2), None, dt.date(2024, 1, 1)], pa.date32(), [2, 0, 1]),
        ([dt.datetime(2024, 1, 2), None], pa.timestamp("us", "UTC"), [1, 0]),
        ([1_700_000_000_000_000_001, None, 5], pa.timestamp("ns"), [2, 0, 1]),
        ([dt.time(1), None, dt.time(0)], pa.time32("s"), [2, 0, 1]),
        ([None, None], pa.float64(), [0, 0]),
        ([None, None], pa.string(), [0, 0]),
    ],
)
def test_values_become_steps(values: list[object], held: pa.DataType, found: list[int]) -> None:
    got = steps(pa.chunked_array([pa.array(values, held)]))

    assert got is not None
    assert got.tolist() == found


@pytest.mark.parametrize("held", [pa.list_(pa.int64()), pa.binary(), pa.duration("s")])
def test_what_has_no_order_and_no_name_has_no_steps(held: pa.DataType) -> None:
    assert steps(pa.chunked_array([pa.nulls(3, held)])) is None


def test_many_numbers_are_cut_into_equal_shares() -> None:
    found = steps(pa.chunked_array([pa.array(np.arange(4000))]))

    assert found is not None
    assert np.bincount(found)[1:].tolist() == [100] * 40


def test_rare_categories_share_a_step() -> None:
    names = ["usual"] * 3 + [f"name {n}" for n in range(100)]

    found = steps(pa.chunked_array([pa.array(names)]))

    assert found is not None
    assert found.max() == 40
    assert (found == 40).sum() == 62


def test_an_account_never_scores_itself() -> None:
    """A name for each account is worth nothing, however well it tells who left."""
    draw = np.random.default_rng(0)
    label = draw.random(900) < 0.3
    account = np.arange(900)
    names = steps(pa.chunked_array([pa.array(account // 30)]))
    assert names is not None

    own = Rows(np.repeat(label[:30], 30), account // 30, None)

    assert ranked(names, own).interval().low <= 0.5


def test_shares_are_those_of_other_folds_shrunk_to_the_common_one() -> None:
    label = np.array([1, 0, 1, 1, 0, 0, 1, 0] * 25)
    step = np.array([1, 2] * 100)
    table = rows(label)

    found = shares(step, table)

    for fold in range(5):
        others = (table.fold != fold) & (step == 1)
        expected = (label[others].sum() + 10 * 0.5) / (others.sum() + 10)
        assert found[1, fold] == pytest.approx(expected)


def test_a_bend_is_worth_as_much_as_a_slope() -> None:
    draw = np.random.default_rng(1)
    value = draw.normal(size=3000)
    label = draw.random(3000) < np.where(np.abs(value) > 1, 0.8, 0.1)
    found = steps(pa.chunked_array([pa.array(value)]))
    assert found is not None

    table = rows(label)

    assert ranked(found, table).value > 0.8
    assert table.rank(value).value == pytest.approx(0.5, abs=0.03)
