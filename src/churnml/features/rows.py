"""The live side of the plan: rows in memory, one cell each, for the same combine as in batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnml.features.cells import Cells, Last, millionths
from churnml.features.entries import KNOWN
from churnml.features.expressions import parse_expression
from churnml.features.measures import Cell, Fact, Measure
from churnml.features.places import turns
from churnml.features.segments import MASK_BITS, SegmentPlan
from churnml.features.values import NEVER, Type, Values, everywhere, values_of
from churnml.history.asof import row_known_columns
from churnml.history.tables import ACCOUNT_ID, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray


Dated = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.bool_]"]


class TableRows:
    """The rows of one table for some accounts, turned into numpy once for all facts.

    Parameters
    ----------
    contract : Table
        The contract, with the columns that are present.
    rows : pyarrow.Table
        Rows of the table; those of other accounts are left out.
    accounts : mapping of str to int
        Position of each account.
    """

    def __init__(self, contract: Table, rows: pa.Table, accounts: Mapping[str, int]) -> None:
        ids = values_of(rows[ACCOUNT_ID])
        positions = np.array([accounts.get(level, -1) for level in ids.levels], dtype=np.int64)
        account = positions[ids.data] if len(positions) else ids.data
        if (account < 0).any():
            wanted = account >= 0
            rows, account = rows.filter(pa.array(wanted)), account[wanted]
        self.contract = contract
        self.account: NDArray[np.int64] = account
        self._rows = rows
        self._columns: dict[str, Values] = {}
        self._results: dict[str, Values] = {}
        self._hits: dict[str, NDArray[np.bool_]] = {}
        self._dated: dict[tuple[str, tuple[str, ...], int], Dated] = {}

    def __len__(self) -> int:
        return len(self.account)

    def column(self, name: str) -> Values:
        """Read a column."""
        if name not in self._columns:
            self._columns[name] = values_of(self._rows[name])
        return self._columns[name]

    def evaluate(self, text: str) -> Values:
        """Evaluate an expression over the rows."""
        if text not in self._results:
            expression = parse_expression(text)
            read = {name: self.column(name) for name in expression.columns}
            self._results[text] = expression.evaluate(read, len(self))
        return self._results[text]

    def meets(self, text: str) -> NDArray[np.bool_]:
        """Find the rows that meet a condition."""
        if text not in self._hits:
            self._hits[text] = self.evaluate(text).true
        return self._hits[text]

    @cached_property
    def known(self) -> NDArray[np.int64]:
        """When each row became known, microseconds."""
        own: NDArray[np.int64] = self.column(self.contract.time).data
        known = own
        for name in row_known_columns(self.contract):
            time = self.column(name)
            recorded = np.where(time.valid, time.data, own)
            known = recorded if self.contract.scheduled else np.maximum(known, recorded)
        return known

    def dated(self, at: str, needed: tuple[str, ...], end: int) -> Dated:
        """Date rows as facts: when each happened, when it was known, and whether both before `end`.

        Parameters
        ----------
        at : str
            The time that dates the fact, or ``known``.
        needed : tuple of str
            Times of single columns that must have come.
        end : int
            Microseconds.
        """
        if (at, needed, end) not in self._dated:
            happened = known = self.known
            if at != KNOWN:
                happened = self.column(at).data
                known = np.maximum(known, happened)
            for name in needed:
                known = np.maximum(known, self.column(name).data)
            seen = (known < end) & (happened < end)
            for name in needed if at == KNOWN else (at, *needed):
                seen &= self.column(name).valid
            self._dated[at, needed, end] = happened, known, seen
        return self._dated[at, needed, end]


def cells_from_rows(fact: Fact, rows: TableRows, plan: SegmentPlan) -> Cells:
    """Turn each row of a fact into a cell.

    Parameters
    ----------
    fact : Fact
        What to measure.
    rows : TableRows
        The table's rows.
    plan : SegmentPlan
        How time is cut.

    Returns
    -------
    Cells
        One for each row that was known before the last cutoff.

    Raises
    ------
    FeatureError
        If a sum is too large to be exact.
    """
    at, known, kept = rows.dated(fact.key.at, fact.key.known, int(plan.cutoffs[-1]))
    if fact.key.split is not None:
        kept = kept & rows.column(fact.key.split).valid
    rank = None
    if fact.key.ranked is not None:
        rank = _ranks(fact.contract, rows, fact.key.ranked)
        kept = kept & (rank > 0)
    places = np.flatnonzero(kept)
    found = _Kept(fact, rows, plan, places, at[places], rank)
    segment = plan.segments(found.at)
    if fact.key.split is not None:
        segment -= segment % MASK_BITS
    late = not fact.one_time and len(plan.cutoffs) > 1
    level = None if fact.level is None else rows.column(fact.level).take(places)
    return Cells(
        fact=fact,
        account=rows.account[places],
        segment=segment,
        known=plan.segments(known[places]) if late else segment,
        level=segment if level is None else level.data,
        levels=() if level is None else level.levels,
        columns={measure: _MEASURES[measure.cell](found, measure) for measure in fact.measures},
    )


def _ranks(table: Table, rows: TableRows, where: str) -> NDArray[np.int64]:
    """Number the rows of each account in the order in which they became known; 0 for the others."""
    rank = np.zeros(len(rows), dtype=np.int64)
    order: list[NDArray[Any]] = []
    for name in reversed(table.key):
        values = rows.column(name)
        order += [values.sortable(), ~values.valid]  # null comes last, as in the engine
    order += [rows.column(table.time).data, rows.known, rows.account]
    places = np.lexsort(order)
    places = places[rows.meets(where)[places]]
    rank[places] = turns(rows.account[places]) + 1
    return rank


@dataclass(frozen=True, eq=False)
class _Kept:
    """The rows of a fact that count, at `places` among those of the table."""

    fact: Fact
    rows: TableRows
    plan: SegmentPlan
    places: NDArray[np.intp]
    at: NDArray[np.int64]
    rank: NDArray[np.int64] | None

    def hits(self, measure: Measure) -> NDArray[np.bool_]:
        met = [self.rows.meets(text) for text in measure.where]
        if measure.value is not None:
            met.append(self.rows.evaluate(measure.value).valid)
        if not met:
            return everywhere(len(self.places))
        return np.logical_and.reduce(met)[self.places] if len(met) > 1 else met[0][self.places]

    def value(self, measure: Measure) -> Values:
        return self.rows.evaluate(measure.expression.text).take(self.places)

    def numbers(self, measure: Measure, missing: float) -> NDArray[np.float64]:
        data = self.value(measure).data.astype(np.float64)
        return np.where(self.hits(measure), data, missing)

    def counts(self, measure: Measure) -> NDArray[np.int64]:
        return self.hits(measure).astype(np.int64)

    def sums(self, measure: Measure) -> NDArray[np.int64]:
        return millionths(self.fact, self.numbers(measure, 0.0))

    def extremes(self, measure: Measure) -> NDArray[np.float64]:
        return self.numbers(measure, np.nan)

    def days(self, measure: Measure) -> NDArray[np.int64]:
        bits = np.int64(1) << (self.plan.days(self.at) % MASK_BITS)
        return np.where(self.hits(measure), bits, 0)

    def seen(self, measure: Measure) -> NDArray[np.int64]:
        bits = np.int64(1) << (self.plan.segments(self.at) % MASK_BITS)
        return np.where(self.hits(measure), bits, 0)

    def events(self, measure: Measure) -> NDArray[np.int64]:
        return np.where(self.hits(measure), self.at, NEVER)

    def ranks(self, measure: Measure) -> NDArray[np.int64]:
        rank = np.zeros(0, dtype=np.int64) if self.rank is None else self.rank
        return np.where(self.hits(measure), rank[self.places], 0)

    def last(self, measure: Measure) -> Last:
        value = self.value(measure)
        if value.type is Type.BOOLEAN:  # the engine computes conditions as numbers, too
            value = Values(Type.NUMBER, value.data.astype(np.float64), value.valid)
        return Last(self.events(measure), value)


_MEASURES: Mapping[Cell, Callable[[_Kept, Measure], NDArray[Any] | Last]] = {
    Cell.ROWS: _Kept.counts,
    Cell.SUM: _Kept.sums,
    Cell.MIN: _Kept.extremes,
    Cell.MAX: _Kept.extremes,
    Cell.DAYS: _Kept.days,
    Cell.SEEN: _Kept.seen,
    Cell.LAST: _Kept.last,
    Cell.FIRST_AT: _Kept.events,
    Cell.LAST_AT: _Kept.events,
    Cell.RANK: _Kept.ranks,
}
