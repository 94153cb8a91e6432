"""Names and values in DuckDB's SQL, and what DuckDB says of it."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from churnml.errors import SourceError

if TYPE_CHECKING:
    import duckdb
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


def given_values(columns: Mapping[str, str], missing: Iterable[str]) -> list[str]:
    """Select the columns of a source, with null for the texts that mean a missing value.

    Parameters
    ----------
    columns : mapping of str to str
        Names and DuckDB types.
    missing : iterable of str
        Those texts; blanks around them do not matter.
    """
    texts = sorted({item.strip() for item in missing})
    absent = ", ".join(literal(item) for item in texts)
    selected = []
    for name, sql_type in columns.items():
        column = identifier(name)
        if sql_type == "VARCHAR" and texts:
            value = f"CASE WHEN trim({column}) NOT IN ({absent}) THEN {column} END"
        elif texts not in ([], [""]):  # a number cannot be the empty text: no need to look
            value = f"CASE WHEN CAST({column} AS VARCHAR) NOT IN ({absent}) THEN {column} END"
        else:
            value = column
        selected.append(f"{value} AS {column}")
    return selected


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
    import duckdb

    try:
        return connection.execute(sql)
    except duckdb.Error as error:
        theirs = duckdb.BinderException | duckdb.ConversionException | duckdb.ParserException
        hint = " Look at its `sql`, `expressions` and `where`." if isinstance(error, theirs) else ""
        raise SourceError(f"tables.{table}: {said(error)}.{no_room(error) or hint}") from error


def said(error: duckdb.Error) -> str:
    """Give what DuckDB says; the rest of its text points into SQL that nobody wrote by hand."""
    import duckdb

    # Of memory it goes on with settings that are not the user's to set.
    rest = "\n" if isinstance(error, duckdb.OutOfMemoryException) else "\n\n"
    return str(error).split(rest, maxsplit=1)[0].strip().rstrip(".")


def no_room(error: duckdb.Error) -> str:
    """Say what to do where the disk, or memory, did not suffice; nothing where that is not why.

    Parameters
    ----------
    error : duckdb.Error
        What DuckDB could not do.
    """
    import duckdb

    if "No space left" in str(error) or "max_temp_directory_size" in str(error):
        return (
            f" The disk is full: free space where history lies and in {tempfile.gettempdir()}, "
            "which TMPDIR moves."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return " Memory does not suffice: end other programs, or run it where there is more."
    return ""
