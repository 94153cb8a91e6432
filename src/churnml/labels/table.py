"""Labels cut from history: who is in the population at each cutoff, and who then left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from churnml.errors import LabelError
from churnml.history.asof import History
from churnml.labels.activity import ActiveAccounts
from churnml.labels.calendar import candidates, require_terms, to_micros
from churnml.labels.outcomes import RecordedAccounts
from churnml.labels.pairs import (
    DAY,
    FAR,
    Bools,
    Fates,
    Ints,
    Population,
    codes,
    micros,
    sorted_ids,
)
from churnml.labels.periods import periods
from churnml.labels.specs import (
    ColumnLabel,
    Cutoffs,
    HistorySpec,
    InactivityLabel,
    OutcomeLabel,
    SubscriptionLabel,
)
from churnml.labels.terms import Subscribers, Terms

UNDER_NOTICE = "under notice"
NOT_OBSERVED = "label window not fully observed"
LEFT_UNSEEN = "left before the cutoff, recorded after it"
LEFT_IN_LEAD = "left within lead"
INVOLUNTARY = "involuntary churn"


@dataclass(frozen=True)
class Labels:
    """One row for each account and cutoff to learn from or to test on.

    Parameters
    ----------
    table : pyarrow.Table
        ``account_id`` (string), ``cutoff`` (timestamp[us]; absent for a flat table without times),
        ``label`` (int8), ``arr`` (double, null if unknown), ``involuntary`` (bool), ``downgraded``
        (bool, null if unknown), ``churned_at`` (timestamp[us], null if it stayed as far as was
        observed), ``periods_told`` and ``churned_period`` (int16, the latter null if it churned in
        none of the former; see `churnml.labels.periods`). For a flat table not these two, but
        ``row``, its position there. Sorted by cutoff, account.
    dropped : mapping of str to int
        Rows that were left out, by reason; each row counts under its first.
    spec : HistorySpec or ColumnLabel
        What a label means here.
    """

    table: pa.Table
    dropped: Mapping[str, int]
    spec: HistorySpec | ColumnLabel


def label(history: History, spec: HistorySpec, cutoffs: Cutoffs) -> Labels:
    """Cut labels from history.

    The population uses only what was known strictly before each cutoff; the label looks at
    ``[cutoff + lead, cutoff + lead + horizon)`` in hindsight. A row is kept only when that window,
    the grace after it, and the days that facts take to be recorded have passed, whichever way it
    turned out: dropping only the unknown zeros would leave too many ones.

    Parameters
    ----------
    history : History
        Clean tables.
    spec : SubscriptionLabel, InactivityLabel or OutcomeLabel
        What churn is.
    cutoffs : Cutoffs
        When to look.

    Returns
    -------
    Labels
        The rows kept, and how many were not and why.

    Raises
    ------
    LabelError
        If nothing is left.
    DataError
        If history lacks a table that the label needs.
    """
    source = _population(history, spec)
    until = to_micros(history.observed_until)
    if not len(source.ids):
        raise LabelError("history holds no account that could be labelled; its table is empty.")
    terms = _terms(history, source.ids) if cutoffs.days_before_renewal is not None else None
    account, cutoff = candidates(cutoffs, len(source.ids), source.start, until, terms)
    fates = source.fates(account, cutoff)
    reasons = _reasons(fates, spec, cutoff, until)
    kept = fates.member.copy()
    dropped = {}
    for reason, holds in reasons.items():
        dropped[reason] = int((kept & holds).sum())
        kept &= ~holds
    if not kept.any():
        why = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count)
        raise LabelError(
            f"no row is left to learn from out of {int(fates.member.sum())} accounts at cutoffs"
            f"{': ' + why if why else ''}. History ends at {history.observed_until:%Y-%m-%d} and a "
            f"label needs {spec.reach_days} days after its cutoff; shorten lead, horizon, grace "
            "or settle_days, or move [cutoffs]."
        )
    table = _table(source, fates, spec, account, cutoff, kept, until)
    return Labels(table, MappingProxyType(dropped), spec)


def population(history: History, spec: HistorySpec, cutoff: dt.datetime) -> pa.Table:
    """List the accounts that can be scored at a cutoff, by what was known strictly before it.

    Parameters
    ----------
    history : History
        Clean tables.
    spec : SubscriptionLabel, InactivityLabel or OutcomeLabel
        What churn is.
    cutoff : datetime
        UTC, naive.

    Returns
    -------
    pyarrow.Table
        ``account_id``, ``cutoff``, ``arr``, sorted by account; no rows where nobody is active.

    Raises
    ------
    LabelError
        If the label cannot be told from this history.
    DataError
        If history lacks a table that the label needs.
    """
    return _listed(history, spec, cutoff, noticed=False)


def under_notice(history: History, spec: HistorySpec, cutoff: dt.datetime) -> pa.Table:
    """List the accounts that are not in the population because they were known to be leaving.

    Parameters
    ----------
    history, spec, cutoff
        As for `population`.

    Returns
    -------
    pyarrow.Table
        ``account_id``, ``cutoff``, ``arr``, sorted by account; no rows where the label does not
        leave them out.

    Raises
    ------
    LabelError
        If the label cannot be told from this history.
    DataError
        If history lacks a table that the label needs.
    """
    return _listed(history, spec, cutoff, noticed=True)


def _listed(history: History, spec: HistorySpec, cutoff: dt.datetime, *, noticed: bool) -> pa.Table:
    instant = to_micros(cutoff)
    source = _population(history, spec, time_of_day=instant % DAY)
    account = np.arange(len(source.ids))
    fates = source.fates(account, np.full(account.size, instant))
    leaving = fates.notice if _skips_notice(spec) else np.zeros(account.size, dtype=bool)
    keep = fates.member & (leaving == noticed)
    return pa.table(
        {
            "account_id": source.ids.take(pa.array(account[keep])),
            "cutoff": _timestamps(np.full(int(keep.sum()), instant)),
            "arr": pa.array(fates.mrr[keep] * 12, from_pandas=True),
        }
    )


def asked(history: History, spec: HistorySpec, cutoffs: Cutoffs, people: pa.Table) -> pa.Table:
    """Keep of a population those of whom a model can be asked that learnt at `cutoffs`.

    Who learnt so many days before renewals knows nothing of accounts whose renewal is far. An
    account is asked about from the cutoff that training would give it until its renewal, or until
    that lies within the lead and no longer in the label's window.

    Parameters
    ----------
    history : History
        Clean tables.
    spec : SubscriptionLabel, InactivityLabel or OutcomeLabel
        What churn is.
    cutoffs : Cutoffs
        Where the model learnt; any calendar keeps everybody.
    people : pyarrow.Table
        From `population`.

    Raises
    ------
    LabelError
        If cutoffs hang on renewals, and history has no subscriptions.
    """
    if cutoffs.days_before_renewal is None:
        return people
    ids = sorted_ids(people["account_id"])
    terms = require_terms(_terms(history, ids))
    account = codes(people["account_id"], ids)
    cutoff = micros(people, "cutoff")
    near = terms.renewing(account, cutoff, spec.lead_days, cutoffs.days_before_renewal)
    return people.filter(pa.array(near))


def _population(history: History, spec: HistorySpec, time_of_day: int = 0) -> Population:
    if isinstance(spec, SubscriptionLabel):
        return Subscribers.read(history, spec)
    if isinstance(spec, InactivityLabel):
        return ActiveAccounts.read(history, spec, time_of_day)
    return RecordedAccounts.read(history, spec)


def _terms(history: History, ids: pa.Array) -> Terms | None:
    if "subscriptions" not in history.contracts:
        return None
    return Terms.read(history, ids)


def _skips_notice(spec: HistorySpec) -> bool:
    return isinstance(spec, SubscriptionLabel) and spec.exclude_under_notice


def _reasons(fates: Fates, spec: HistorySpec, cutoff: Ints, until: int) -> dict[str, Bools]:
    """Tell of each candidate why it would be left out, in the order in which reasons count."""
    opens = cutoff + spec.lead_days * DAY
    reasons = {}
    if _skips_notice(spec):
        reasons[UNDER_NOTICE] = fates.notice
    reasons[NOT_OBSERVED] = cutoff + spec.reach_days * DAY > until
    if not isinstance(spec, InactivityLabel):
        if isinstance(spec, OutcomeLabel):
            reasons[LEFT_UNSEEN] = fates.leaving < cutoff
        reasons[LEFT_IN_LEAD] = fates.leaving < opens
        if spec.involuntary == "exclude":  # said in `ContractLabel.given`, as the two above
            reasons[INVOLUNTARY] = fates.involuntary & (
                fates.leaving < opens + spec.horizon_days * DAY
            )
    return reasons


def _table(
    source: Population,
    fates: Fates,
    spec: HistorySpec,
    account: Ints,
    cutoff: Ints,
    kept: Bools,
    until: int,
) -> pa.Table:
    rows = np.flatnonzero(kept)
    rows = rows[np.lexsort((account[rows], cutoff[rows]))]
    closes = cutoff[rows] + (spec.lead_days + spec.horizon_days) * DAY
    leaving = fates.leaving[rows]
    churned = leaving < closes
    involuntary = churned & fates.involuntary[rows]
    if not isinstance(spec, InactivityLabel) and spec.involuntary == "retained":
        churned &= ~involuntary
    wait = (spec.reach_days - spec.lead_days - spec.horizon_days) * DAY
    observed = leaving + wait <= until
    later = periods(source, spec, fates.take(rows), account[rows], cutoff[rows], until)
    return pa.table(
        {
            "account_id": source.ids.take(pa.array(account[rows])),
            "cutoff": _timestamps(cutoff[rows]),
            "label": pa.array(churned.astype(np.int8)),
            "arr": pa.array(fates.mrr[rows] * 12, from_pandas=True),
            "involuntary": pa.array(involuntary),
            "downgraded": pa.array(fates.downgraded[rows], mask=~fates.downgrade_known[rows]),
            "churned_at": _timestamps(np.where(observed, leaving, FAR), missing=~observed),
            "periods_told": pa.array(later.told.astype(np.int16)),
            "churned_period": pa.array(later.churned.astype(np.int16), mask=later.churned == 0),
        }
    )


def _timestamps(instants: Ints, missing: Bools | None = None) -> pa.Array:
    return pa.array(instants.astype("datetime64[us]"), type=pa.timestamp("us"), mask=missing)
