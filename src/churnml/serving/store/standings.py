"""Standings: the latest score of every account, by which accounts are listed and found.

They follow from the ledger, in whose transactions they are written.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from churnml.serving.store.database import Database
from churnml.serving.store.schema import SCORES, STANDINGS

if TYPE_CHECKING:
    from churnml.serving.store.scores import ScoreRecord

_IDENTITY = ("recipe", "account_id")


@dataclass(frozen=True)
class Standing:
    """The latest score of an account.

    Parameters
    ----------
    recipe, account_id : str
        By which recipe, and whose.
    score_id : int
        Its place in the ledger.
    bundle : str
        The id of the bundle that gave it.
    cutoff : datetime or None
        As of when, UTC.
    scored_at : datetime
        When it was told, UTC.
    probability, low, high : float
        The probability and its interval.
    risk_tier : str
        The band it falls in.
    account_tier : str or None
        How large the account is.
    arr, arr_at_risk : float or None
        What it pays a year, and that times the probability.
    """

    recipe: str
    account_id: str
    score_id: int
    bundle: str
    cutoff: dt.datetime | None
    scored_at: dt.datetime
    probability: float
    low: float
    high: float
    risk_tier: str
    account_tier: str | None
    arr: float | None
    arr_at_risk: float | None


class SortBy(StrEnum):
    """What accounts are listed by."""

    ARR_AT_RISK = "arr_at_risk"
    PROBABILITY = "probability"
    SCORED_AT = "scored_at"
    ACCOUNT_ID = "account_id"


@dataclass(frozen=True)
class Sought:
    """Which accounts are listed, and how.

    Parameters
    ----------
    recipe : str
        By which recipe they were scored.
    risk_tiers, account_tiers : sequence of str
        Of any of these; of all where none is named.
    least_arr_at_risk, least_probability : float, optional
        Of so much or more.
    part : str, optional
        Of the account's id, in upper or lower case.
    named : sequence of str
        Accounts that are found by `part` in another way, such as by their names.
    by : SortBy
        What they are sorted by; those of one value by their ids.
    descending : bool
        Whether the most comes first. Where nothing is known stands last in either direction.
    """

    recipe: str
    risk_tiers: Sequence[str] = ()
    account_tiers: Sequence[str] = ()
    least_arr_at_risk: float | None = None
    least_probability: float | None = None
    part: str | None = None
    named: Sequence[str] = ()
    by: SortBy = SortBy.ARR_AT_RISK
    descending: bool = True


@dataclass(frozen=True)
class After:
    """Where a page ended.

    Parameters
    ----------
    value : float, datetime or None
        Of the last account on it, what it is sorted by.
    account_id : str
        Its id.
    """

    value: float | dt.datetime | str | None
    account_id: str


class Standings:
    """The latest scores. Every method raises StoreError where the database refuses.

    Parameters
    ----------
    database : Database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, recipe: str, account_id: str) -> tuple[Standing, int] | None:
        """Give an account's latest score, and how many the ledger has; None where it has none."""
        c = STANDINGS.c
        wanted = sa.select(STANDINGS).where(c.recipe == recipe, c.account_id == account_id)
        told = sa.select(sa.func.count()).where(
            SCORES.c.recipe == recipe, SCORES.c.account_id == account_id
        )
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
            if row is None:
                return None
            return Standing(**row._asdict()), connection.execute(told).scalar_one()

    def page(self, sought: Sought, limit: int, after: After | None = None) -> list[Standing]:
        """List accounts.

        Parameters
        ----------
        sought : Sought
            Which, and in which order.
        limit : int
            How many at most.
        after : After, optional
            Where to go on; from the beginning if omitted.
        """
        value = STANDINGS.c[sought.by]
        wanted = sa.select(STANDINGS).where(*_conditions(sought, self._database.path is None))
        with self._database.reading() as connection:
            found: list[sa.Row[Any]] = []
            if after is None or after.value is not None:
                known = wanted.where(value.is_not(None))
                found += connection.execute(_following(known, sought, after).limit(limit))
                after = None
            if value.nullable and len(found) < limit:
                # Databases do not agree on where nulls stand, and none finds them last by an index.
                unknown = _following(wanted.where(value.is_(None)), sought, after, alike=True)
                found += connection.execute(unknown.limit(limit - len(found)))
        return [Standing(**row._asdict()) for row in found]


def write(connection: sa.Connection, scores: Iterable[tuple[int, ScoreRecord]]) -> None:
    """Let answers take the place of earlier ones.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In the transaction that adds them to the ledger.
    scores : iterable of (int, ScoreRecord)
        With their places there. The one told last counts, of several at one instant the last of
        these; what tells no score has no standing.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for number, record in sorted(scores, key=lambda item: (item[1].scored_at, item[0])):
        if (row := _row(number, record)) is not None:
            rows[record.recipe, record.account_id] = row
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = insert(STANDINGS)
    c, told = STANDINGS.c, new.excluded
    upsert = new.on_conflict_do_update(
        index_elements=_IDENTITY,
        set_={column.name: told[column.name] for column in c if column.name not in _IDENTITY},
        where=sa.tuple_(told.scored_at, told.score_id) > sa.tuple_(c.scored_at, c.score_id),
    )
    # In one order everywhere: two that wait for each other's rows would wait for ever.
    connection.execute(upsert, [rows[key] for key in sorted(rows)])


def _row(number: int, record: ScoreRecord) -> dict[str, Any] | None:
    told = record.document
    try:
        return {
            "recipe": record.recipe,
            "account_id": record.account_id,
            "score_id": number,
            "bundle": record.bundle,
            "cutoff": record.cutoff,
            "scored_at": record.scored_at,
            "probability": told["probability"],
            "low": told["interval"]["low"],
            "high": told["interval"]["high"],
            "risk_tier": told["risk_tier"],
            "account_tier": told["account_tier"],
            "arr": told["arr"],
            "arr_at_risk": told["arr_at_risk"],
        }
    except (KeyError, TypeError):
        return None


def _conditions(sought: Sought, server: bool) -> list[sa.ColumnElement[bool]]:
    c = STANDINGS.c
    found = [c.recipe == sought.recipe]
    if sought.risk_tiers:
        found.append(c.risk_tier.in_(sought.risk_tiers))
    if sought.account_tiers:
        found.append(c.account_tier.in_(sought.account_tiers))
    if sought.least_arr_at_risk is not None:
        found.append(c.arr_at_risk >= sought.least_arr_at_risk)
    if sought.least_probability is not None:
        found.append(c.probability >= sought.least_probability)
    if sought.part is not None:
        part = c.account_id.icontains(sought.part, autoescape=True)
        found.append(sa.or_(part, _among(c.account_id, sought.named, server)))
    return found


def _among(
    column: sa.ColumnElement[str], values: Sequence[str], server: bool
) -> sa.ColumnElement[bool]:
    """Write that a column is one of values, of which there may be more than a statement takes."""
    written = sa.literal(json.dumps(list(values)))
    listed = (
        sa.func.json_array_elements_text(sa.cast(written, sa.JSON))
        if server
        else sa.func.json_each(written)
    ).table_valued("value")
    return column.in_(sa.select(listed.c.value))


def _following(
    wanted: sa.Select[Any], sought: Sought, after: After | None, *, alike: bool = False
) -> sa.Select[Any]:
    """Sort by value and id, or by id alone where the values are alike, and go on after a place."""
    c = STANDINGS.c
    alone = alike or sought.by is SortBy.ACCOUNT_ID
    columns = [c.account_id] if alone else [c[sought.by], c.account_id]
    if after is not None:
        values = [after.account_id] if alone else [after.value, after.account_id]
        there = sa.tuple_(*columns)
        place = sa.tuple_(
            *(sa.literal(v, column.type) for v, column in zip(values, columns, strict=True))
        )
        wanted = wanted.where(there < place if sought.descending else there > place)
    return wanted.order_by(*(item.desc() if sought.descending else item for item in columns))
