"""Who did what, and who read whose data: kept, and never changed."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from churnml.serving.store.database import Database
from churnml.serving.store.schema import AUDIT


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
