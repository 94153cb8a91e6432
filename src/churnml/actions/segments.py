"""Segments of accounts as of a date: how they use the product, and how long they are customers."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from churnml.actions.look import Look
from churnml.config import FrozenModel
from churnml.history.dialect import instant
from churnml.history.tables import ACCOUNT_ID

TABLES = ("usage", "subscriptions", "accounts")  # what is looked at
_YEAR = 365.25
_STARTS = (("subscriptions", "started_at"), ("accounts", "created_at"))


class UsageSegment(StrEnum):
    """How often an account uses the product."""

    HEAVY = "heavy"
    REGULAR = "regular"
    OCCASIONAL = "occasional"
    LAPSED = "lapsed"
    NON_USER = "non_user"


class Tenure(StrEnum):
    """How long an account has been a customer, the shortest first."""

    NEW = "new"
    FIRST_YEAR = "first_year"
    UP_TO_THREE_YEARS = "up_to_three_years"
    LONGER = "longer"


class UsageSegments(FrozenModel):
    """On how many days of the latest ones use makes a segment.

    Less than `regular`, but some, is occasional. Who used the product before those days and no more
    since has lapsed; who never did is no user.

    Parameters
    ----------
    days : float
        The days that are judged.
    heavy : int
        The least days with use of a heavy user: more than every other day.
    regular : int
        The least days with use of a regular user: one a week.
    """

    days: float = Field(default=28, gt=0)
    heavy: int = Field(default=15, ge=1)
    regular: int = Field(default=4, ge=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not self.regular < self.heavy <= self.days:
            raise ValueError(
                f"regular = {self.regular}, heavy = {self.heavy}, days = {self.days:g}; expected "
                "regular below heavy, and heavy at most days"
            )
        return self

    def of(self, days_used: int) -> UsageSegment:
        """Name the segment of one who used the product, by the days of late with use."""
        if days_used == 0:
            return UsageSegment.LAPSED
        if days_used < self.regular:
            return UsageSegment.OCCASIONAL
        return UsageSegment.HEAVY if days_used >= self.heavy else UsageSegment.REGULAR


def usage_segments(look: Look, bounds: UsageSegments) -> dict[str, UsageSegment] | None:
    """Tell how often accounts use the product.

    Parameters
    ----------
    look : Look
        History at a date.
    bounds : UsageSegments
        What makes a segment.

    Returns
    -------
    dict of str to UsageSegment or None
        Every account that ever used it; all others are no users. None where history has no usage.
    """
    if not look.has("usage"):
        return None
    real = "WHERE coalesce(quantity, 1) > 0" if look.has("usage", "quantity") else ""
    # Days are counted back from the cutoff, so that its hour cuts none in two.
    ago = f"ceil((epoch_us({instant(look.cutoff)}) - epoch_us(occurred_at)) / 86400e6)"
    rows = look.rows(
        f"SELECT {ACCOUNT_ID}, count(DISTINCT {ago}) FILTER "
        f"(WHERE occurred_at >= {look.since(bounds.days)}) AS days "
        f"FROM {look.view('usage')} {real} GROUP BY {ACCOUNT_ID}"
    )
    return {row[ACCOUNT_ID]: bounds.of(row["days"]) for row in rows}


def tenures(look: Look) -> dict[str, Tenure] | None:
    """Tell how long accounts have been customers: since their first term, else since they exist.

    Parameters
    ----------
    look : Look
        History at a date.

    Returns
    -------
    dict of str to Tenure or None
        None where history says of no account since when.
    """
    for table, start in _STARTS:
        if look.has(table, start):
            rows = look.rows(
                f"SELECT {ACCOUNT_ID}, min({start}) AS since FROM {look.view(table)} "
                f"WHERE {start} < {instant(look.cutoff)} GROUP BY {ACCOUNT_ID}"
            )
            return {row[ACCOUNT_ID]: _tenure(look.cutoff - row["since"]) for row in rows}
    return None


def _tenure(there: dt.timedelta) -> Tenure:
    days = there / dt.timedelta(days=1)
    if days < 90:
        return Tenure.NEW
    if days < _YEAR:
        return Tenure.FIRST_YEAR
    return Tenure.UP_TO_THREE_YEARS if days < 3 * _YEAR else Tenure.LONGER
