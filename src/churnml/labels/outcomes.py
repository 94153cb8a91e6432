"""The population of accounts whose leaving the business records itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnml.history.asof import History
from churnml.labels.activity import revenue
from churnml.labels.pairs import (
    DAY,
    FAR,
    Bools,
    Fates,
    Ints,
    any_of,
    codes,
    joined,
    micros,
    offsets,
    sorted_ids,
)
from churnml.labels.specs import OutcomeLabel
from churnml.labels.terms import Terms


@dataclass(frozen=True)
class RecordedAccounts:
    """Accounts and what was recorded of them, outcomes sorted by account and time.

    Parameters
    ----------
    ids : pyarrow.Array
        The accounts, sorted.
    terms : Terms or None
        Subscriptions, for the revenue at stake; None where history has none.
    spec : OutcomeLabel
        Windows.
    created : ndarray (n_accounts,), microseconds
        When each account was first known.
    account : ndarray (m,)
        Position in `ids` of each outcome's account.
    occurred, known : ndarray (m,), microseconds
        When it took effect, and when that was known.
    churned, involuntary, downgraded : ndarray (m,), bool
        What it was.
    """

    ids: pa.Array
    terms: Terms | None
    spec: OutcomeLabel
    created: Ints
    account: Ints
    occurred: Ints
    known: Ints
    churned: Bools
    involuntary: Bools
    downgraded: Bools

    @classmethod
    def read(cls, history: History, spec: OutcomeLabel) -> RecordedAccounts:
        """Read accounts and outcomes.

        Raises
        ------
        DataError
            If history lacks one of the two tables.
        """
        accounts, outcomes = history.hindsight("accounts"), history.hindsight("outcomes")
        ids = sorted_ids(accounts["account_id"])
        made = micros(accounts, "created_at")
        created = np.full(len(ids), FAR, dtype=np.int64)
        first = np.maximum(made, micros(accounts, "recorded_at", made))
        np.minimum.at(created, codes(accounts["account_id"], ids), first)

        code, occurred = codes(outcomes["account_id"], ids), micros(outcomes, "occurred_at")
        churned = _is(outcomes, "kind", "churned")
        # Of outcomes at one instant a churn counts last: it is what remains.
        order = np.lexsort((churned, occurred, code))
        order = order[code[order] >= 0]
        known = np.maximum(occurred, micros(outcomes, "recorded_at", occurred))
        return cls(
            ids=ids,
            terms=Terms.read(history, ids) if "subscriptions" in history.contracts else None,
            spec=spec,
            created=created,
            account=code[order],
            occurred=occurred[order],
            known=known[order],
            churned=churned[order],
            involuntary=(churned & _is(outcomes, "cancel_kind", "involuntary"))[order],
            downgraded=_is(outcomes, "kind", "downgraded")[order],
        )

    @property
    def start(self) -> int:
        """When the first account was known, microseconds."""
        return int(self.created.min(initial=FAR))

    def fates(self, account: Ints, cutoff: Ints) -> Fates:
        """Tell of candidates what was known, and what became of them.

        Where an account had left before the cutoff but that was recorded only later, `leaving`
        lies before the cutoff.
        """
        n = account.size
        closes = cutoff + (self.spec.lead_days + self.spec.horizon_days) * DAY
        gone, downgraded = np.zeros(n, bool), np.zeros(n, bool)
        leaving, involuntary = np.full(n, FAR, dtype=np.int64), np.zeros(n, bool)
        for part, candidate, row in joined(account, offsets(self.account, len(self.ids))):
            size, at = part.stop - part.start, cutoff[part][candidate]
            occurred = self.occurred[row]
            past = occurred < at
            gone[part] = self._left(candidate, row, past & (self.known[row] < at), size) >= 0
            left = self._left(candidate, row, past, size)
            ahead = np.full(size, FAR, dtype=np.int64)
            future = self.churned[row] & ~past
            np.minimum.at(ahead, candidate[future], occurred[future])
            leaving[part] = np.where(left >= 0, np.append(self.occurred, FAR)[left], ahead)
            now = self.involuntary[row] & (occurred == leaving[part][candidate])
            involuntary[part] = any_of(candidate, now, size)
            less = self.downgraded[row] & ~past & (occurred < closes[part][candidate])
            downgraded[part] = any_of(candidate, less, size)
        return Fates(
            member=(self.created[account] < cutoff) & ~gone,
            notice=np.zeros(n, bool),
            mrr=revenue(self.terms, account, cutoff),
            leaving=leaving,
            involuntary=involuntary,
            downgraded=downgraded & (leaving >= closes),
            downgrade_known=np.ones(n, bool),
        )

    def _left(self, candidate: Ints, row: Ints, seen: Bools, size: int) -> Ints:
        """Find the outcome by which each candidate had left, -1 where its last seen one is none."""
        last = np.full(size, -1, dtype=np.int64)
        np.maximum.at(last, candidate[seen], row[seen])
        # Position -1 reads the appended entry: who has no outcome has not left.
        return np.where(np.append(self.churned, False)[last], last, -1)


def _is(rows: pa.Table, column: str, value: str) -> Bools:
    if column not in rows.column_names:
        return np.zeros(rows.num_rows, dtype=bool)
    return np.asarray(pc.fill_null(pc.equal(rows[column], value), fill_value=False))
