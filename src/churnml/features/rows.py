"""The live side of the plan: rows in memory, one cell each, for the same combine as in batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from churnml.features.aggregation import values_of
from churnml.features.catalogue import KNOWN
from churnml.features.cells import NEVER, Cells, Last, millionths
from churnml.features.expressions import Type, Values, parse_expression
from churnml.features.facts import Cell, Fact, Measure
from churnml.features.segments import MASK_DAYS, SegmentPlan
from churnml.history.asof import row_known_columns
from churnml.history.tables import ACCOUNT_ID, RECORDED_AT, Table
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        account = positions[ids.data.astype(np.intp)] if len(positions) else ids.data
        wanted = ids.valid & (account >= 0)
        if not wanted.all():
            rows, account = rows.filter(pa.array(wanted)), account[wanted]
        self.contract = contract
        self.account: NDArray[np.int64] = account.astype(np.int64)
        self._rows = rows
        self._columns: dict[str, Values] = {}
        self._results: dict[str, Values] = {}

    def __len__(self) -> int:
        return len(self.account)

    def column(self, name: str) -> Values:
        """Read a column."""
        if name not in self._columns:
            kind = self.contract.column(name).kind
            self._columns[name] = values_of(self._rows[name], kind)
        return self._columns[name]

    def evaluate(self, text: str) -> Values:
        """Evaluate an expression over the rows."""
        if text not in self._results:
            expression = parse_expression(text)
            read = {name: self.column(name) for name in expression.columns}
            self._results[text] = expression.evaluate(read, len(self))
        return self._results[text]

    def row_known(self) -> NDArray[np.int64]:
        """When each row became known, microseconds."""
        terms = []
        for name in row_known_columns(self.contract):
            time = self.column(name)
            if name == RECORDED_AT and name != self.contract.time:
                own = self.column(self.contract.time)
                terms.append(np.where(time.valid, time.data, own.data))
            else:
                terms.append(time.data)
        return np.maximum.reduce(terms).astype(np.int64)


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
    """
    at, known, there = _times(fact, rows)
    kept = np.flatnonzero(there & (known < plan.cutoffs[-1]) & (at < plan.cutoffs[-1]))
    level, levels = _levels(fact, rows)
    if fact.key.split is not None:
        kept = kept[rows.column(fact.key.split).valid[kept]]
    rank = _ranks(fact, rows)
    if fact.key.ranked is not None:
        kept = kept[rank[kept] > 0]
    columns = {m: _measure(m, rows, plan, kept, at, rank) for m in fact.measures}
    segment = plan.segments(at[kept])
    late = segment if fact.one_time else plan.segments(known[kept])
    return Cells(fact, rows.account[kept], segment, late, level[kept], levels, columns)


def _times(
    fact: Fact, rows: TableRows
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Event time, known time, and whether the fact is ever known."""
    known = rows.row_known()
    there = np.ones(len(rows), dtype=bool)
    at = known
    if fact.key.at != KNOWN:
        time = rows.column(fact.key.at)
        at, there = time.data.astype(np.int64), time.valid
        known = np.maximum(known, at)
    for name in fact.key.known:
        time = rows.column(name)
        known, there = np.maximum(known, time.data.astype(np.int64)), there & time.valid
    return at, known, there


def _levels(fact: Fact, rows: TableRows) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    name = fact.key.split or (fact.contract.dimension if fact.by_level else None)
    if name is None:
        return np.zeros(len(rows), dtype=np.int64), ()
    values = rows.column(name)
    return values.data.astype(np.int64), values.levels


def _ranks(fact: Fact, rows: TableRows) -> NDArray[np.int64]:
    """Number the rows of each account in the order in which they became known; 0 for the others."""
    rank = np.zeros(len(rows), dtype=np.int64)
    if fact.key.ranked is None:
        return rank
    chosen = np.ones(len(rows), dtype=bool)
    if fact.key.ranked != "true":
        chosen = rows.evaluate(fact.key.ranked).true
    order = [_sortable(rows.column(name)) for name in reversed(fact.contract.key)]
    order += [rows.column(fact.contract.time).data, rows.row_known(), rows.account]
    places = np.lexsort(order)
    places = places[chosen[places]]
    account = rows.account[places]
    starts = np.flatnonzero(np.r_[True, account[1:] != account[:-1]])
    lengths = np.diff(np.r_[starts, len(account)])
    rank[places] = np.arange(len(account)) - np.repeat(starts, lengths) + 1
    return rank


def _sortable(values: Values) -> NDArray[np.generic]:
    if values.type is not Type.STRING:
        return values.data
    order = {level: place for place, level in enumerate(sorted(values.levels))}
    places = np.array([order[level] for level in values.levels], dtype=np.int64)
    return places[values.data.astype(np.intp)] if len(places) else values.data


def _measure(
    measure: Measure,
    rows: TableRows,
    plan: SegmentPlan,
    kept: NDArray[np.intp],
    at: NDArray[np.int64],
    rank: NDArray[np.int64],
) -> NDArray[np.generic] | Last:
    hit = np.ones(len(kept), dtype=bool)
    for text in measure.where:
        hit &= rows.evaluate(text).true[kept]
    value = None
    if measure.value is not None:
        whole = rows.evaluate(measure.value)
        value = Values(whole.type, whole.data[kept], whole.valid[kept], whole.levels)
        hit &= value.valid
    match measure.cell:
        case Cell.ROWS:
            return hit.astype(np.int64)
        case Cell.DAYS:
            return np.where(hit, np.int64(1) << (plan.days(at[kept]) % MASK_DAYS), 0)
        case Cell.FIRST_AT | Cell.LAST_AT:
            return np.where(hit, at[kept], NEVER)
        case Cell.RANK:
            return np.where(hit, rank[kept], 0)
        case _:
            return _valued(measure.cell, value or Values(Type.NUMBER, hit, hit), hit, at[kept])


def _valued(
    cell: Cell, value: Values, hit: NDArray[np.bool_], at: NDArray[np.int64]
) -> NDArray[np.generic] | Last:
    if cell is Cell.LAST:
        return Last(np.where(hit, at, NEVER), value)
    numbers = np.where(hit, value.data.astype(np.float64), np.nan)
    if cell is Cell.SUM:
        return millionths(np.where(hit, numbers, 0.0))
    return numbers
