"""Rows of a contract in memory: their types, and which columns are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from churnml.errors import DataError, nearest
from churnml.history.tables import ACCOUNT_ID, RECORDED_AT, Kind, Table

ARROW_TYPES: Mapping[Kind, pa.DataType] = MappingProxyType(
    {
        Kind.ID: pa.string(),
        Kind.STRING: pa.string(),
        Kind.NUMBER: pa.float64(),
        Kind.INTEGER: pa.int64(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.TIME: pa.timestamp("us"),
    }
)


def only(table: Table, present: Iterable[str]) -> Table:
    """Keep the columns that are there, and of the rest forget that they were declared.

    Parameters
    ----------
    table : Table
        The contract, with all columns that may be there.
    present : iterable of str
        The columns that are; one whose known time is not there cannot be used, and is left out.

    Raises
    ------
    DataError
        If a column is not in the contract, or one that every row needs is not there.
    """
    there = set(present)
    unknown = sorted(there - set(table.names))
    if unknown:
        raise DataError(
            f"table {table.name!r}: column {unknown[0]!r} is not in its contract."
            f"{nearest(unknown[0], table.names)}"
        )
    # A value is of use only once it is known, so it goes with its time, and so does what needs it.
    while idle := {
        column.name
        for column in table.columns
        if column.name in there and column.known not in {None, *there}
    }:
        there -= idle
    needed = (ACCOUNT_ID, *table.key, table.time)
    lost = [name for name in dict.fromkeys(needed) if name not in there and name != RECORDED_AT]
    if lost:
        raise DataError(f"table {table.name!r}: required columns are missing: {', '.join(lost)}.")
    if table.replaced in there and RECORDED_AT not in there:
        raise DataError(
            f"table {table.name!r}: {table.replaced!r} ends versions that nothing orders. Give "
            f"{RECORDED_AT!r} as well, or neither."
        )
    columns = tuple(
        replace(column, after=column.after if column.after in there else None)
        for column in table.columns
        if column.name in there
    )
    return replace(
        table,
        columns=columns,
        key=tuple(name for name in table.key if name in there),
        dimension=table.dimension if table.dimension in there else None,
        replaced=table.replaced if table.replaced in there else None,
    )


def empty(table: Table) -> pa.Table:
    """Give a table without rows, with all columns of its contract."""
    return pa.schema([(c.name, ARROW_TYPES[c.kind]) for c in table.columns]).empty_table()


def typed(table: Table, rows: pa.Table) -> pa.Table:
    """Bring rows to the types of a contract, and check what computation cannot do without.

    Parameters
    ----------
    table : Table
        The contract, holding only the columns that are present.
    rows : pyarrow.Table
        The rows.

    Returns
    -------
    pyarrow.Table
        The contract's columns, in its order.

    Raises
    ------
    DataError
        If a value does not fit its type, an account or an event time is missing, or a number is
        not finite.
    """
    schema = pa.schema([(column.name, ARROW_TYPES[column.kind]) for column in table.columns])
    try:
        cast = rows.select(list(table.names)).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"table {table.name!r}: {error}. Expected types: {schema}.") from error
    _check(table, cast)
    return cast


def _check(table: Table, rows: pa.Table) -> None:
    for name in (ACCOUNT_ID, table.time):
        if count := rows[name].null_count:
            raise DataError(
                f"table {table.name!r}: {count} of {rows.num_rows} rows have no {name}; "
                "expected one in every row. Leave such rows out."
            )
    for column in table.columns:
        if column.kind is not Kind.NUMBER:
            continue
        if count := pc.sum(pc.invert(pc.is_finite(rows[column.name]))).as_py():
            raise DataError(
                f"table {table.name!r}: {column.name!r} is infinite or not a number in {count} of "
                f"{rows.num_rows} rows; expected finite numbers, or null where there is none."
            )
