"""From arrays to rows of the data contract, as far as they were known when observation ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnml.history.tables import ACCOUNT_ID, RECORDED_AT, Kind, Table
from churnml.simulate.world import Flags, Floats, Ints

ARROW = {
    Kind.ID: pa.string(),
    Kind.STRING: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIME: pa.timestamp("us"),
}


@dataclass(frozen=True)
class Coded:
    """Strings as positions in a vocabulary.

    Parameters
    ----------
    codes : ndarray of int
        A position per row; negative for none.
    words : sequence of str
        The vocabulary.
    """

    codes: Ints
    words: Sequence[str]


Values = Floats | Ints | Flags | Coded | list[str] | list[str | None]


@dataclass(frozen=True)
class Rows:
    """Rows of one table for one batch of accounts.

    Parameters
    ----------
    account : ndarray of int (n_rows,)
        The account's position in the batch.
    columns : mapping
        The other columns. Times are microseconds with `clock.NEVER` for none; a number is missing
        where it is NaN, an integer where it is negative (none of the contract's may be).
    """

    account: Ints
    columns: Mapping[str, Values]

    def take(self, which: Ints | Flags) -> Rows:
        """Choose rows by position or by flag, in the order given."""
        where: Ints = np.arange(self.account.size)[which]
        return Rows(
            self.account[where],
            {name: _choose(values, where) for name, values in self.columns.items()},
        )

    def array(self, name: str) -> Floats | Ints | Flags:
        """Give the values of a column of numbers, flags or times.

        Raises
        ------
        TypeError
            If it holds something else.
        """
        values = self.columns[name]
        if not isinstance(values, np.ndarray):
            raise TypeError(f"rows: {name} holds {type(values).__name__}, not numbers")
        return values

    def coded(self, name: str) -> Coded:
        """Give the values of a column of codes.

        Raises
        ------
        TypeError
            If it holds something else.
        """
        values = self.columns[name]
        if not isinstance(values, Coded):
            raise TypeError(f"rows: {name} holds {type(values).__name__}, not codes")
        return values


def joined(first: Values, second: Values) -> Values:
    """Put the values of further rows below those of the first.

    Parameters
    ----------
    first, second : ndarray, Coded or list of str
        Of one kind; the vocabulary of codes is the second's, which the first may leave empty.

    Returns
    -------
    ndarray, Coded or list of str
        All values.

    Raises
    ------
    TypeError
        If they are not of one kind.
    """
    if isinstance(first, Coded) and isinstance(second, Coded):
        return Coded(np.concatenate([first.codes, second.codes]), second.words)
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return np.concatenate([first, second])
    if isinstance(first, list) and isinstance(second, list):
        return [*first, *second]
    raise TypeError(f"rows: cannot join {type(first).__name__} and {type(second).__name__}")


def numbered(account: Ints, ids: Sequence[str], letter: str) -> list[str]:
    """Number rows within their account.

    Parameters
    ----------
    account : ndarray of int (n_rows,)
        The account's position, ascending.
    ids : sequence of str
        The accounts' ids.
    letter : str
        What the number counts.

    Returns
    -------
    list of str
        Such as ``A000017-T0003``.
    """
    first = np.searchsorted(account, account)
    rank = np.arange(account.size) - first + 1
    return [
        f"{ids[a]}-{letter}{n:04d}" for a, n in zip(account.tolist(), rank.tolist(), strict=True)
    ]


def in_order(rows: Rows, when: Ints, key: str, ids: Sequence[str], letter: str) -> Rows:
    """Sort rows by account and time, and number them.

    Parameters
    ----------
    rows : Rows
        In any order.
    when : ndarray of int (n_rows,), microseconds
        The time that orders them.
    key : str
        The column that gets the numbers, the first.
    ids, letter
        As for `numbered`.
    """
    ordered = rows.take(np.lexsort((when, rows.account)))
    return Rows(ordered.account, {key: numbered(ordered.account, ids, letter), **ordered.columns})


def observed(rows: Rows, contract: Table, ids: Sequence[str], since: int, until: int) -> pa.Table:
    """Build the rows that a system which went live at `since` would hold at `until`.

    What is older was entered when it went live. Rows that had not reached it at the end are left
    out, and values that had not become known are blank.

    Parameters
    ----------
    rows : Rows
        What happened, whenever it happened.
    contract : Table
        The table's contract.
    ids : sequence of str
        Ids of the accounts to keep, by position; rows of later positions are left out.
    since, until : int
        The span of observation, microseconds since 1970.

    Returns
    -------
    pyarrow.Table
        Typed, columns in the contract's order; columns that `rows` lacks are absent.
    """
    rows = rows.take(rows.account < len(ids))
    columns = {ACCOUNT_ID: _arrow(Coded(rows.account, ids), Kind.ID)}
    for column in contract.columns:
        if column.name in rows.columns:
            columns[column.name] = _arrow(rows.columns[column.name], column.kind)
    if RECORDED_AT in columns:
        live = pa.scalar(since, pa.timestamp("us"))
        columns[RECORDED_AT] = pc.max_element_wise(columns[RECORDED_AT], live)
    end = pa.scalar(until, pa.timestamp("us"))
    for column in contract.columns:
        if column.known is not None and column.name in columns:
            known = pc.fill_null(pc.less(columns[column.known], end), fill_value=False)
            nothing = pa.scalar(None, columns[column.name].type)
            columns[column.name] = pc.if_else(known, columns[column.name], nothing)
    entered = RECORDED_AT if RECORDED_AT in columns else contract.time
    order = [name for name in contract.names if name in columns]
    table = pa.table({name: columns[name] for name in order})
    return table.filter(pc.less(columns[entered], end))


def _choose(values: Values, where: Ints) -> Values:
    if isinstance(values, Coded):
        return Coded(values.codes[where], values.words)
    if isinstance(values, np.ndarray):
        return values[where]
    return [values[position] for position in where.tolist()]


def _arrow(values: Values, kind: Kind) -> pa.Array:
    if isinstance(values, Coded):
        missing = values.codes < 0
        codes = pa.array(values.codes.astype(np.int32), mask=missing)
        words = pa.array(list(values.words), pa.string())
        return pa.DictionaryArray.from_arrays(codes, words).cast(pa.string())
    if isinstance(values, np.ndarray):
        if kind is Kind.TIME:
            return pa.array(values.view("M8[us]"))
        if kind is Kind.INTEGER:
            return pa.array(values, ARROW[kind], mask=values < 0)
        return pa.array(values, ARROW[kind], from_pandas=True)
    return pa.array(values, ARROW[kind])
