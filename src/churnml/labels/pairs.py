"""Candidates, one per account and cutoff, and the rows of history that belong to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

DAY = 86_400_000_000  # microseconds
FAR = 2**62  # later than any time, with room to add windows to it
_CHUNK = 4_000_000  # rows held at once when candidates are joined to history


@dataclass(frozen=True)
class Fates:
    """What was known of each candidate at its cutoff, and what became of it.

    Parameters
    ----------
    member : ndarray (n,), bool
        Whether it belongs to the population, by what was known strictly before the cutoff.
    notice : ndarray (n,), bool
        Whether it was known to have given notice.
    mrr : ndarray (n,)
        Monthly recurring revenue known at the cutoff; nan if unknown.
    leaving : ndarray (n,), microseconds
        In hindsight, the instant it left, or `FAR`.
    involuntary : ndarray (n,), bool
        In hindsight, whether it left for want of payment.
    downgraded : ndarray (n,), bool
        In hindsight, whether it stayed and pays less when the label window has passed.
    downgrade_known : ndarray (n,), bool
        Whether `downgraded` can be told.
    """

    member: Bools
    notice: Bools
    mrr: Floats
    leaving: Ints
    involuntary: Bools
    downgraded: Bools
    downgrade_known: Bools

    def take(self, rows: npt.NDArray[np.intp]) -> Fates:
        """Give the fates of some candidates, by position."""
        return Fates(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})


class Population(Protocol):
    """Who can be predicted, and what became of them; one class for each kind of label."""

    @property
    def ids(self) -> pa.Array:
        """The accounts, sorted; candidates name them by position."""

    @property
    def start(self) -> int:
        """The first instant of the data, microseconds."""

    def fates(self, account: Ints, cutoff: Ints) -> Fates:
        """Tell of candidates, sorted by account, what was known and what became of them."""


def sorted_ids(column: pa.ChunkedArray) -> pa.Array:
    """List the distinct account ids of a column in order."""
    unique = pc.unique(column.combine_chunks()).drop_null()
    return unique.take(pc.sort_indices(unique))


def codes(column: pa.ChunkedArray, ids: pa.Array) -> Ints:
    """Replace account ids by their position in `ids`, -1 where absent."""
    positions = pc.fill_null(pc.index_in(column, value_set=ids), -1)
    return np.asarray(positions, dtype=np.int64)


def micros(rows: pa.Table, column: str, missing: int | Ints = FAR) -> Ints:
    """Read a time column in microseconds, with `missing` where it is null or not there."""
    if column not in rows.column_names:
        return np.full(rows.num_rows, missing, dtype=np.int64)
    times = rows[column].cast(pa.int64())
    absent = np.asarray(pc.is_null(times))
    return np.where(absent, missing, np.asarray(pc.fill_null(times, 0), dtype=np.int64))


def offsets(account: Ints, n_accounts: int) -> Ints:
    """Find where each account's rows begin in rows that are sorted by account."""
    return np.searchsorted(account, np.arange(n_accounts + 1)).astype(np.int64)


def joined(account: Ints, bounds: Ints) -> Iterator[tuple[slice, Ints, Ints]]:
    """Join candidates to the rows of their accounts, a bounded number at a time.

    Parameters
    ----------
    account : ndarray (n,)
        The account of each candidate.
    bounds : ndarray (n_accounts + 1,)
        Where each account's rows begin, from `offsets`.

    Yields
    ------
    part : slice
        The candidates of this turn.
    candidate : ndarray (m,)
        For each joined row its candidate, counted from the start of `part`.
    row : ndarray (m,)
        The row of history.
    """
    counts = bounds[account + 1] - bounds[account]
    reached = np.concatenate([[0], np.cumsum(counts)])
    begin = 0
    while begin < account.size:
        end = int(np.searchsorted(reached, reached[begin] + _CHUNK, side="right")) - 1
        end = max(end, begin + 1)
        count = counts[begin:end]
        candidate = np.repeat(np.arange(end - begin), count)
        within = np.arange(candidate.size) - np.repeat(reached[begin:end] - reached[begin], count)
        yield slice(begin, end), candidate, bounds[account[begin:end]][candidate] + within
        begin = end


def any_of(candidate: Ints, holds: Bools, n: int) -> Bools:
    """Tell of each of `n` candidates whether any of its rows holds."""
    return np.bincount(candidate[holds], minlength=n) > 0
