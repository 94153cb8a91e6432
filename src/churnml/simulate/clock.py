"""Days, weeks and months of a simulation, in UTC; days and months are counted from 1970."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from churnml.errors import ConfigError
from churnml.simulate.world import Floats, Ints

DAY = 86_400_000_000  # microseconds
NEVER = np.iinfo(np.int64).min  # numpy reads it as NaT
FAR = 1_000_000  # a day no simulation reaches
FIRST_YEAR, LAST_YEAR = 1000, 4000  # within which each date has four digits and is before `FAR`
LAST_START_DAY = 28  # every month has it, so that a month later is always the same day


def month_days(months: Ints, day_of_month: Ints) -> Ints:
    """Turn months and days of the month into days.

    Parameters
    ----------
    months : ndarray of int
        Months since January 1970.
    day_of_month : ndarray of int
        1 to 28, broadcast against `months`.

    Returns
    -------
    ndarray of int
        Days since 1970-01-01.
    """
    firsts = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    days: Ints = firsts + day_of_month - 1
    return days


def month_of_year(days: Ints) -> Ints:
    """Tell the calendar month, 1 to 12, of days since 1970."""
    months: Ints = days.astype("M8[D]").astype("M8[M]").astype(np.int64) % 12 + 1
    return months


@dataclass(frozen=True)
class Clock:
    """The simulated span ``[start, end)``.

    Parameters
    ----------
    start, end : int
        Its first day and the day after its last, in days since 1970.
    months : int
        Its length.
    """

    start: int
    end: int
    months: int

    @classmethod
    def spanning(cls, start: dt.datetime, months: int) -> Clock:
        """Lay a span of whole months from a midnight on.

        Parameters
        ----------
        start : datetime
            Naive, UTC, a midnight no later than the 28th of its month.
        months : int
            Length of the span.

        Returns
        -------
        Clock
            The span.

        Raises
        ------
        ConfigError
            If `start` is not such a midnight, or too far from today.
        """
        if not FIRST_YEAR <= start.year <= LAST_YEAR:
            raise ConfigError(
                f"simulate: start = {start.date().isoformat()}; expected a day in the years "
                f"{FIRST_YEAR} to {LAST_YEAR}, such as 2024-01-01."
            )
        midnight = dt.datetime(start.year, start.month, start.day)
        if start.tzinfo is not None or start != midnight or start.day > LAST_START_DAY:
            raise ConfigError(
                f"simulate: start = {start.isoformat()}; expected a midnight in UTC without a time "
                f"zone, on day 1 to {LAST_START_DAY} of a month, such as 2024-01-01."
            )
        first = np.array([(start.year - 1970) * 12 + start.month - 1])
        day = np.array([start.day])
        return cls(
            start=int(month_days(first, day)[0]),
            end=int(month_days(first + months, day)[0]),
            months=months,
        )

    @property
    def days(self) -> Ints:
        """Every day of the span."""
        return np.arange(self.start, self.end)

    @property
    def weeks(self) -> int:
        """How many weeks it takes to cover the span."""
        return (self.end - self.start + 6) // 7

    @property
    def first_month(self) -> int:
        """The month it starts in, since January 1970."""
        return int(np.int64(self.start).astype("M8[D]").astype("M8[M]").astype(np.int64))

    @property
    def cutoffs(self) -> Ints:
        """A day for every month that has passed, the end of the span the last of them."""
        day = self.start - int(month_days(np.array([self.first_month]), np.array([1]))[0]) + 1
        return month_days(self.first_month + np.arange(1, self.months + 1), np.array([day]))

    @property
    def observed_until(self) -> dt.datetime:
        """The instant the span ends."""
        return dt.datetime(1970, 1, 1) + dt.timedelta(days=self.end)

    def week(self, days: Ints) -> Ints:
        """Tell the week of each day; days outside the span count to its first or last week."""
        weeks: Ints = np.clip((days - self.start) // 7, 0, self.weeks - 1)
        return weeks


def instants(rng: np.random.Generator, days: Ints, utc_offset: Floats) -> Ints:
    """Give each day a time of day, most in the working hours of the place.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    days : ndarray of int
        Days since 1970.
    utc_offset : ndarray
        Hours that local time is ahead of UTC, one per day.

    Returns
    -------
    ndarray of int
        Microseconds since 1970; each within its (UTC) day.
    """
    hours = (rng.normal(13.0, 2.7, days.size) - utc_offset) % 24.0
    seconds = np.minimum((hours * 3600.0).astype(np.int64), 86_399)
    moments: Ints = days * DAY + seconds * 1_000_000 + rng.integers(0, 1000, days.size) * 1000
    return moments
