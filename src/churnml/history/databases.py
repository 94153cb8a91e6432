"""Queries of any database SQLAlchemy reaches, streamed to Parquet as text."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from churnml.errors import ConfigError, SourceError
from churnml.history.csv_files import ROW, SOURCE
from churnml.history.sources import TableSource

if TYPE_CHECKING:
    import sqlalchemy as sa

_BATCH = 20_000


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
        Told of the database before it is read.

    Returns
    -------
    str
        The database, for messages, without its password.

    Raises
    ------
    ConfigError
        If the URL is unset, malformed, or holds a password in a project file.
    SourceError
        If the database cannot be reached, or refuses the query.
    """
    import sqlalchemy as sa

    given = database_url(table, source)
    label = given.render_as_string(hide_password=True)
    url = _located(given, table, base)
    note(label)
    try:
        engine = sa.create_engine(url)
    except (sa.exc.ArgumentError, ImportError) as error:
        raise SourceError(
            f"tables.{table}: {label}: {error}. Install the driver of this database."
        ) from error
    try:
        with engine.connect().execution_options(yield_per=_BATCH) as connection:
            result = connection.execute(sa.text(_select(source, engine)))
            names = list(result.keys())
            _check_unique(table, label, names)
            _write(result, names, label, into)
    except sa.exc.SQLAlchemyError as error:
        # The driver's own words; SQLAlchemy's would add parameters and links.
        said = _without_password(str(getattr(error, "orig", None) or error), url)
        raise SourceError(f"tables.{table}: {label}: {said}.") from None
    finally:
        engine.dispose()
    return label


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
    import sqlalchemy as sa

    key, text = f"tables.{table}.database", source.database
    if source.database_env is not None:
        key, text = f"{key}_env", os.environ.get(source.database_env)
        if text is None:
            raise ConfigError(
                f"{key}: the environment variable {source.database_env!r} is not set; "
                "expected the URL of the database in it."
            )
    try:
        url = sa.make_url(text or "")
    except (sa.exc.ArgumentError, ValueError):
        # The text itself stays out of the message: it may hold a password.
        raise ConfigError(
            f"{key}: not a database URL; expected such as 'postgresql+psycopg://user@host/crm'."
        ) from None
    if source.database is not None and url.password is not None:
        raise ConfigError(
            f"{key}: a password does not belong in a project file; put the URL in an environment "
            "variable and name it in `database_env`."
        )
    return url


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


def _write(result: sa.CursorResult[Any], names: Sequence[str], label: str, into: Path) -> None:
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


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    return str(value)


def _without_password(text: str, url: sa.URL) -> str:
    return text.replace(str(url.password), "***") if url.password else text
