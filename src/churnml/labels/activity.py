"""The population of accounts that are active without a contract, and leave by falling silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlglot import exp

from churnml.errors import LabelError
from churnml.history.asof import History, known_at
from churnml.labels.pairs import DAY, FAR, Bools, Fates, Floats, Ints, codes, sorted_ids
from churnml.labels.specs import InactivityLabel
from churnml.labels.terms import Terms

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ActiveAccounts:
    """Days on which accounts were active, sorted by account and day.

    Days begin at the time of day of the cutoffs, so that no day straddles a cutoff or a window's
    edge; they are counted from the first.

    Parameters
    ----------
    ids : pyarrow.Array
        The accounts, sorted.
    terms : Terms or None
        Subscriptions, for the revenue at stake; None where history has none.
    spec : InactivityLabel
        Windows.
    origin : int
        The instant at which day 0 begins, microseconds.
    account : ndarray (m,)
        Position in `ids`.
    day : ndarray (m,)
        A day on which the account was active.
    known : ndarray (m,)
        The first day on which anything of that day's activity was known.
    """

    ids: pa.Array
    terms: Terms | None
    spec: InactivityLabel
    origin: int
    account: Ints
    day: Ints
    known: Ints

    @classmethod
    def read(cls, history: History, spec: InactivityLabel, time_of_day: int = 0) -> ActiveAccounts:
        """Reduce the table of activity to days, in the engine.

        Parameters
        ----------
        history : History
            Holds the table that `spec` names.
        spec : InactivityLabel
            Which rows are activity.
        time_of_day : int
            Microseconds after midnight at which the cutoffs lie.

        Raises
        ------
        LabelError
            If events are named but the table tells none apart, or nothing was ever done.
        DataError
            If history has no such table.
        """
        rows = _days(history, spec, time_of_day)
        if rows.num_rows == 0:
            wanted = f" with an event among {', '.join(spec.events)}" if spec.events else ""
            raise LabelError(
                f"table {spec.table!r} has no rows{wanted}, so no account was ever active. "
                "Name the activity under [label] of the recipe."
            )
        ids = sorted_ids(rows["account_id"])
        account = codes(rows["account_id"], ids)
        day, known = (np.asarray(rows[name], dtype=np.int64) for name in ("day", "known"))
        origin = int(day.min())
        return cls(
            ids=ids,
            terms=Terms.read(history, ids) if "subscriptions" in history.contracts else None,
            spec=spec,
            origin=origin,
            account=account,
            day=(day - origin) // DAY,
            known=(known - origin) // DAY,
        )

    @property
    def start(self) -> int:
        """The first day of activity, microseconds."""
        return self.origin

    def fates(self, account: Ints, cutoff: Ints) -> Fates:
        """Tell of candidates what was known, and what became of them.

        A silent account is taken to have left when its label window opens.
        """
        at = (cutoff - self.origin) // DAY
        opens = at + self.spec.lead_days
        # Activity counts from the day after it was known until it is older than `active_days`.
        seen = np.maximum(self.day, self.known)
        until = np.maximum(self.day + self.spec.active_days, seen)
        member = self._before(seen, account, at) > self._before(until, account, at)
        done = self._before(self.day, account, opens + self.spec.horizon_days)
        silent = done == self._before(self.day, account, opens)
        nobody = np.zeros(account.size, dtype=bool)
        return Fates(
            member=member,
            notice=nobody,
            mrr=revenue(self.terms, account, cutoff),
            leaving=np.where(silent, cutoff + self.spec.lead_days * DAY, FAR),
            involuntary=nobody,
            downgraded=nobody,
            downgrade_known=nobody,
        )

    def silent(self, account: Ints, cutoff: Ints, periods: int) -> Bools:
        """Tell of candidates through which of the coming periods they did nothing.

        Parameters
        ----------
        account, cutoff : ndarray (n,)
            The candidates.
        periods : int
            How many windows of the label's horizon, the first of them the label's own.

        Returns
        -------
        ndarray (n, periods), bool
            In hindsight, whatever was observed.
        """
        opens = (cutoff - self.origin) // DAY + self.spec.lead_days
        edges = opens[:, None] + np.arange(periods + 1) * self.spec.horizon_days
        done = self._before(self.day, np.repeat(account, periods + 1), edges.ravel())
        return np.asarray(np.diff(done.reshape(edges.shape), axis=1) == 0)

    def _before(self, days: Ints, account: Ints, at: Ints) -> Ints:
        """Count each candidate's rows whose day is before `at`, plus a constant per account."""
        low = min(days.min(), at.min(initial=0))
        width = max(days.max(), at.max(initial=0)) - low + 1
        keys = np.sort(self.account * width + (days - low))
        positions = np.searchsorted(keys, account * width + (at - low))
        return np.asarray(positions, dtype=np.int64)


def revenue(terms: Terms | None, account: Ints, cutoff: Ints) -> Floats:
    """Read the monthly revenue known at each cutoff; nan where history has no subscriptions."""
    if terms is None:
        return np.full(account.size, np.nan)
    return terms.standing(account, cutoff, grace=0).mrr


def _days(history: History, spec: InactivityLabel, time_of_day: int) -> pa.Table:
    contract = history.contract(spec.table)

    def day(instant: exp.Expr) -> str:
        shifted = f"{instant.sql(dialect='duckdb')} - to_microseconds({time_of_day})"
        return f"epoch_us(date_trunc('day', {shifted})) + {time_of_day}"

    where = ""
    if spec.events:
        if contract.dimension is None:
            raise LabelError(
                f"table {spec.table!r} has no dimension to tell events apart, but [label] names "
                f"events {', '.join(spec.events)}. Leave `events` out."
            )
        event = exp.column(contract.dimension, quoted=True).sql(dialect="duckdb")
        where = f"WHERE {event} IN (SELECT unnest($events))"
    happened, known = exp.column(contract.time), known_at(contract, ())
    query = (
        f'SELECT account_id, {day(happened)} AS "day", min({day(known)}) AS known '
        f"FROM {exp.to_table(spec.table).sql(dialect='duckdb')} {where} "
        'GROUP BY account_id, "day" ORDER BY account_id, "day"'
    )
    return history.query(query, {"events": list(spec.events)} if spec.events else None)
