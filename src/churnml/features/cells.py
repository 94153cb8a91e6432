"""Cells: measures by account, segment and known segment; what aggregation hands to the combine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnml.errors import FeatureError
from churnml.features.measures import Cell, Fact, Measure
from churnml.features.values import NEVER, Values, codes_of, integers_of, values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MICRO = 1e6  # sums are kept in millionths
LIMIT = 2.0**63  # sums stay below, in millionths
_MISSING: Mapping[Cell, int] = {Cell.FIRST_AT: NEVER, Cell.LAST_AT: NEVER}


@dataclass(frozen=True, eq=False)
class Last:
    """The latest value of a cell and the event time it has.

    Parameters
    ----------
    at : ndarray of int64 (n,)
        Microseconds; `NEVER` where no row has a value.
    value : Values
        The value at that time; the greatest of those at the same instant.
    """

    at: NDArray[np.int64]
    value: Values


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one fact. Several may share a place; the combine adds them up.

    Parameters
    ----------
    fact : Fact
        What was aggregated.
    account : ndarray of int64 (n,)
        Position of the account among those asked for.
    segment : ndarray of int64 (n,)
        Segment of the event time; of a fact that keeps a column's values apart, the first segment
        of the block that has it.
    known : ndarray of int64 (n,)
        Segment in which the fact became known, never before `segment`. With one cutoff it is
        `segment`, since all that is known before that cutoff is known to it.
    level : ndarray of int64 (n,)
        Code of the dimension or of the split column, into `levels`.
    levels : tuple of str
        What the codes stand for.
    columns : mapping of Measure to ndarray or Last
        One value a cell.
    """

    fact: Fact
    account: NDArray[np.int64]
    segment: NDArray[np.int64]
    known: NDArray[np.int64]
    level: NDArray[np.int64]
    levels: tuple[str, ...]
    columns: Mapping[Measure, NDArray[Any] | Last]

    @cached_property
    def late(self) -> NDArray[np.bool_]:
        """Which cells became known in a later segment than they happened in; empty if none did."""
        late = self.known > self.segment
        return late if late.any() else late[:0]

    def column(self, measure: Measure) -> NDArray[Any]:
        """Give one number a cell: what the measure is over all levels."""
        found = self.columns[measure.over_levels]
        return found.at if isinstance(found, Last) else found

    def of_levels(self, wanted: frozenset[str] | None) -> NDArray[np.intp] | slice:
        """Select the cells of some levels of the dimension; all when None."""
        if wanted is None:
            return slice(None)
        codes = [code for code, level in enumerate(self.levels) if level in wanted]
        parts = [self._level_order[self._level_edges[c] : self._level_edges[c + 1]] for c in codes]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.intp)

    @cached_property
    def _level_order(self) -> NDArray[np.intp]:
        # Numpy sorts 16-bit integers by radix, many times faster than wider ones.
        small = self.level.astype(np.uint16) if len(self.levels) < 1 << 16 else self.level
        return np.argsort(small, kind="stable")

    @cached_property
    def _level_edges(self) -> NDArray[np.intp]:
        return np.concatenate([[0], np.cumsum(np.bincount(self.level, minlength=len(self.levels)))])


def cells_of(fact: Fact, rows: pa.Table, first: int) -> Cells:
    """Turn the result of a fact's query into cells.

    Parameters
    ----------
    fact : Fact
        What was aggregated.
    rows : pyarrow.Table
        Columns ``account, segment, known, level, m0, m1, …``; `known` and `level` may be absent.
    first : int
        The account that becomes number 0.
    """
    there = set(rows.column_names)
    segment = integers_of(rows["segment"])
    level, levels = codes_of(rows["level"]) if "level" in there else (segment, ())
    return Cells(
        fact=fact,
        account=integers_of(rows["account"]) - first,
        segment=segment,
        known=integers_of(rows["known"]) if "known" in there else segment,
        level=level,
        levels=levels,
        columns={m: _column(m, rows[f"m{place}"]) for place, m in enumerate(fact.measures)},
    )


def _column(measure: Measure, column: pa.ChunkedArray) -> NDArray[Any] | Last:
    if measure.cell is Cell.LAST:
        at, value = column.flatten()
        return Last(integers_of(at, NEVER), values_of(value))
    if measure.cell not in {Cell.MIN, Cell.MAX}:
        return integers_of(column, _MISSING.get(measure.cell, 0))
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy())


def millionths(fact: Fact, values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round numbers to whole millionths, halves up, as the SQL of the plan does.

    Raises
    ------
    FeatureError
        If a number is too large for that.
    """
    rounded = np.floor(values * MICRO + 0.5)
    if not (np.abs(rounded) < LIMIT).all():
        raise out_of_range(fact)
    return rounded.astype(np.int64)


def out_of_range(fact: Fact) -> FeatureError:
    """Say that a sum over a table is too large to be exact."""
    values = sorted({m.value for m in fact.measures if m.cell is Cell.SUM and m.value is not None})
    return FeatureError(
        f"table {fact.key.table!r}: a sum of {' or '.join(values)} is out of range. Sums are exact "
        "up to 9.2e12 an account, in the column's unit; check the column for impossible values, or "
        "declare it in a larger unit."
    )
