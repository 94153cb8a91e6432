"""Rows that are versions of one another: at each cutoff the one that stood then counts.

A correction changes what is known of the past, so sums over segments of time cannot hold it. The
few accounts that have one are computed from their rows instead, cutoff by cutoff, by the same
combine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnml.features.combine import Patch, aggregates
from churnml.features.places import Pairs
from churnml.features.rows import TableRows, cells_from_rows
from churnml.features.segments import plan
from churnml.features.values import Values
from churnml.history.asof import History, read_rows
from churnml.history.dialect import identifier
from churnml.history.tables import ACCOUNT_ID, RECORDED_AT, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnml.features.facts import Program

_FIRST = "first_known"
_NEVER = int(np.iinfo(np.int64).max)


def standing_rows(contract: Table, rows: pa.Table, cutoff: int) -> pa.Table:
    """Keep the versions that stood at a cutoff, each known since the first of its kind was.

    Parameters
    ----------
    contract : Table
        The contract, with the columns that are present.
    rows : pyarrow.Table
        Rows of the table, all versions of each.
    cutoff : int
        Microseconds, UTC.

    Returns
    -------
    pyarrow.Table
        Of the same columns; all rows, also those not known yet, where none was ever replaced.
    """
    if contract.replaced is None or rows[contract.replaced].null_count == rows.num_rows:
        return rows
    instant = pa.scalar(cutoff, pa.int64()).cast(pa.timestamp("us"))
    recorded = pc.coalesce(rows[RECORDED_AT], rows[contract.time])
    known = pc.max_element_wise(recorded, rows[contract.time])
    place = rows.column_names.index(RECORDED_AT)
    rows = rows.set_column(place, RECORDED_AT, known).filter(pc.less(known, instant))
    identity = list(dict.fromkeys((ACCOUNT_ID, *contract.identity)))
    first = rows.group_by(identity).aggregate([(RECORDED_AT, "min")])
    first = first.rename_columns([*identity, _FIRST])
    ended = pc.less(rows[contract.replaced], instant).fill_null(fill_value=False)
    standing = rows.filter(pc.invert(ended)).join(first, identity)
    return standing.set_column(place, RECORDED_AT, standing[_FIRST]).select(rows.column_names)


def corrected(
    history: History, program: Program, accounts: Sequence[str], cutoffs: NDArray[np.int64]
) -> dict[str, Patch]:
    """Compute the aggregates of tables with versions, for the accounts that have several.

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

    Returns
    -------
    dict of str to Patch
        By feature, which pairs it was computed for, and its values there.
    """
    found: dict[str, list[Patch]] = {}
    asked = np.asarray(accounts, dtype=object)
    for table in dict.fromkeys(key.table for key in program.facts):
        since = _corrected_since(history, table)
        # Up to its first correction an account has one version of each row, as others have.
        theirs = np.array([since.get(account, _NEVER) for account in accounts]) < cutoffs
        if not theirs.any():
            continue
        rows = _versions(history, table, sorted(set(asked[theirs].tolist())))
        for cutoff in np.unique(cutoffs[theirs]).tolist():
            places = np.flatnonzero(theirs & (cutoffs == cutoff))
            for name, values in _at(program, table, rows, asked[places].tolist(), cutoff):
                found.setdefault(name, []).append((places, values))
    return {name: _joined(parts) for name, parts in found.items()}


def _corrected_since(history: History, table: str) -> dict[str, int]:
    """Tell when a row of an account was first replaced, for those of which one was."""
    replaced = history.contract(table).replaced
    if replaced is None:
        return {}
    rows = history.query(
        f"SELECT {ACCOUNT_ID}, epoch_us(min({identifier(replaced)})) AS since "
        f"FROM {identifier(table)} WHERE {identifier(replaced)} IS NOT NULL GROUP BY ALL"
    )
    return dict(zip(rows[ACCOUNT_ID].to_pylist(), rows["since"].to_pylist(), strict=True))


def _versions(history: History, table: str, accounts: Sequence[str]) -> pa.Table:
    """Read all rows of some accounts."""
    data = history.data[table]
    if isinstance(data, Path):
        return read_rows(data, accounts)
    return data.filter(pc.is_in(data[ACCOUNT_ID], pa.array(accounts, pa.string())))


def _at(
    program: Program, table: str, rows: pa.Table, accounts: Sequence[str], cutoff: int
) -> Iterator[tuple[str, Values]]:
    cut = plan([cutoff], program.windows)
    places = {account: place for place, account in enumerate(dict.fromkeys(accounts))}
    facts = {key: fact for key, fact in program.facts.items() if key.table == table}
    contract = next(iter(facts.values())).contract
    standing = TableRows(contract, standing_rows(contract, rows, cutoff), places)
    cells = {key: cells_from_rows(fact, standing, cut) for key, fact in facts.items()}
    account = np.array([places[name] for name in accounts], dtype=np.int64)
    pairs = Pairs(account, np.zeros_like(account), len(places))
    yield from aggregates(program, cut, cells, pairs).items()


def _joined(parts: Sequence[Patch]) -> Patch:
    places = np.concatenate([place for place, _ in parts])
    values = parts[0][1]
    for _, more in parts[1:]:
        values = values.followed_by(more)
    return places, values
