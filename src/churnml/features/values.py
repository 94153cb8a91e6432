"""Nullable columns in numpy: what expressions are evaluated over and features are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnml.history.tables import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR
NEVER = int(np.iinfo(np.int64).min)  # no time; numpy's NaT has the same bits
NULL_LEVEL = "\0"  # stands for a missing string; nobody can write it in a condition


class Type(StrEnum):
    """The types that values take in an expression."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"
    TIME = "time"


TYPE_OF_KIND: Mapping[Kind, Type] = {
    Kind.ID: Type.STRING,
    Kind.STRING: Type.STRING,
    Kind.NUMBER: Type.NUMBER,
    Kind.INTEGER: Type.NUMBER,
    Kind.BOOLEAN: Type.BOOLEAN,
    Kind.TIME: Type.TIME,
}


@dataclass(frozen=True, eq=False)
class Values:
    """A nullable column.

    Parameters
    ----------
    type : Type
        What `data` holds.
    data : ndarray (n,)
        float64 for numbers, bool, int64 microseconds for times, codes into `levels` for strings.
    valid : ndarray of bool (n,)
        False where the value is null; `data` there is arbitrary.
    levels : tuple of str
        The strings that codes stand for.
    """

    type: Type
    data: NDArray[Any]
    valid: NDArray[np.bool_]
    levels: tuple[str, ...] = ()

    @property
    def true(self) -> NDArray[np.bool_]:
        """Where a condition holds: null is not true."""
        return np.asarray(self.valid & self.data)

    def take(self, places: NDArray[np.intp]) -> Values:
        """Keep the values at some places."""
        return Values(self.type, self.data[places], self.valid[places], self.levels)

    def followed_by(self, other: Values) -> Values:
        """Append the values of another column of the same type."""
        levels, own, others = _merged(self, other)
        data = np.concatenate([own, others])
        return Values(self.type, data, np.concatenate([self.valid, other.valid]), levels)

    def replaced_at(self, places: NDArray[np.intp], other: Values) -> Values:
        """Put another column's values, of the same type, in the place of those at `places`."""
        levels, own, others = _merged(self, other)
        data, valid = own.copy(), self.valid.copy()
        data[places], valid[places] = others, other.valid
        return Values(self.type, data, valid, levels)

    def sortable(self) -> NDArray[Any]:
        """Make values comparable: strings by their place in the order of their bytes."""
        if self.type is not Type.STRING:
            return self.data
        order = {level: place for place, level in enumerate(sorted(self.levels))}
        places = np.array([order[level] for level in self.levels], dtype=np.int64)
        return np.asarray(places[self.data]) if len(places) else self.data

    def to_arrow(self) -> pa.Array:
        """Give the values to Arrow: as strings, or as float64 otherwise; null where not valid."""
        if self.type is not Type.STRING:
            # Several times as fast as `pa.array` with a mask, which counts for a single row.
            data = np.ascontiguousarray(self.data, dtype=np.float64)
            bits = np.packbits(self.valid, bitorder="little")
            buffers = [pa.py_buffer(bits), pa.py_buffer(data)]
            return pa.Array.from_buffers(pa.float64(), len(data), buffers)
        if not self.levels:
            return pa.nulls(len(self.data), pa.string())
        codes = pa.array(self.data.astype(np.int32), mask=~self.valid)
        return pa.DictionaryArray.from_arrays(codes, pa.array(self.levels)).cast(pa.string())


def _merged(one: Values, two: Values) -> tuple[tuple[str, ...], NDArray[Any], NDArray[Any]]:
    """Bring the codes of two columns of strings to the same levels; other values stay."""
    levels = tuple(dict.fromkeys((*one.levels, *two.levels)))
    if not levels:
        return (), one.data, two.data
    place = {level: code for code, level in enumerate(levels)}
    own, others = (
        np.array([place[level] for level in values.levels] or [0], dtype=np.int64)[values.data]
        for values in (one, two)
    )
    return levels, own, others


@lru_cache(maxsize=32)
def everywhere(size: int) -> NDArray[np.bool_]:
    """Say of every row that it has a value; the same read-only array for the same size."""
    mask = np.ones(size, dtype=bool)
    mask.flags.writeable = False
    return mask


def numbers(data: NDArray[Any]) -> Values:
    """Make a column of numbers that are all there."""
    return Values(Type.NUMBER, data.astype(np.float64), everywhere(len(data)))


def values_of(column: pa.ChunkedArray) -> Values:
    """Turn an Arrow column into nullable numpy values.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Strings, timestamps, booleans or finite numbers.

    Returns
    -------
    Values
        Of the same length. Where it is null a string has the code of `NULL_LEVEL`, a time is
        `NEVER`, a number NaN.
    """
    if pa.types.is_string(column.type):
        codes, levels = codes_of(column)
        missing = len(levels) - 1 if column.null_count else -1
        return Values(Type.STRING, codes, codes != missing, levels)
    if pa.types.is_timestamp(column.type):
        times = integers_of(column, NEVER)
        return Values(Type.TIME, times, times != NEVER)
    if pa.types.is_boolean(column.type):
        there = column.is_valid().to_numpy()
        return Values(Type.BOOLEAN, column.fill_null(False).to_numpy(), there)
    data = column.to_numpy().astype(np.float64, copy=False)
    return Values(Type.NUMBER, data, ~np.isnan(data))


def integers_of(column: pa.ChunkedArray, missing: int = 0) -> NDArray[np.int64]:
    """Read whole numbers, or times as microseconds, with a stand-in for null."""
    if pa.types.is_timestamp(column.type):
        times: NDArray[np.int64] = (
            column.to_numpy().astype("datetime64[us]", copy=False).view(np.int64)
        )
        if missing == NEVER or not column.null_count:
            return times
        return np.where(times == NEVER, missing, times)
    filled = column.fill_null(missing) if column.null_count else column
    return np.asarray(filled.to_numpy().astype(np.int64, copy=False))


def codes_of(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Encode strings as codes into levels; null gets a code of its own, the last."""
    coded = column.dictionary_encode().combine_chunks()
    codes, levels = coded.indices, tuple(coded.dictionary.to_pylist())
    if codes.null_count:
        codes, levels = codes.fill_null(len(levels)), (*levels, NULL_LEVEL)
    return np.asarray(codes).astype(np.int64), levels
