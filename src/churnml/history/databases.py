"""Queries of any database SQLAlchemy reaches, streamed to Parquet as text."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from churnml.errors import ConfigError, SourceError, nearest
from churnml.history.csv_files import ROW, SOURCE
from churnml.history.sources import TableSource
from churnml.urls import holds_secret, label, parse_url, without_secrets

if TYPE_CHECKING:
    import sqlalchemy as sa

_BATCH = 20_000
_TOLD_EVERY = 25 * _BATCH  # rows
_EXAMPLES = ("postgresql+psycopg", "mysql+pymysql", "mssql+pyodbc", "oracle+oracledb", "sqlite")


def copy_query(
    table: str,
    source: TableSource,
    *,
    base: Path,
    into: Path,
    note: Callable[[str], None],
) -> str:
    """Copy what a database holds of a table to one Parquet file of text columns.

    Rows are fetched as they are written, so memory does not grow with the table. Text keeps what
    the database said: times in ISO 8601, with their zone where they have one.

    Parameters
    ----------
    table : str
        The table of history, for messages.
    source : TableSource
        Its database and query.
    base : Path
        The folder that relative SQLite paths start from.
    into : Path
        The Parquet file to write: the columns, ``_source`` and ``_row``.
    note : callable
        Told of the table and its database before it is read, and then of how many rows were.

    Returns
    -------
    str
        The database, for messages, without its password and options.

    Raises
    ------
    ConfigError
        If the URL is unset, malformed, or holds a password in a project file.
    SourceError
        If the database cannot be reached, or refuses the query.
    """
    import sqlalchemy as sa

    given = database_url(table, source)
    name = label(given)
    url = _located(given, table, base)
    step = f"{table} of {name}"
    note(step)
    engine = _engine(url, table, name)
    try:
        with engine.connect().execution_options(yield_per=_BATCH) as connection:
            result = connection.execute(sa.text(_select(source, engine)))
            names = list(result.keys())
            _check_unique(table, name, names)
            _write(result, names, name, into, lambda rows: note(f"{step}: {rows:,} rows"))
    except sa.exc.SQLAlchemyError as error:
        # The driver's own words; SQLAlchemy's would add parameters and links.
        own = getattr(error, "orig", None)
        said = without_secrets(str(own or error), url).strip().rstrip(".")
        # The database knows a state for each of its errors; without one, it is the driver's.
        unheld = isinstance(error, sa.exc.DataError) and getattr(own, "sqlstate", None) is None
        remedy = (
            " Convert what the driver cannot hold in `query`, such as NULLIF(ends_at, 'infinity')."
            if unheld
            else ""
        )
        raise SourceError(f"tables.{table}: {name}: {said}.{remedy}") from None
    finally:
        engine.dispose()
    return name


def database_url(table: str, source: TableSource) -> sa.URL:
    """Find the URL of a table's database.

    Parameters
    ----------
    table : str
        The table of history, for messages.
    source : TableSource
        What ``sources.toml`` says of it.

    Returns
    -------
    sqlalchemy.URL
        As it was given.

    Raises
    ------
    ConfigError
        If it is unset, malformed, or holds a password in a project file.
    """
    key, text = f"tables.{table}.database", source.database
    if source.database_env is not None:
        key, text = f"{key}_env", os.environ.get(source.database_env)
        if text is None:
            raise ConfigError(
                f"{key}: the environment variable {source.database_env!r} is not set; "
                "expected the URL of the database in it."
            )
    url = parse_url(text or "", key)
    if source.database is not None and holds_secret(url):
        raise ConfigError(
            f"{key}: a password does not belong in a project file; put the URL in an environment "
            "variable and name it in `database_env`."
        )
    return url


def _engine(url: sa.URL, table: str, label: str) -> sa.Engine:
    import sqlalchemy as sa

    try:
        return sa.create_engine(url)
    except sa.exc.NoSuchModuleError as error:
        raise SourceError(
            f"tables.{table}: {label}: there is no dialect {url.drivername!r}."
            f"{nearest(url.drivername, _EXAMPLES)} Or install the package that brings it."
        ) from error
    except (sa.exc.ArgumentError, ImportError) as error:
        postgres = url.drivername in {"postgresql", "postgresql+psycopg"}
        how = ": pip install 'churnml[postgresql]'" if postgres else ""
        said = without_secrets(str(error), url)
        raise SourceError(
            f"tables.{table}: {label}: {said}. Install the driver of this database{how}."
        ) from None


def _located(url: sa.URL, table: str, base: Path) -> sa.URL:
    if not url.drivername.startswith("sqlite") or url.database in {None, "", ":memory:"}:
        return url
    path = base / str(url.database)
    if not path.is_file():  # SQLite would make an empty one
        raise SourceError(f"tables.{table}: database {path}: no such file.")
    return url.set(database=str(path))


def _select(source: TableSource, engine: sa.Engine) -> str:
    if source.query is not None:
        # A colon in a query is SQL, never one of SQLAlchemy's parameters.
        return source.query.replace(":", "\\:")
    quote = engine.dialect.identifier_preparer.quote
    return f"SELECT * FROM {'.'.join(quote(part) for part in str(source.table).split('.'))}"


def _check_unique(table: str, label: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(
            f"tables.{table}: {label}: the query gives column {twice[0]!r} twice; name one anew "
            "with AS."
        )


def _write(
    result: sa.CursorResult[Any],
    names: Sequence[str],
    label: str,
    into: Path,
    told: Callable[[int], None],
) -> None:
    schema = pa.schema(
        [*((name, pa.string()) for name in names), (SOURCE, pa.string()), (ROW, pa.int64())]
    )
    first = 1
    with pq.ParquetWriter(into, schema, compression="zstd") as writer:
        for rows in result.partitions(_BATCH):
            columns = [pa.array([_text(row[i]) for row in rows]) for i in range(len(names))]
            columns.append(pa.repeat(pa.scalar(label), len(rows)))
            columns.append(pa.array(range(first, first + len(rows)), pa.int64()))
            writer.write_table(pa.table(columns, names=schema.names).cast(schema))
            first += len(rows)
            if (first - 1) % _TOLD_EVERY == 0:
                told(first - 1)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, dict | list):  # JSON and arrays, which Python would write its own way
        return json.dumps(value, ensure_ascii=False, default=_text)
    return str(value)
