"""The instants at which accounts are looked at."""

from __future__ import annotations

import datetime as dt

import numpy as np

from churnml.errors import LabelError
from churnml.labels.pairs import DAY, FAR, Ints
from churnml.labels.specs import Cutoffs, Every
from churnml.labels.terms import Terms

_EPOCH = dt.datetime(1970, 1, 1)


def to_micros(instant: dt.datetime) -> int:
    """Express a naive UTC time in microseconds since 1970."""
    return (instant - _EPOCH) // dt.timedelta(microseconds=1)


def to_datetime(instant: int) -> dt.datetime:
    """Express microseconds since 1970 as a naive UTC time."""
    return _EPOCH + dt.timedelta(microseconds=instant)


def midnight(date: dt.date) -> int:
    """Express the beginning of a date, UTC, in microseconds since 1970."""
    return (date - _EPOCH.date()).days * DAY


def calendar(spec: Cutoffs, start: int, until: int) -> Ints:
    """List the cutoffs that all accounts share.

    Parameters
    ----------
    spec : Cutoffs
        The calendar and its bounds.
    start, until : int
        The first and last instant of the data, microseconds; a cutoff at `start` would see nothing.

    Returns
    -------
    ndarray (n,), microseconds
        Ascending midnights; those whose label window is not yet observed are among them.

    Raises
    ------
    LabelError
        If there is none.
    """
    first = midnight(spec.first) if spec.first is not None else start // DAY * DAY + DAY
    last = min(until, midnight(spec.last)) if spec.last is not None else until
    if isinstance(spec.every, Every):
        cutoffs = np.arange(first, last + 1, spec.every.days * DAY, dtype=np.int64)
    else:
        begins = np.datetime64(first, "us").astype("datetime64[M]")
        ends = np.datetime64(last, "us").astype("datetime64[M]")
        months = np.arange(begins, ends + np.timedelta64(1, "M"))
        cutoffs = months.astype("datetime64[us]").astype(np.int64)
    cutoffs = cutoffs[(cutoffs >= first) & (cutoffs > start) & (cutoffs <= last)]
    if cutoffs.size == 0:
        raise LabelError(
            f"no cutoff falls between {_shown(max(first, start))} and {_shown(last)}; history runs "
            f"from {_shown(start)} to {_shown(until)}. Widen first and last under [cutoffs]."
        )
    return cutoffs


def candidates(
    spec: Cutoffs, n_accounts: int, start: int, until: int, terms: Terms | None
) -> tuple[Ints, Ints]:
    """List every account at every cutoff that `spec` gives it.

    Parameters
    ----------
    spec : Cutoffs
        A calendar, or days before renewal.
    n_accounts : int
        How many accounts there are.
    start, until : int
        The first and last instant of the data, microseconds.
    terms : Terms or None
        The terms of these accounts, for cutoffs before renewals.

    Returns
    -------
    account, cutoff : ndarray (n,)
        Sorted by account, then cutoff.

    Raises
    ------
    LabelError
        If there is none, or cutoffs hang on renewals and history has no subscriptions.
    """
    if spec.days_before_renewal is None:
        cutoffs = calendar(spec, start, until)
        return np.repeat(np.arange(n_accounts), cutoffs.size), np.tile(cutoffs, n_accounts)
    account, cutoff = require_terms(terms).renewals(spec.days_before_renewal)
    first = midnight(spec.first) if spec.first is not None else -FAR
    last = min(until, midnight(spec.last)) if spec.last is not None else until
    keep = (cutoff >= first) & (cutoff <= last)
    if not keep.any():
        raise LabelError(
            f"no term ends {spec.days_before_renewal} days after a cutoff that lies between "
            f"{_shown(max(first, start))} and {_shown(last)} and at which the term was known. "
            'Look at ends_at of subscriptions, or use every = "month".'
        )
    return account[keep], cutoff[keep]


def require_terms(terms: Terms | None) -> Terms:
    """Insist on the terms that cutoffs before renewals hang on.

    Raises
    ------
    LabelError
        If history has no subscriptions.
    """
    if terms is None:
        raise LabelError(
            "[cutoffs] days_before_renewal needs the table 'subscriptions', and history has none. "
            'Use every = "month".'
        )
    return terms


def _shown(instant: int) -> str:
    return to_datetime(instant).isoformat(sep=" ", timespec="minutes")
