"""A store's schema: made, brought up to this version of churnml, or back to an earlier one's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from churnml.errors import ConfigError, StoreError, nearest, writing
from churnml.serving.store.database import Database, revision_of
from churnml.serving.store.schema import HEAD, REVISIONS

BASE = "base"  # no schema at all
_LOCK = (
    7_205_759_403  # of changes of the schema, among all that PostgreSQL's advisory locks are for
)


@dataclass(frozen=True)
class Moved:
    """A schema that was changed, or was right already.

    Parameters
    ----------
    before, after : str or None
        The revisions; None for no schema at all.
    lost : dict of str to int
        Rows that went with it, by table.
    """

    before: str | None
    after: str | None
    lost: dict[str, int]


def upgrade(database: Database) -> Moved:
    """Make a store, or bring its schema up to this version: whole, or not at all.

    Raises
    ------
    ConfigError
        If its file cannot be made.
    StoreError
        If the database refuses, or the schema is of a newer version.
    """
    _make_file(database)
    with _alone(database) as connection:
        before = revision_of(connection)
        database.check_known(before)
        bring(connection, HEAD)
    return Moved(before, HEAD, {})


def downgrade(database: Database, to: str | None = None, *, lose: bool = False) -> Moved:
    """Bring a store's schema back to an earlier revision, whole or not at all.

    Parameters
    ----------
    database : Database
        Where the store is.
    to : str, optional
        The revision, or ``base`` for no schema at all; the one before if omitted.
    lose : bool
        Whether rows that the earlier schema has no place for may go.

    Raises
    ------
    ConfigError
        If there is no such revision, or it is a later one.
    StoreError
        If rows would be lost, naming how many of what; nothing has changed then.
    """
    database.must_be_there()
    with _alone(database) as connection:
        before = revision_of(connection)
        database.check_known(before)
        target = _target(before, to)
        lost = _losses(connection, before, target)
        if lost and not lose:
            told = ", ".join(f"{count:,} of {table}" for table, count in lost.items())
            raise StoreError(
                f"{database.label}: schema {target} has no place for rows that are there: {told}. "
                "Nothing was changed. `churnml store backup FILE` keeps them; --lose goes on "
                "without them."
            )
        bring(connection, target)
    return Moved(before, None if target == BASE else target, lost)


def bring(connection: sa.Connection, revision: str) -> None:
    """Bring the schema to a revision, in the connection's own transaction.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that writes.
    revision : str
        Where to, up or down; ``base`` for no schema at all.
    """
    config = _config()
    config.attributes["connection"] = connection
    now = revision_of(connection)
    if now is not None and (revision == BASE or revision < now):
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)


@contextmanager
def _alone(database: Database) -> Iterator[sa.Connection]:
    """Give a transaction in which no other process changes the schema."""
    with database.writing() as connection:
        if database.path is None:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "churnml.serving.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


def _make_file(database: Database) -> None:
    if database.path is None:
        return
    with writing(database.path):
        database.path.parent.mkdir(parents=True, exist_ok=True)
        # It holds whose account may leave: for its owner's eyes; SQLite's other files follow it.
        database.path.touch(mode=0o600)


def _target(now: str | None, to: str | None) -> str:
    below = REVISIONS[: REVISIONS.index(now)] if now is not None else ()
    if now is None:
        raise ConfigError("there is no schema to downgrade.")
    if to is None:
        return below[-1] if below else BASE
    if to != BASE and to not in below:
        raise ConfigError(
            f"revision {to!r}: not before {now}, which the store has.{nearest(to, [BASE, *below])}"
        )
    return to


def _losses(connection: sa.Connection, now: str | None, target: str) -> dict[str, int]:
    """Count the rows that the way down has no place for."""
    scripts = ScriptDirectory.from_config(_config())
    counted = {}
    for script in scripts.iterate_revisions(now or BASE, target):
        for table in script.module.LOSES:
            rows = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table)))
            counted[table] = int(rows or 0)
    return {table: rows for table, rows in counted.items() if rows}
