"""Events that were posted: rows of history, each kept once, in the order in which they came."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from churnml.errors import StoreError
from churnml.serving.store.database import Database
from churnml.serving.store.schema import EVENTS

# Of writers of events, among all that PostgreSQL's advisory locks are for.
_LOCK = 7_205_759_404
_BATCH = 10_000  # rows that are read at once


@dataclass(frozen=True)
class EventRecord:
    """One event.

    Parameters
    ----------
    source, event_id : str
        Who posted it, and how they name it; both together name one event for ever.
    table : str
        Of which table of history it is a row.
    account_id : str
        Whose.
    row : mapping
        The row, as JSON knows it; times are UTC.
    known_at : datetime
        When the latest of it became known, UTC.
    received_at : datetime
        When it was posted, UTC.
    key_id, request_id : str or None
        By whose key, in which request.
    number : int or None
        Its place among all, which the store gives: who has seen a number has seen all before it.
    """

    source: str
    event_id: str
    table: str
    account_id: str
    row: Mapping[str, Any]
    known_at: dt.datetime
    received_at: dt.datetime
    key_id: str | None = None
    request_id: str | None = None
    number: int | None = field(default=None, compare=False)

    @property
    def digest(self) -> bytes:
        """SHA-256 of what it says."""
        said = json.dumps([self.table, self.row], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(said.encode()).digest()


class EventConflictError(StoreError):
    """Events whose ids are taken by others; nothing was kept.

    Parameters
    ----------
    label : str
        Of the store.
    event_ids : sequence of str
        Theirs.
    """

    def __init__(self, label: str, event_ids: Sequence[str]) -> None:
        super().__init__(
            f"{label}: {len(event_ids)} events have ids under which another was posted: "
            f"{', '.join(event_ids[:5])}. Nothing was kept."
        )
        self.event_ids = tuple(event_ids)


@dataclass(frozen=True)
class Added:
    """What became of events.

    Parameters
    ----------
    accepted, repeated : int
        How many are new, and how many were there already.
    """

    accepted: int
    repeated: int


class Events:
    """Posted events. Every method raises StoreError where the database refuses.

    Parameters
    ----------
    database : Database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, records: Sequence[EventRecord]) -> Added:
        """Keep events, all or none. They are on disk when this returns.

        One that is there already, with the same content, is not kept again.

        Raises
        ------
        EventConflictError
            If the id of one is that of another.
        """
        wanted = _distinct(records, self._database.label)
        with self._database.writing() as connection:
            if self._database.path is None:
                # Numbers must come to be seen in their order; in SQLite writers take turns anyway.
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            there = _digests(connection, wanted)
            taken = [
                record.event_id
                for name, record in wanted.items()
                if there.get(name, record.digest) != record.digest
            ]
            if taken:
                raise EventConflictError(self._database.label, taken)
            new = [_row(record) for name, record in wanted.items() if name not in there]
            if new:
                connection.execute(sa.insert(EVENTS), new)
        return Added(len(new), len(records) - len(new))

    def last(self) -> int:
        """Give the number of the last event; 0 where there is none."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.func.max(EVENTS.c.number))) or 0

    def newest(
        self, tables: Collection[str], before: dt.datetime | None = None
    ) -> Mapping[str, dt.datetime]:
        """Tell when the latest of each table became known, UTC, of those that have events.

        Parameters
        ----------
        tables : collection of str
            Which tables.
        before : datetime, optional
            Only what was known strictly before then.
        """
        asked = [_newest(name, before) for name in sorted(tables)]
        if not asked:
            return {}
        with self._database.reading() as connection:
            rows = connection.execute(sa.union_all(*asked)).all()
        return {row.name: row.at for row in rows if row.at is not None}

    def digest(self, number: int) -> str | None:
        """Give the SHA-256 of what an event says; None where there is none of that number."""
        wanted = sa.select(EVENTS.c.digest).where(EVENTS.c.number == number)
        with self._database.reading() as connection:
            found = connection.scalar(wanted)
        return None if found is None else bytes(found).hex()

    def of_accounts(self, accounts: Collection[str], after: int) -> list[EventRecord]:
        """List the events of some accounts beyond a number, in their order."""
        wanted = (
            sa.select(EVENTS)
            .where(EVENTS.c.account_id.in_(list(accounts)), EVENTS.c.number > after)
            .order_by(EVENTS.c.number)
        )
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(wanted).all()]

    def all(self, table: str) -> Iterator[list[EventRecord]]:
        """Give the events of one table in their order, some thousands at a time."""
        last = 0
        while True:
            wanted = (
                sa.select(EVENTS)
                .where(EVENTS.c.table_name == table, EVENTS.c.number > last)
                .order_by(EVENTS.c.number)
                .limit(_BATCH)
            )
            with self._database.reading() as connection:
                rows = connection.execute(wanted).all()
            if not rows:
                return
            last = rows[-1].number
            yield [_record(row) for row in rows]

    def accounts(self, accounts: Collection[str]) -> set[str]:
        """Tell which accounts somebody has posted a row of `accounts` for."""
        c = EVENTS.c
        wanted = sa.select(c.account_id).distinct()
        wanted = wanted.where(c.account_id.in_(list(accounts)), c.table_name == "accounts")
        with self._database.reading() as connection:
            return {*connection.scalars(wanted)}

    def tables(self) -> tuple[str, ...]:
        """Name the tables that events are rows of, sorted."""
        wanted = sa.select(EVENTS.c.table_name).distinct().order_by(EVENTS.c.table_name)
        with self._database.reading() as connection:
            return tuple(connection.scalars(wanted))


def _newest(table: str, before: dt.datetime | None) -> sa.Select[str, Any]:
    c = EVENTS.c
    newest = sa.func.max(c.known_at).label("at")
    wanted = sa.select(sa.literal(table).label("name"), newest).where(c.table_name == table)
    return wanted if before is None else wanted.where(c.known_at < before)


def _distinct(records: Sequence[EventRecord], label: str) -> dict[tuple[str, str], EventRecord]:
    found: dict[tuple[str, str], EventRecord] = {}
    for record in records:
        name = record.source, record.event_id
        if found.setdefault(name, record).digest != record.digest:
            raise EventConflictError(label, [record.event_id])
    return found


def _digests(
    connection: sa.Connection, wanted: Mapping[tuple[str, str], EventRecord]
) -> dict[tuple[str, str], bytes]:
    by_source: dict[str, list[str]] = {}
    for source, event_id in wanted:
        by_source.setdefault(source, []).append(event_id)
    found: dict[tuple[str, str], bytes] = {}
    for source, event_ids in by_source.items():
        query = sa.select(EVENTS.c.event_id, EVENTS.c.digest).where(
            EVENTS.c.source == source, EVENTS.c.event_id.in_(event_ids)
        )
        found |= {(source, row.event_id): bytes(row.digest) for row in connection.execute(query)}
    return found


def _row(record: EventRecord) -> dict[str, Any]:
    content = {**vars(record), "digest": record.digest, "table_name": record.table}
    del content["number"], content["table"]
    return {**content, "row": json.dumps(record.row, allow_nan=False, separators=(",", ":"))}


def _record(row: sa.Row[Any]) -> EventRecord:
    content = row._asdict()
    del content["digest"]
    table, told = content.pop("table_name"), json.loads(content.pop("row"))
    return EventRecord(**content, table=table, row=told)
