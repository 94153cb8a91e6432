"""The ledger of scores: every answer that was told, as it was told."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from churnml.serving.store import standings
from churnml.serving.store.database import Database
from churnml.serving.store.schema import SCORES


@dataclass(frozen=True)
class ScoreRecord:
    """One answer.

    Parameters
    ----------
    account_id : str
        Whose score.
    recipe, bundle : str
        By which recipe, and the id of the bundle that gave it.
    cutoff : datetime or None
        As of when, UTC; None for a flat table without times.
    scored_at : datetime
        When it was told, UTC.
    document : dict
        What was told, as JSON knows it; it comes back exactly so, with its keys in their order.
    number : int or None
        Its place in the ledger, which the store gives.
    """

    account_id: str
    recipe: str
    bundle: str
    cutoff: dt.datetime | None
    scored_at: dt.datetime
    document: dict[str, Any]
    number: int | None = field(default=None, compare=False)


class Scores:
    """The ledger. Every method raises StoreError where the database refuses.

    Parameters
    ----------
    database : Database
        Where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, records: Sequence[ScoreRecord]) -> None:
        """Keep answers, all or none. They are on disk when this returns, and stay as they are.

        The accounts' standings go with them.

        Parameters
        ----------
        records : sequence of ScoreRecord
            In the order in which they are to stand.

        Raises
        ------
        ValueError
            If a document holds what JSON does not: NaN, or another type.
        """
        rows = [_row(record) for record in records]
        if not rows:
            return
        with self._database.writing() as connection:
            added = sa.insert(SCORES).returning(SCORES.c.id, sort_by_parameter_order=True)
            numbers = connection.scalars(added, rows).all()
            standings.write(connection, zip(numbers, records, strict=True))

    def latest(self, recipe: str, account_id: str) -> ScoreRecord | None:
        """Give the answer that was told last; None where there was none."""
        found = self.history(recipe, account_id, limit=1)
        return found[0] if found else None

    def latest_of(self, recipe: str, account_ids: Iterable[str]) -> dict[str, ScoreRecord]:
        """Give the answer that was told last of each account; nothing of those without one."""
        found = {}
        with self._database.reading() as connection:
            for account_id in account_ids:
                wanted = _of_account(recipe, account_id).limit(1)
                if (row := connection.execute(wanted).first()) is not None:
                    found[account_id] = _record(row)
        return found

    def latest_text(self, recipe: str, account_id: str) -> bytes | None:
        """Give the answer that was told last, as the JSON that is kept; None if there was none."""
        wanted = _of_account(recipe, account_id).with_only_columns(SCORES.c.document).limit(1)
        with self._database.reading() as connection:
            found: str | None = connection.scalar(wanted)
        return None if found is None else found.encode("ascii")

    def at_hand(self, recipe: str, account_id: str) -> bytes | None:
        """Give the same where it can be read without waiting for anybody.

        To be asked where nothing may wait. None says nothing: `latest_text` has then to be asked,
        in a thread.
        """
        found = self._database.at_hand(_LATEST, (recipe, account_id))
        return bytes(found[0][0]) if found else None

    def history(
        self,
        recipe: str,
        account_id: str,
        limit: int = 100,
        before: dt.datetime | None = None,
        number: int | None = None,
    ) -> list[ScoreRecord]:
        """List the answers about one account, the last first.

        Parameters
        ----------
        recipe, account_id : str
            By which recipe, and whose.
        limit : int
            How many at most.
        before : datetime, optional
            Those told strictly before then, UTC; up to now if omitted.
        number : int, optional
            Of the answer told at `before` after which to go on, so that pages neither repeat nor
            lose any of several told at one instant.
        """
        c = SCORES.c
        wanted = _of_account(recipe, account_id).limit(limit)
        if before is not None and number is not None:
            told = sa.tuple_(sa.literal(before, c.scored_at.type), sa.literal(number))
            wanted = wanted.where(sa.tuple_(c.scored_at, c.id) < told)
        elif before is not None:
            wanted = wanted.where(c.scored_at < before)
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        return [_record(row) for row in rows]


# As `_of_account` asks, in SQLite's own words.
_LATEST = (
    "SELECT CAST(document AS BLOB) FROM scores WHERE recipe = ? AND account_id = ? "
    "ORDER BY scored_at DESC, id DESC LIMIT 1"
)


def _of_account(recipe: str, account_id: str) -> sa.Select[Any]:
    c = SCORES.c
    return (
        sa.select(SCORES)
        .where(c.recipe == recipe, c.account_id == account_id)
        .order_by(c.scored_at.desc(), c.id.desc())
    )


def _row(record: ScoreRecord) -> dict[str, Any]:
    # As ASCII text, not in the database's own type for JSON, which orders keys and rounds numbers.
    document = json.dumps(record.document, allow_nan=False, separators=(",", ":"))
    return {
        "account_id": record.account_id,
        "recipe": record.recipe,
        "bundle": record.bundle,
        "cutoff": record.cutoff,
        "scored_at": record.scored_at,
        "document": document,
    }


def _record(row: sa.Row[Any]) -> ScoreRecord:
    content = row._asdict()
    number, document = content.pop("id"), json.loads(content.pop("document"))
    return ScoreRecord(**content, document=document, number=number)
