"""Computing features: in batch over clean history, or live for some accounts at one cutoff."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from churnml.errors import FeatureError, SourceError
from churnml.features.aggregation import SEGMENTS, WANTED, fact_query, segment_table, wanted_table
from churnml.features.cells import Cells, cells_of, out_of_range
from churnml.features.combine import Pairs, combine
from churnml.features.custom import load_function, run_functions
from churnml.features.facts import Program
from churnml.features.measures import Fact, FactKey
from churnml.features.rows import TableRows, cells_from_rows
from churnml.features.segments import SegmentPlan, by_time_of_day, plan
from churnml.features.versions import corrected, standing_rows
from churnml.history.asof import History, microseconds, read_rows
from churnml.history.dialect import no_room, said
from churnml.history.tables import ACCOUNT_ID

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    from churnml.features.values import Values

__all__ = ["Rows", "compute", "compute_live", "load_function"]

# Accounts × segments that one array of the combine may hold: 64 MiB of integers.
CHUNK_PLACES = 1 << 23


@dataclass(frozen=True, eq=False)
class Rows:
    """Features of some of the pairs that were asked for.

    Parameters
    ----------
    positions : ndarray of int64 (n,)
        Which pairs, by their position in the request, ascending.
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
        Called with steps done and steps in all: one a table scan, one a chunk.
    memory_limit : str, optional
        Bound on the engine's memory, such as ``"2GB"``; it spills to disk beyond.

    Yields
    ------
    Rows
        Each pair exactly once. Accounts without rows have no events, not no features.

    Raises
    ------
    FeatureError
        If a sum is too large to be exact, or memory does not suffice.
    """
    ids, account = np.unique(np.asarray(accounts, dtype=object), return_inverse=True)
    requests = []
    for group in by_time_of_day(np.unique(cutoffs).tolist()):
        cut = plan(group, program.windows)
        chosen = np.flatnonzero(np.isin(cutoffs, cut.cutoffs))
        places = np.searchsorted(cut.cutoffs, cutoffs[chosen])
        wanted, own = np.unique(account[chosen], return_inverse=True)
        requests.append(_Request(history, program, cut, ids[wanted], own, places, chosen))
    total, done = sum(request.steps for request in requests), itertools.count(1)

    def step() -> None:
        if progress is not None:
            progress(next(done), total)

    for request in requests:
        yield from request.run(step, memory_limit)


@dataclass(frozen=True, eq=False)
class _Request:
    """Pairs whose cutoffs share one plan."""

    history: History
    program: Program
    plan: SegmentPlan
    ids: NDArray[np.object_]  # (n_accounts,)
    account: NDArray[np.int64]  # (n_pairs,), into ids
    cutoff: NDArray[np.int64]  # (n_pairs,), into the plan's cutoffs
    position: NDArray[np.int64]  # (n_pairs,), in the request of the caller

    @cached_property
    def chunks(self) -> tuple[tuple[int, int], ...]:
        """The ranges of accounts that are combined at once."""
        width = max(self.plan.n_segments, len(self.plan.cutoffs)) + 1
        size, count = max(CHUNK_PLACES // width, 1), len(self.ids)
        return tuple((first, min(first + size, count)) for first in range(0, count, size))

    @property
    def steps(self) -> int:
        return len(self.program.facts) + len(self.chunks)

    def run(self, step: Callable[[], None], memory_limit: str | None) -> Iterator[Rows]:
        with self.history.connect(memory_limit=memory_limit) as connection:
            # Cells are laid out by account and segment, so keeping their order would be waste.
            connection.execute("SET preserve_insertion_order = false")
            connection.register(SEGMENTS, segment_table(self.plan))
            connection.register(WANTED, wanted_table(self.ids))
            relations = self._relations(connection, step)
            for first, stop in self.chunks:
                cells = {}
                for key, fact in self.program.facts.items():
                    bounds = f"WHERE account >= {first} AND account < {stop}"
                    found = _execute(connection, fact, f"SELECT * FROM {relations[key]} {bounds}")
                    cells[key] = cells_of(fact, found.to_arrow_table(), first)
                    if len(self.chunks) == 1:
                        step()
                yield self._combined(cells, first, stop)
                step()

    def _relations(
        self, connection: duckdb.DuckDBPyConnection, step: Callable[[], None]
    ) -> dict[FactKey, str]:
        """Say where each fact's cells are: in a query, or in a table that is read in parts."""
        relations = {}
        for number, (key, fact) in enumerate(self.program.facts.items()):
            grouped = fact_query(fact, self.plan).sql(dialect="duckdb", identify=True)
            query = (
                f"SELECT account, cell.* EXCLUDE ({ACCOUNT_ID}) FROM ({grouped}) AS cell "
                f"JOIN {WANTED} USING ({ACCOUNT_ID})"
            )
            relations[key] = f"({query})"
            if len(self.chunks) > 1:
                relations[key] = f"cells_{number}"
                _execute(connection, fact, f"CREATE TEMP TABLE {relations[key]} AS {query}")
                step()
        return relations

    def _combined(self, cells: Mapping[FactKey, Cells], first: int, stop: int) -> Rows:
        inside = np.flatnonzero((self.account >= first) & (self.account < stop))
        account, cutoff = self.account[inside], self.cutoff[inside]
        pairs = Pairs(account - first, cutoff, stop - first)
        asked = self.history, self.program, self.ids[account].tolist(), self.plan.cutoffs[cutoff]
        columns = combine(
            self.program, self.plan, cells, pairs, run_functions(*asked), corrected(*asked)
        )
        return Rows(self.position[inside], _table(self.program, columns))


def _execute(
    connection: duckdb.DuckDBPyConnection, fact: Fact, query: str
) -> duckdb.DuckDBPyConnection:
    import duckdb

    try:
        return connection.execute(query)
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise out_of_range(fact) from error
    except duckdb.OutOfMemoryException as error:
        raise FeatureError(
            f"table {fact.key.table!r}: memory does not suffice to aggregate it: {said(error)}."
            f"{no_room(error)} Or raise the memory limit, or ask for fewer cutoffs at once."
        ) from error
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        remedy = no_room(error) or " Run `churnml check` again."
        raise SourceError(
            f"table {fact.key.table!r} cannot be read: {said(error)}.{remedy}"
        ) from error


def compute_live(
    history: History,
    program: Program,
    accounts: Sequence[str],
    cutoff: dt.datetime,
    *,
    everybody: History | None = None,
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
        The accounts.
    cutoff : datetime
        UTC, naive.
    everybody : History, optional
        What custom features are shown, which may compare accounts; `history` if omitted.

    Returns
    -------
    pyarrow.Table
        A row an account, in the order given; a column a feature.

    Raises
    ------
    DataError
        If the cutoff has a time zone.
    FeatureError
        If a sum is too large to be exact.
    """
    instant = microseconds(cutoff)
    cut = plan([instant], program.windows)
    unique = {account: place for place, account in enumerate(dict.fromkeys(accounts))}
    rows: dict[str, TableRows] = {}
    cells: dict[FactKey, Cells] = {}
    for key, fact in program.facts.items():
        if key.table not in rows:
            found = _account_rows(history, key.table, unique)
            standing = standing_rows(fact.contract, found, instant)
            rows[key.table] = TableRows(fact.contract, standing, unique)
        cells[key] = cells_from_rows(fact, rows[key.table], cut)
    account = np.array([unique[name] for name in accounts], dtype=np.int64)
    pairs = Pairs(account, np.zeros_like(account), len(unique))
    instants = np.full(len(accounts), instant)
    given = run_functions(everybody or history, program, accounts, instants)
    return _table(program, combine(program, cut, cells, pairs, given))


def _account_rows(history: History, table: str, accounts: Mapping[str, int]) -> pa.Table:
    rows = history.data[table]
    return read_rows(rows, accounts) if isinstance(rows, Path) else rows


def _table(program: Program, columns: Mapping[str, Values]) -> pa.Table:
    names = program.catalogue.columns
    return pa.table([columns[name].to_arrow() for name in names], names=list(names))
