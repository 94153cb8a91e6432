"""Names and values in DuckDB's SQL, and what DuckDB says of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

import duckdb

from churnml.errors import SourceError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def identifier(name: str) -> str:
    """Quote a name."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """Quote a text."""
    return "'" + str(value).replace("'", "''") + "'"


def instant(time: dt.datetime) -> str:
    """Write a time, UTC and naive."""
    return f"TIMESTAMP '{time.isoformat(sep=' ')}'"


def any_of(conditions: Iterable[str]) -> str:
    """Join conditions by OR; false when there are none, and where all are unknown."""
    joined = " OR ".join(f"({condition})" for condition in conditions)
    return f"coalesce({joined}, false)" if joined else "false"


def run(connection: DuckDBPyConnection, table: str, sql: str) -> DuckDBPyConnection:
    """Run a statement for a table of history.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine.
    table : str
        The table, for the error.
    sql : str
        One statement.

    Raises
    ------
    SourceError
        With what DuckDB said.
    """
    try:
        return connection.execute(sql)
    except duckdb.Error as error:
        # The rest of the text points into SQL that nobody wrote by hand.
        said = str(error).split("\n\n", maxsplit=1)[0].strip().rstrip(".")
        theirs = duckdb.BinderException | duckdb.ConversionException | duckdb.ParserException
        hint = " Look at its `sql`, `expressions` and `where`." if isinstance(error, theirs) else ""
        raise SourceError(f"tables.{table}: {said}.{hint}") from error
