"""Arrow columns as nullable numpy values, and back."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from churnml.features.values import NULL_LEVEL, Type, Values, integers_of, numbers, values_of


def column(values: list[object], kind: pa.DataType) -> pa.ChunkedArray:
    """Put the first value into a chunk of its own."""
    return pa.chunked_array([pa.array(values[:1], kind), pa.array(values[1:], kind)])


@pytest.mark.parametrize(
    ("values", "kind", "type_", "told"),
    [
        ([1.5, None, -2.0], pa.float64(), Type.NUMBER, [1.5, None, -2.0]),
        ([3, None], pa.int64(), Type.NUMBER, [3.0, None]),
        ([2**53 + 1], pa.int64(), Type.NUMBER, [2.0**53]),
        ([True, None, False], pa.bool_(), Type.BOOLEAN, [1.0, None, 0.0]),
        ([False], pa.bool_(), Type.BOOLEAN, [0.0]),
        (["b", None, "a", "b"], pa.string(), Type.STRING, ["b", None, "a", "b"]),
        ([None], pa.string(), Type.STRING, [None]),
        ([], pa.string(), Type.STRING, []),
        ([dt.datetime(1970, 1, 1, 0, 0, 1), None], pa.timestamp("ms"), Type.TIME, [1e6, None]),
    ],
)
def test_columns_there_and_back(
    values: list[object], kind: pa.DataType, type_: Type, told: list[object]
) -> None:
    found = values_of(column(values, kind))
    assert found.type is type_
    assert len(found.valid) == len(values)
    assert found.to_arrow().to_pylist() == told


def test_strings_are_codes_and_null_has_the_last() -> None:
    found = values_of(column(["b", None, "a"], pa.string()))
    assert found.levels == ("b", "a", NULL_LEVEL)
    assert found.data.tolist() == [0, 2, 1]
    assert found.valid.tolist() == [True, False, True]
    assert found.sortable().tolist() == [2, 0, 1]


def test_strings_sort_by_their_bytes() -> None:
    found = values_of(column(["é", "z", "Z", "\U0001f600", "\uffff"], pa.string()))
    order = np.argsort(found.sortable())
    names = [found.levels[code] for code in found.data[order]]
    assert names == sorted(names, key=str.encode) == ["Z", "z", "é", "\uffff", "\U0001f600"]


def test_numbers_sort_as_they_are() -> None:
    assert numbers(np.array([2, 1])).sortable().tolist() == [2.0, 1.0]


def test_null_is_not_true() -> None:
    condition = Values(Type.BOOLEAN, np.array([True, True, False]), np.array([True, False, True]))
    assert condition.true.tolist() == [True, False, False]
    taken = condition.take(np.array([2, 0]))
    assert (taken.data.tolist(), taken.valid.tolist()) == ([False, True], [True, True])


def test_whole_numbers_take_a_stand_in_for_null() -> None:
    assert integers_of(column([1, None], pa.int32()), -7).tolist() == [1, -7]
    assert integers_of(column([None], pa.timestamp("ns")), -7).tolist() == [-7]
