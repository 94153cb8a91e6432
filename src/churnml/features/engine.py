"""Computing features: in batch over clean history, or live for some accounts at one cutoff."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from churnml.errors import FeatureError
from churnml.features.aggregation import (
    SEGMENTS,
    WANTED,
    aggregate,
    fetch,
    segment_table,
    wanted_table,
)
from churnml.features.combine import Pairs, combine
from churnml.features.expressions import Type, Values
from churnml.features.facts import FactKey, Program
from churnml.features.rows import TableRows, cells_from_rows
from churnml.features.segments import SegmentPlan, by_time_of_day, plan
from churnml.history.asof import History
from churnml.history.tables import ACCOUNT_ID
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Accounts × segments that one array of the combine may hold: 64 MiB of integers.
CHUNK_PLACES = 1 << 23


@dataclass(frozen=True, eq=False)
class Rows:
    """Features of some of the pairs that were asked for.

    Parameters
    ----------
    positions : ndarray of int64 (n,)
        Which pairs, by their position in the request.
    columns : pyarrow.Table
        One column a feature: float64 (null where there is no value) or string.
    """

    positions: NDArray[np.int64]
    columns: pa.Table


def compute(
    history: History,
    program: Program,
    accounts: Sequence[str],
    cutoffs: NDArray[np.int64],
    *,
    progress: Callable[[int, int], None] | None = None,
    memory_limit: str | None = None,
) -> Iterator[Rows]:
    """Compute features for (account, cutoff) pairs, chunk by chunk, in bounded memory.

    Parameters
    ----------
    history : History
        Clean history.
    program : Program
        What to compute.
    accounts : sequence of str, of length n_pairs
        The account of each pair.
    cutoffs : ndarray of int64 (n_pairs,)
        The cutoff of each pair, microseconds UTC.
    progress : callable, optional
        Called with steps done and steps in all.
    memory_limit : str, optional
        Bound on the engine's memory, such as ``"2GB"``; it spills to disk beyond.

    Yields
    ------
    Rows
        Each pair exactly once.
    """
    ids, account = np.unique(np.asarray(accounts, dtype=object), return_inverse=True)
    groups = by_time_of_day(np.unique(cutoffs).tolist())
    report = progress or (lambda _done, _total: None)
    total = len(groups) * (len(program.facts) + 1)
    for number, group in enumerate(groups):
        cut = plan(group, program.windows)
        chosen = np.flatnonzero(np.isin(cutoffs, cut.cutoffs))
        request = _Request(history, program, cut, ids, account[chosen], cutoffs[chosen], chosen)
        done = number * (len(program.facts) + 1)

        def step(facts: int, done: int = done) -> None:
            report(done + facts, total)

        yield from request.run(step, memory_limit)
        report(done + len(program.facts) + 1, total)


@dataclass(frozen=True, eq=False)
class _Request:
    history: History
    program: Program
    plan: SegmentPlan
    ids: NDArray[np.object_]
    account: NDArray[np.int64]
    cutoff: NDArray[np.int64]
    position: NDArray[np.int64]

    def run(self, step: Callable[[int], None], memory_limit: str | None) -> Iterator[Rows]:
        wanted, account = np.unique(self.account, return_inverse=True)
        cutoff = np.searchsorted(self.plan.cutoffs, self.cutoff)
        width = max(self.plan.n_segments, len(self.plan.cutoffs)) + 1
        size = max(CHUNK_PLACES // width, 1)
        whole = len(wanted) <= size
        with self.history.connect(memory_limit=memory_limit) as connection:
            # Cells are laid out by account and segment, so keeping their order would be waste.
            connection.execute("SET preserve_insertion_order = false")
            connection.register(SEGMENTS, segment_table(self.plan))
            positions = {str(self.ids[i]): p for p, i in enumerate(wanted)}
            connection.register(WANTED, wanted_table(positions))
            relations = {}
            for number, (key, fact) in enumerate(self.program.facts.items()):
                into = None if whole else f"cells_{number}"
                relations[key] = aggregate(connection, fact, self.plan, into=into)
                step(number + (0 if whole else 1))
            for first in range(0, len(wanted), size):
                stop = min(first + size, len(wanted))
                cells = {}
                for number, (key, fact) in enumerate(self.program.facts.items()):
                    cells[key] = fetch(connection, fact, relations[key], first, stop)
                    step(number + 1)
                inside = np.flatnonzero((account >= first) & (account < stop))
                pairs = Pairs(account[inside] - first, cutoff[inside], stop - first)
                columns = combine(self.program, self.plan, cells, pairs)
                names = [str(self.ids[wanted[a]]) for a in account[inside]]
                _run_functions(
                    self.program, self.history, names, self.plan.cutoffs[cutoff[inside]], columns
                )
                yield Rows(self.position[inside], _table(self.program, columns))


def compute_live(
    history: History, program: Program, accounts: Sequence[str], cutoff: dt.datetime
) -> pa.Table:
    """Compute features of some accounts at one cutoff, from their rows alone.

    The same plan and the same combine as `compute`, with rows instead of an engine's cells; the
    values are the same to the last bit.

    Parameters
    ----------
    history : History
        Clean history, or just the rows of these accounts in memory.
    program : Program
        What to compute.
    accounts : sequence of str
        The accounts, each once.
    cutoff : datetime
        UTC, naive.

    Returns
    -------
    pyarrow.Table
        A row an account, in the order given; a column a feature.
    """
    instant = int(np.datetime64(cutoff, "us").astype(np.int64))
    cut = plan([instant], program.windows)
    positions = {account: place for place, account in enumerate(accounts)}
    rows: dict[str, TableRows] = {}
    cells: dict[FactKey, object] = {}
    for key, fact in program.facts.items():
        if key.table not in rows:
            found = _account_rows(history, key.table, accounts)
            rows[key.table] = TableRows(history.contract(key.table), found, positions)
        cells[key] = cells_from_rows(fact, rows[key.table], cut)
    count = len(accounts)
    pairs = Pairs(np.arange(count), np.zeros(count, dtype=np.int64), count)
    columns = combine(program, cut, cells, pairs)
    _run_functions(program, history, accounts, np.full(count, instant), columns)
    return _table(program, columns)


def _account_rows(history: History, table: str, accounts: Sequence[str]) -> pa.Table:
    rows = history.data[table]
    if isinstance(rows, Path):
        # Clean history is sorted by account, so whole row groups are passed over.
        return pq.read_table(rows, filters=[(ACCOUNT_ID, "in", list(accounts))])
    return rows


def _run_functions(
    program: Program,
    history: History,
    accounts: Sequence[str],
    cutoffs: NDArray[np.int64],
    columns: dict[str, Values],
) -> None:
    """Fill the columns of custom Python features, one cutoff at a time, through the as-of view."""
    custom = [f for f in program.catalogue.features if f.entry.function is not None]
    for feature in custom:
        function = load_function(feature.entry.function or "")
        data = np.full(len(accounts), np.nan)
        for instant in np.unique(cutoffs):
            places = np.flatnonzero(cutoffs == instant)
            view = history.as_of(np.datetime64(int(instant), "us").astype(dt.datetime))
            found = function(view, tuple(accounts[place] for place in places))
            if len(found) != len(places):
                raise FeatureError(
                    f"feature {feature.name!r}: {feature.entry.function} returned {len(found)} "
                    f"values for {len(places)} accounts; expected one each, None where unknown."
                )
            data[places] = [np.nan if value is None else float(value) for value in found]
        columns[feature.name] = Values(Type.NUMBER, data, ~np.isnan(data))


def load_function(name: str) -> Callable[..., Sequence[float | None]]:
    """Import the function of a custom feature.

    Parameters
    ----------
    name : str
        ``"package.module:function"``. It is called with an as-of view and a tuple of accounts, and
        returns one number or None for each.

    Raises
    ------
    FeatureError
        If there is no such module or function.
    """
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise FeatureError(
            f"custom feature function {name!r} cannot be imported: {error}. "
            'Expected "package.module:function" on the Python path.'
        ) from error
    if not callable(function):
        raise FeatureError(f"custom feature function {name!r} is not callable.")
    return function  # type: ignore[no-any-return]


def _table(program: Program, columns: Mapping[str, Values]) -> pa.Table:
    names = program.catalogue.columns
    return pa.table({name: _arrow(columns[name]) for name in names})


def _arrow(values: Values) -> pa.Array:
    if values.type is Type.STRING:
        if not values.levels:
            return pa.nulls(len(values.data), pa.string())
        codes = np.where(values.valid, values.data, 0).astype(np.int32)
        coded = pa.DictionaryArray.from_arrays(pa.array(codes, mask=~values.valid), values.levels)
        return coded.cast(pa.string())
    return pa.array(values.data.astype(np.float64), mask=~values.valid)
