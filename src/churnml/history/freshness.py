"""Whether a table had gone quiet before a cutoff: its silence would look like its accounts'."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from churnml.history.asof import History
from churnml.history.dialect import identifier, instant
from churnml.history.tables import RECORDED_AT, Table


@dataclass(frozen=True)
class Stale:
    """A table in which nothing new was known for too long before a cutoff.

    Parameters
    ----------
    table : str
        The table.
    newest : datetime or None
        When the last of it became known before the cutoff, UTC; none where nothing had.
    cutoff : datetime
        The cutoff, UTC.
    stale_days : float
        The age that the table's source allows.
    """

    table: str
    newest: dt.datetime | None
    cutoff: dt.datetime
    stale_days: float

    def __str__(self) -> str:
        """Say so, and what to do."""
        if self.newest is None:
            last = "nothing was known"
        else:
            age = (self.cutoff - self.newest) / dt.timedelta(days=1)
            last = f"the newest is of {self.newest:%Y-%m-%d %H:%M}, {age:,.0f} days"
        return (
            f"table {self.table!r}: {last} before {self.cutoff:%Y-%m-%d %H:%M}; stale_days = "
            f"{self.stale_days:g}. Features that read it take its silence for the accounts'. Bring "
            "a newer export, or raise stale_days."
        )

    def document(self) -> dict[str, str | float | None]:
        """Tell it in values that JSON knows; ``said`` is the whole in words."""
        newest = self.newest.isoformat() if self.newest is not None else None
        return {
            "table": self.table,
            "newest": newest,
            "stale_days": self.stale_days,
            "said": str(self),
        }


def stale(history: History, tables: Iterable[str], cutoff: dt.datetime) -> tuple[Stale, ...]:
    """Find the tables in which nothing new was known for too long before a cutoff.

    Parameters
    ----------
    history : History
        Clean history. Tables of which it does not say what age is allowed, such as those whose
        events are booked ahead, are not judged.
    tables : iterable of str
        Which to look at.
    cutoff : datetime
        UTC, naive.

    Returns
    -------
    tuple of Stale
        Sorted by table.

    Raises
    ------
    SourceError
        If clean history is gone or damaged.
    """
    found = []
    for name in sorted({*tables} & {*history.contracts} & {*history.stale_days}):
        allowed = history.stale_days[name]
        (newest,) = history.query(_newest(history.contract(name), cutoff))["newest"].to_pylist()
        if newest is None or (cutoff - newest) / dt.timedelta(days=1) > allowed:
            found.append(Stale(name, newest, cutoff, allowed))
    return tuple(found)


def _newest(table: Table, cutoff: dt.datetime) -> str:
    """Write the query for the last time before a cutoff at which anything of a table was known."""
    own = [column.name for column in table.columns if column.known == column.name]
    recorded = [RECORDED_AT] if table.has(RECORDED_AT) else []
    times = [identifier(name) for name in dict.fromkeys([table.time, *recorded, *own])]
    past = (f"max({time}) FILTER ({time} < {instant(cutoff)})" for time in times)
    return f"SELECT greatest({', '.join(past)}) AS newest FROM {identifier(table.name)}"
