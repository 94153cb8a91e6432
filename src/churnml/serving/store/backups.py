"""A store is copied to one file while it is in use, and put back from it, whole or not at all.

Of SQLite the file is a database, by SQLite's own online backup; of PostgreSQL, lines of JSON
(``dump.py``). Either is put back into either: it is first made into a store in a file of its own,
brought to this version's schema and checked there, before anything is replaced.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import sqlalchemy as sa

from churnml.errors import ConfigError, StoreError, writing
from churnml.serving.store import dump
from churnml.serving.store.database import BUSY_SECONDS, Database, revision_of
from churnml.serving.store.revisions import bring, upgrade
from churnml.serving.store.schema import HEAD, METADATA

_SQLITE = b"SQLite format 3\x00"
_BATCH = 1000  # rows


@dataclass(frozen=True)
class Copied:
    """What was copied.

    Parameters
    ----------
    revision : str
        The schema of the copy, or of the store that was restored.
    rows : dict of str to int
        By table.
    """

    revision: str
    rows: dict[str, int]


def backup(database: Database, file: Path) -> Copied:
    """Copy a store to a file, as it is at one instant; others go on reading and writing.

    Parameters
    ----------
    database : Database
        Where the store is, of whatever revision.
    file : Path
        What to write; there must be none yet.

    Raises
    ------
    ConfigError
        If the file is there, or cannot be written.
    StoreError
        If there is no store, or it is damaged.
    """
    if file.exists():
        raise ConfigError(f"{file}: is there already, and stays as it is. Name another file.")
    revision = database.revision()
    if revision is None:
        raise StoreError(f"{database.label}: there is no store here, and nothing to back up.")
    with writing(file), tempfile.TemporaryDirectory(prefix=".backup-", dir=file.parent) as folder:
        beside = Path(folder) / file.name
        if database.path is None:
            with database.reading() as connection, beside.open("xb") as out:
                dump.write(connection, out)
        else:
            with _told(file):
                _copy(database.path, beside)
        rows = _rows_of(beside, database.label)
        beside.chmod(0o600)
        _sync(beside)
        beside.replace(file)
        _sync(file.parent)
    return Copied(revision, rows)


def restore(database: Database, file: Path, *, replace: bool = False) -> Copied:
    """Put a store back from a file, in one transaction; what reads it meanwhile sees old or new.

    Parameters
    ----------
    database : Database
        Where to.
    file : Path
        What `backup` wrote.
    replace : bool
        Whether rows that are there may go.

    Raises
    ------
    ConfigError
        If there is no such file, or the store cannot be written.
    StoreError
        If the file is damaged or no backup, or rows are there; nothing has changed then.
    """
    if not file.is_file():
        raise ConfigError(f"{file}: no such file; expected one that `churnml store backup` wrote.")
    if not replace:
        _refuse_rows(database)
    with (
        writing(file),
        tempfile.TemporaryDirectory(prefix="churnml-") as folder,
        _prepared(file, Path(folder) / "restored.db") as (prepared, rows),
    ):
        if database.path is None:
            _into_server(prepared, database)
        else:
            _into_file(prepared, database)
    return Copied(HEAD, rows)


def count(connection: sa.Connection) -> dict[str, int]:
    """Count the rows of every table that is there."""
    there = set(sa.inspect(connection).get_table_names())
    counted = sa.select(sa.func.count())
    return {
        table.name: int(connection.scalar(counted.select_from(table)) or 0)
        for table in METADATA.sorted_tables
        if table.name in there
    }


def _refuse_rows(database: Database) -> None:
    if database.revision() is None:
        return
    with database.reading() as connection:
        told = ", ".join(f"{rows:,} of {name}" for name, rows in count(connection).items() if rows)
    if told:
        raise StoreError(
            f"{database.label}: rows are there: {told}. Nothing was changed. `churnml store "
            "backup` keeps them; --replace puts the file's in their place."
        )


def _rows_of(file: Path, label: str) -> dict[str, int]:
    """Read a backup that was just written, as it will be read one day."""
    with tempfile.TemporaryDirectory(prefix="churnml-") as folder:
        try:
            with _prepared(file, Path(folder) / "read.db") as (_, rows):
                return rows
        except StoreError as error:
            raise StoreError(f"{label}: the copy cannot be restored: {error}") from error


@contextmanager
def _prepared(file: Path, into: Path) -> Iterator[tuple[Database, dict[str, int]]]:
    """Make a file into a store of its own, at this version's schema, and check it."""
    prepared = Database(sa.URL.create("sqlite", database=str(into)))
    try:
        with file.open("rb") as opened:
            start = opened.read(len(_SQLITE))
        if start == _SQLITE:
            with _told(file):
                _copy(file, into)
                _check_pages(file, into)
        else:
            into.touch()
            with prepared.writing() as connection:
                dump.read(connection, file)
        _check_schema(prepared, file)
        with prepared.reading() as connection:
            rows = count(connection)
        yield prepared, rows
    finally:
        prepared.close()


def _copy(source: Path, into: Path) -> None:
    """Copy a SQLite database in one step, so that no writer makes it begin again."""
    with (
        closing(sqlite3.connect(_read_only(source), uri=True, timeout=BUSY_SECONDS)) as here,
        closing(sqlite3.connect(into)) as there,
    ):
        here.backup(there)
        there.execute("PRAGMA journal_mode = DELETE")  # one file, without companions


def _read_only(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def _check_pages(file: Path, copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        said = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if said != "ok":
        raise StoreError(f"{file}: damaged: {' '.join(said.split())}. Take another backup.")


def _check_schema(prepared: Database, file: Path) -> None:
    """Bring a copy to this version's schema, and refuse it if that is not what came of it."""
    revision = prepared.revision()
    if revision is None:
        raise StoreError(f"{file}: holds no store; expected a file of `churnml store backup`.")
    try:
        upgrade(prepared)
    except StoreError as error:
        raise StoreError(
            f"{file}: {str(error).removeprefix(prepared.label).lstrip(': ')}"
        ) from None
    with tempfile.TemporaryDirectory(prefix="churnml-") as folder:
        fresh = Database(sa.URL.create("sqlite", database=str(Path(folder) / "fresh.db")))
        upgrade(fresh)
        wanted, found = _objects(fresh), _objects(prepared)
        fresh.close()
    odd = sorted(name for name, _ in wanted ^ found)
    if odd:
        raise StoreError(
            f"{file}: not as schema {HEAD} has it: {', '.join(odd)}. It was altered by something "
            "other than churnml; take another backup."
        )


def _objects(database: Database) -> set[tuple[str, str]]:
    """List the tables, indexes and triggers of a store in SQLite, with how each was made."""
    with database.reading() as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        return {(name, sql) for name, sql in connection.execute(sa.text(query))}


def _into_file(prepared: Database, database: Database) -> None:
    """Write a copy over a store; SQLite does it in one transaction that others wait for."""
    upgrade(database)  # makes it where there is none
    source, raw = sqlite3.connect(str(prepared.path)), database.engine.raw_connection()
    try:
        with _told(Path(str(database.path))):
            source.backup(cast(sqlite3.Connection, raw.driver_connection))
    finally:
        source.close()
        raw.close()


def _into_server(prepared: Database, database: Database) -> None:
    """Replace all rows in one transaction, in which the triggers that refuse it are off."""
    with prepared.reading() as source, database.writing() as target:
        database.check_known(revision_of(target))
        bring(target, HEAD)
        names = [table.name for table in METADATA.sorted_tables]
        for name in names:
            target.execute(sa.text(f"ALTER TABLE {name} DISABLE TRIGGER USER"))
        target.execute(sa.text(f"TRUNCATE {', '.join(names)}"))
        for table in METADATA.sorted_tables:
            rows = source.execution_options(yield_per=_BATCH).execute(sa.select(table)).mappings()
            for batch in rows.partitions():
                target.execute(sa.insert(table), [dict(row) for row in batch])
            if (number := table.autoincrement_column) is not None:
                _go_on_counting(target, table.name, number.name)
        for name in names:
            target.execute(sa.text(f"ALTER TABLE {name} ENABLE TRIGGER USER"))


def _go_on_counting(connection: sa.Connection, table: str, number: str) -> None:
    """Let the next row have the number after the last."""
    connection.execute(
        sa.text(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{number}'), "
            f"(SELECT coalesce(max({number}), 0) + 1 FROM {table}), false)"
        )
    )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}. Nothing was changed.") from error


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
