"""The weekly mix of tones: how customers sounded week by week, and whether that is an alarm.

References
----------
Wilson (1927), Probable inference, the law of succession, and statistical inference. Journal of the
American Statistical Association 22, 209-212: the interval of a share.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from churnml.actions.look import Look
from churnml.actions.responses import MixSpec
from churnml.history.asof import History
from churnml.history.tables import SENTIMENTS

_Z = 1.959964
_WEEK = dt.timedelta(days=7)


class Band(StrEnum):
    """How alarming a week is."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True)
class Week:
    """The tones of a week's texts.

    Parameters
    ----------
    begins : date
        Its Monday, UTC.
    whole : bool
        Whether the week was over; of another one the texts so far are counted.
    counts : mapping of str to int
        Texts of each of `SENTIMENTS`.
    spec : MixSpec
        When it is yellow, and when red.
    """

    begins: dt.date
    whole: bool
    counts: Mapping[str, int]
    spec: MixSpec

    @property
    def texts(self) -> int:
        """How many texts have a tone."""
        return sum(self.counts.values())

    @property
    def bad(self) -> int:
        """How many are negative or hostile."""
        return self.counts["negative"] + self.counts["hostile"]

    @property
    def negative(self) -> float:
        """The share of negative and hostile texts; nan without texts."""
        return self.bad / self.texts if self.texts else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of that share; nan without texts."""
        return wilson(self.bad, self.texts)

    @property
    def band(self) -> Band | None:
        """How alarming that share is; None without texts."""
        if not self.texts:
            return None
        if self.negative > self.spec.red_above:
            return Band.RED
        return Band.YELLOW if self.negative >= self.spec.yellow_from else Band.GREEN


def weekly_mix(
    history: History,
    spec: MixSpec,
    cutoff: dt.datetime,
    *,
    weeks: int,
    corrected_until: dt.datetime | None = None,
) -> tuple[Week, ...]:
    """Count the tones of the latest weeks.

    Parameters
    ----------
    history : History
        Clean history with readings.
    spec : MixSpec
        When a week is yellow, and when red.
    cutoff : datetime
        UTC, naive; only what was known strictly before is counted.
    weeks : int
        How many, the one of the cutoff included.
    corrected_until : datetime, optional
        Until when corrections of readings count; until the cutoff if omitted.

    Returns
    -------
    tuple of Week
        The earliest first, weeks without texts among them.
    """
    look = Look(history, cutoff, corrected_until)
    last_instant = cutoff - dt.timedelta(microseconds=1)
    monday = last_instant.date() - dt.timedelta(days=last_instant.weekday())
    begins = [monday - _WEEK * back for back in reversed(range(weeks))]
    counts = {begin: dict.fromkeys(SENTIMENTS, 0) for begin in begins}
    if look.has("readings", "sentiment"):
        rows = look.rows(
            "SELECT CAST(date_trunc('week', said_at) AS DATE) AS week, sentiment, "
            f"count(*) AS texts FROM {look.view('readings')} WHERE sentiment IS NOT NULL "
            f"AND said_at >= TIMESTAMP '{begins[0].isoformat()} 00:00:00' GROUP BY ALL"
        )
        for row in rows:
            counts[row["week"]][row["sentiment"]] = row["texts"]
    return tuple(
        Week(
            begins=begin,
            whole=dt.datetime.combine(begin, dt.time()) + _WEEK <= cutoff,
            counts=MappingProxyType(counts[begin]),
            spec=spec,
        )
        for begin in begins
    )


def wilson(found: int, count: int) -> tuple[float, float]:
    """95 % interval of a share by Wilson's score; nan where there is nothing.

    Parameters
    ----------
    found, count : int
        How many of how many.
    """
    if count == 0:
        return math.nan, math.nan
    share, z2 = found / count, _Z * _Z
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return max(0.0, centre - half), min(1.0, centre + half)
