"""Coverage by subscriptions: who is active, under notice, worth what, and when coverage ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnml.errors import LabelError
from churnml.history.asof import History
from churnml.labels.pairs import (
    DAY,
    FAR,
    Bools,
    Fates,
    Floats,
    Ints,
    any_of,
    codes,
    joined,
    micros,
    offsets,
    sorted_ids,
)
from churnml.labels.specs import SubscriptionLabel

TABLE = "subscriptions"
_ENDS = ("ends_at", "terminated_at", "cancelled_at")
_LESS = 1 - 1e-9  # sums of equal terms may differ in their last digits


@dataclass(frozen=True)
class Standing:
    """What was known of each candidate's subscriptions strictly before its cutoff.

    Parameters
    ----------
    active : ndarray (n,), bool
        Whether a term known by then had begun before the cutoff and not ended before it.
    notice : ndarray (n,), bool
        Whether all of those are cancelled, and no further term is booked.
    mrr : ndarray (n,)
        Their monthly revenue; 0 without any, nan where there are some and none says its revenue.
    """

    active: Bools
    notice: Bools
    mrr: Floats


@dataclass(frozen=True)
class Terms:
    """All terms ever recorded, sorted by account and start; times in microseconds.

    Parameters
    ----------
    ids : pyarrow.Array
        The accounts.
    account : ndarray (m,)
        Position of each term's account in `ids`.
    known : ndarray (m,)
        When the term was booked, or its start.
    start, agreed, cancelled, terminated : ndarray (m,)
        Columns of the table; `FAR` where missing.
    mrr : ndarray (m,)
        Monthly recurring revenue; nan where missing.
    involuntary, voluntary : ndarray (m,), bool
        Who ended it, so far as that is recorded.
    """

    ids: pa.Array
    account: Ints
    known: Ints
    start: Ints
    agreed: Ints
    cancelled: Ints
    terminated: Ints
    mrr: Floats
    involuntary: Bools
    voluntary: Bools

    @classmethod
    def read(cls, history: History, ids: pa.Array | None = None) -> Terms:
        """Read the terms of accounts.

        Parameters
        ----------
        history : History
            Holds the table ``subscriptions``.
        ids : pyarrow.Array, optional
            The accounts, sorted; all that have a term when omitted.

        Raises
        ------
        DataError
            If history has no table ``subscriptions``.
        """
        rows = history.hindsight(TABLE)
        accounts = sorted_ids(rows["account_id"]) if ids is None else ids
        code, start = codes(rows["account_id"], accounts), micros(rows, "started_at")
        order = np.lexsort((start, code))
        order = order[code[order] >= 0]
        return cls(
            ids=accounts,
            account=code[order],
            known=micros(rows, "recorded_at", start)[order],
            start=start[order],
            agreed=micros(rows, "ends_at")[order],
            cancelled=micros(rows, "cancelled_at")[order],
            terminated=micros(rows, "terminated_at")[order],
            mrr=_numbers(rows, "mrr")[order],
            involuntary=_equals(rows, "cancel_kind", "involuntary")[order],
            voluntary=_equals(rows, "cancel_kind", "voluntary")[order],
        )

    @property
    def apparent_end(self) -> Ints:
        """The end as it shows before any cutoff that lies after it: compare with cutoffs only.

        It mixes times of which each is known once it has come, so ``apparent_end < cutoff`` reveals
        nothing that was not known at the cutoff.
        """
        stop = np.where(self.agreed == FAR, self.cancelled, self.agreed)
        return np.minimum(stop, self.terminated)

    @property
    def end(self) -> Ints:
        """The end in hindsight, exclusive."""
        end = np.minimum(self.agreed, self.terminated)
        return np.where(end == FAR, self.cancelled, end)

    def standing(self, account: Ints, cutoff: Ints, grace: int) -> Standing:
        """Tell what was known of candidates strictly before their cutoffs.

        Parameters
        ----------
        account, cutoff : ndarray (n,)
            The candidates.
        grace : int
            Microseconds after the end of a cancelled term within which a booked one follows it.
        """
        n = account.size
        active, notice, mrr = np.zeros(n, bool), np.zeros(n, bool), np.zeros(n)
        apparent = self.apparent_end
        for part, candidate, row in joined(account, offsets(self.account, len(self.ids))):
            size, at = part.stop - part.start, cutoff[part][candidate]
            known = self.known[row] < at
            running = known & (self.start[row] < at) & (apparent[row] >= at)
            kept = self.cancelled[row] >= at
            paid = np.full(size, -FAR, dtype=np.int64)
            np.maximum.at(paid, candidate[running], self.agreed[row][running])
            booked = known & kept & (self.start[row] >= at) & (self.terminated[row] >= at)
            follows = booked & (self.start[row] <= paid[candidate] + grace)
            active[part] = any_of(candidate, running, size)
            notice[part] = active[part] & ~any_of(candidate, (running & kept) | follows, size)
            mrr[part] = _total(candidate, running, self.mrr[row], size)
        return Standing(active, notice, mrr)

    def renewing(self, account: Ints, cutoff: Ints, least: int, most: int) -> Bools:
        """Tell of candidates whether an agreed end of a term, as far as known, lies close ahead.

        Parameters
        ----------
        account, cutoff : ndarray (n,)
            The candidates, sorted by account.
        least, most : int
            Whole days from the cutoff to that end, both included. Where `most` is the days of
            `renewals`, it holds from the very cutoff that `renewals` gives.
        """
        near = np.zeros(account.size, bool)
        for part, candidate, row in joined(account, offsets(self.account, len(self.ids))):
            at = cutoff[part][candidate]
            stands = (self.known[row] < at) & (self.terminated[row] >= at)
            left = self.agreed[row] - at
            within = (left >= least * DAY) & (left < (most + 1) * DAY)
            near[part] = any_of(candidate, stands & within, part.stop - part.start)
        return near

    def renewals(self, days: int) -> tuple[Ints, Ints]:
        """Find the midnight that lies `days` before each term's agreed end.

        Returns
        -------
        account, cutoff : ndarray (n,)
            Candidates without repetition, sorted; only where the term was known by then, and had
            not been terminated.
        """
        cutoff = (self.agreed - days * DAY) // DAY * DAY
        keep = (self.agreed < FAR) & (self.known < cutoff) & (self.terminated >= cutoff)
        pairs = np.unique(np.column_stack([self.account[keep], cutoff[keep]]), axis=0)
        return pairs[:, 0], pairs[:, 1]


@dataclass(frozen=True)
class Spells:
    """Coverage without a gap longer than the grace, for each term the spell that it is part of.

    Parameters
    ----------
    end : ndarray (m,), microseconds
        The end of the term's spell; `FAR` for one without end, and for a term that covers nothing.
    involuntary : ndarray (m,), bool
        Whether the spell ended for want of payment.
    """

    end: Ints
    involuntary: Bools

    @classmethod
    def of(cls, terms: Terms, grace: int) -> Spells:
        """Merge terms whose gaps are at most `grace` microseconds."""
        covers = terms.end > terms.start
        account, start, end = terms.account[covers], terms.start[covers], terms.end[covers]
        reached = _running_latest(account, end)
        fresh = np.ones(account.size, dtype=bool)
        fresh[1:] = (account[1:] != account[:-1]) | (start[1:] > reached[:-1] + grace)
        spell, first = np.cumsum(fresh) - 1, np.flatnonzero(fresh)
        last = np.maximum.reduceat(end, first) if first.size else end
        ending = end == last[spell]
        unpaid = any_of(spell, ending & terms.involuntary[covers], first.size)
        wished = any_of(spell, ending & terms.voluntary[covers], first.size)
        ends = np.full(covers.size, FAR, dtype=np.int64)
        ends[covers] = last[spell]
        involuntary = np.zeros(covers.size, dtype=bool)
        involuntary[covers] = (unpaid & ~wished)[spell]
        return cls(ends, involuntary)


@dataclass(frozen=True)
class Subscribers:
    """The population of accounts with a running subscription.

    Parameters
    ----------
    terms : Terms
        All terms.
    spec : SubscriptionLabel
        Lead, horizon and grace.
    """

    terms: Terms
    spec: SubscriptionLabel

    @classmethod
    def read(cls, history: History, spec: SubscriptionLabel) -> Subscribers:
        """Read the population from history.

        Raises
        ------
        LabelError
            If no column says when a term ends, so that nobody could ever be seen to leave.
        DataError
            If history has no table ``subscriptions``.
        """
        contract = history.contract(TABLE)
        if not any(contract.has(name) for name in _ENDS):
            raise LabelError(
                f"table {TABLE!r} has none of the columns {', '.join(_ENDS)}, so no term ever ends "
                "and nobody churns. Map one of them in data/sources.toml, or label by inactivity "
                "or outcomes."
            )
        return cls(Terms.read(history), spec)

    @property
    def ids(self) -> pa.Array:
        """The accounts, sorted."""
        return self.terms.ids

    @property
    def start(self) -> int:
        """The first start of a term, microseconds."""
        return int(self.terms.start.min(initial=FAR))

    def fates(self, account: Ints, cutoff: Ints) -> Fates:
        """Tell of candidates what was known, and what became of them."""
        terms, grace = self.terms, self.spec.grace_days * DAY
        standing = terms.standing(account, cutoff, grace)
        spells = Spells.of(terms, grace)
        closes = cutoff + (self.spec.lead_days + self.spec.horizon_days) * DAY
        leaving = np.full(account.size, FAR, dtype=np.int64)
        involuntary = np.zeros(account.size, dtype=bool)
        after = np.full(account.size, np.nan)
        for part, candidate, row in joined(account, offsets(terms.account, len(terms.ids))):
            at = cutoff[part][candidate]
            inside = (terms.start[row] < at) & (terms.end[row] >= at)
            leaving[part][candidate[inside]] = spells.end[row][inside]
            involuntary[part][candidate[inside]] = spells.involuntary[row][inside]
            after[part] = _revenue(terms, candidate, row, closes[part])
        stays = leaving > closes
        return Fates(
            member=standing.active,
            notice=standing.notice,
            mrr=standing.mrr,
            leaving=leaving,
            involuntary=involuntary,
            downgraded=stays & (after < standing.mrr * _LESS),
            downgrade_known=~stays | ~(np.isnan(after) | np.isnan(standing.mrr)),
        )


def _revenue(terms: Terms, candidate: Ints, row: Ints, at: Ints) -> Floats:
    """Sum what is paid from `at` on, or from the next start where `at` lies in a gap."""
    start, end = terms.start[row], terms.end[row]
    covered = any_of(candidate, (start <= at[candidate]) & (at[candidate] < end), at.size)
    following = np.full(at.size, FAR, dtype=np.int64)
    later = (start > at[candidate]) & (end > start)
    np.minimum.at(following, candidate[later], start[later])
    moment = np.where(covered, at, following)[candidate]
    return _total(candidate, (start <= moment) & (moment < end), terms.mrr[row], at.size)


def _total(candidate: Ints, holds: Bools, values: Floats, n: int) -> Floats:
    """Sum the values that hold; 0 where none holds, nan where those that hold are all unknown."""
    told = holds & ~np.isnan(values)
    total = np.bincount(candidate[told], weights=values[told], minlength=n)
    silent = any_of(candidate, holds, n) & ~any_of(candidate, told, n)
    return np.where(silent, np.nan, total)


def _running_latest(account: Ints, end: Ints) -> Ints:
    """Within each account, the latest end so far; `account` is sorted."""
    values, rank = np.unique(end, return_inverse=True)
    shift = account * max(values.size, 1)
    return values[np.maximum.accumulate(shift + rank) - shift] if end.size else end


def _numbers(rows: pa.Table, column: str) -> Floats:
    if column not in rows.column_names:
        return np.full(rows.num_rows, np.nan)
    return np.asarray(pc.fill_null(rows[column], float("nan")), dtype=np.float64)


def _equals(rows: pa.Table, column: str, value: str) -> Bools:
    if column not in rows.column_names:
        return np.zeros(rows.num_rows, dtype=bool)
    return np.asarray(pc.fill_null(pc.equal(rows[column], value), fill_value=False))
