"""What is kept of API keys."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from churnml.serving.keys import Scope, StoredKey
from churnml.serving.store.database import Database
from churnml.serving.store.schema import KEYS


class Keys:
    """API keys, by their ids. Every method raises StoreError where the database refuses.

    Parameters
    ----------
    database : Database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key_id: str) -> StoredKey | None:
        """Look a key up, also one that opens nothing any more; None where there is none."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(KEYS).where(KEYS.c.id == key_id)).one_or_none()
        return None if row is None else _key(row)

    def all(self) -> list[StoredKey]:
        """List every key there ever was, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(KEYS).order_by(KEYS.c.created_at, KEYS.c.id)).all()
        return [_key(row) for row in rows]

    def add(self, key: StoredKey) -> None:
        """Keep a key."""
        with self._database.writing() as connection:
            connection.execute(sa.insert(KEYS), _row(key))

    def revoke(self, key_id: str, at: dt.datetime) -> bool:
        """Take a key back from a time on; one that is taken back earlier stays so.

        Returns
        -------
        bool
            Whether there is such a key.
        """
        with self._database.writing() as connection:
            return _revoke(connection, key_id, at)

    def rotate(self, key_id: str, new: StoredKey, until: dt.datetime) -> None:
        """Keep a key in the place of another, which goes on until a time; both or neither.

        Parameters
        ----------
        key_id : str
            The one whose place is taken.
        new : StoredKey
            The one that takes it.
        until : datetime
            From when the old one opens nothing.
        """
        with self._database.writing() as connection:
            connection.execute(sa.insert(KEYS), _row(new))
            _revoke(connection, key_id, until)


def _revoke(connection: sa.Connection, key_id: str, at: dt.datetime) -> bool:
    later = sa.or_(KEYS.c.revoked_at.is_(None), KEYS.c.revoked_at > at)
    then = sa.case((later, sa.literal(at, KEYS.c.revoked_at.type)), else_=KEYS.c.revoked_at)
    done = connection.execute(sa.update(KEYS).where(KEYS.c.id == key_id).values(revoked_at=then))
    return done.rowcount > 0


def _row(key: StoredKey) -> dict[str, Any]:
    return {**vars(key), "scopes": " ".join(sorted(key.scopes))}


def _key(row: sa.Row[Any]) -> StoredKey:
    content = row._asdict()
    return StoredKey(**{**content, "scopes": frozenset(map(Scope, content["scopes"].split()))})
