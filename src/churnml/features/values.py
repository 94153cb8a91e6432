"""Nullable columns in numpy: what expressions are evaluated over and features are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnml.history.tables import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR
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
            mask = None if self.valid.all() else ~self.valid
            return pa.array(self.data.astype(np.float64, copy=False), mask=mask)
        if not self.levels:
            return pa.nulls(len(self.data), pa.string())
        codes = pa.array(self.data.astype(np.int32), mask=~self.valid)
        return pa.DictionaryArray.from_arrays(codes, pa.array(self.levels)).cast(pa.string())


def numbers(data: NDArray[Any]) -> Values:
    """Make a column of numbers that are all there."""
    return Values(Type.NUMBER, data.astype(np.float64), np.ones(len(data), dtype=bool))


def values_of(column: pa.ChunkedArray) -> Values:
    """Turn an Arrow column into nullable numpy values.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Strings, timestamps, booleans or numbers.

    Returns
    -------
    Values
        Of the same length; a null string has the code of `NULL_LEVEL`.
    """
    missing = column.null_count > 0
    valid = column.is_valid().to_numpy() if missing else np.ones(len(column), dtype=bool)
    if pa.types.is_string(column.type):
        codes, levels = codes_of(column)
        return Values(Type.STRING, codes, valid, levels)
    if pa.types.is_timestamp(column.type):
        return Values(Type.TIME, integers_of(column), valid)
    if pa.types.is_boolean(column.type):
        filled = column.fill_null(False) if missing else column
        return Values(Type.BOOLEAN, filled.to_numpy(), valid)
    doubles = column.cast(pa.float64(), safe=False)
    filled = doubles.fill_null(0.0) if missing else doubles
    return Values(Type.NUMBER, filled.to_numpy(), valid)


def integers_of(column: pa.ChunkedArray, missing: int = 0) -> NDArray[np.int64]:
    """Read whole numbers, or times as microseconds, with a stand-in for null."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us"))
    whole = column.cast(pa.int64())
    return np.asarray((whole.fill_null(missing) if whole.null_count else whole).to_numpy())


def codes_of(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Encode strings as codes into levels; null gets a code of its own, the last."""
    coded = column.dictionary_encode().combine_chunks()
    codes, levels = coded.indices, tuple(coded.dictionary.to_pylist())
    if codes.null_count:
        codes, levels = codes.fill_null(len(levels)), (*levels, NULL_LEVEL)
    return np.asarray(codes).astype(np.int64), levels
