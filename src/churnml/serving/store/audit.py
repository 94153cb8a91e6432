"""Who did what, and who read whose data: kept, and never changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from churnml.serving.store.database import Database
from churnml.serving.store.schema import AUDIT

_AT_ONCE = 1000  # rows


@dataclass(frozen=True)
class AuditRecord:
    """Something that was done.

    Parameters
    ----------
    at : datetime
        When, UTC.
    key_id : str or None
        By whose key; None at the command line.
    action : str
        What was done, such as ``messages.read``.
    subject : str or None
        To what or whom: the id of a key or an account, or of an account and of one of its texts.
    request_id : str or None
        In which request.
    """

    at: dt.datetime
    key_id: str | None
    action: str
    subject: str | None
    request_id: str | None


class Audit:
    """The audit. Every method raises StoreError where the database refuses.

    Parameters
    ----------
    database : Database
        Where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        at: dt.datetime,
        key_id: str | None,
        action: str,
        subject: str | None = None,
        request_id: str | None = None,
    ) -> None:
        """Keep that something was done. It is on disk when this returns.

        Parameters
        ----------
        at : datetime
            When, UTC.
        key_id : str or None
            By whose key; None at the command line.
        action : str
            What was done, such as ``keys.revoke``.
        subject : str, optional
            To what or whom.
        request_id : str, optional
            In which request.
        """
        row = {
            "at": at,
            "key_id": key_id,
            "action": action,
            "subject": subject,
            "request_id": request_id,
        }
        with self._database.writing() as connection:
            connection.execute(sa.insert(AUDIT), row)

    def records(
        self, since: dt.datetime | None = None, account: str | None = None
    ) -> Iterator[AuditRecord]:
        """List what was done, the earliest first.

        Parameters
        ----------
        since : datetime, optional
            From then on, UTC; from the beginning if omitted.
        account : str, optional
            To this account, its texts among it; to whatever if omitted.
        """
        c = AUDIT.c
        wanted = sa.select(c.at, c.key_id, c.action, c.subject, c.request_id)
        if since is not None:
            wanted = wanted.where(c.at >= since)
        if account is not None:
            of_a_text = c.subject.startswith(f"{account} ", autoescape=True)
            wanted = wanted.where(sa.or_(c.subject == account, of_a_text))
        with self._database.reading() as connection:
            streamed = connection.execution_options(yield_per=_AT_ONCE)
            for row in streamed.execute(wanted.order_by(c.at, c.id)):
                yield AuditRecord(**row._asdict())
