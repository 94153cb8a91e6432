"""Peers: what sets an account apart from those that are like it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnml.errors import FeatureError

Floats = npt.NDArray[np.float64]

LEAST_PEERS = 20  # of fewer a mean follows single accounts


@dataclass(frozen=True, eq=False)
class Compared:
    """Rows against their peers: `base`, `thinness` and contributions add up to the log-odds.

    Parameters
    ----------
    base : ndarray (n,)
        Mean log-odds of a row's peers.
    thinness : ndarray (n,)
        What it owes to its own base: other than that of its peers where its history or that of some
        of them is too thin, so that scores are drawn to their segment's rate. 0 without such.
    contributions : ndarray (n, n_features)
        Each feature's, less its mean over the row's peers.
    peers : ndarray of int (n,)
        How many peers a row was compared with, itself among them.
    """

    base: Floats
    thinness: Floats
    contributions: Floats
    peers: npt.NDArray[np.intp]


def against_peers(
    base: Floats,
    contributions: Floats,
    group: Sequence[Hashable],
    *,
    least: int = LEAST_PEERS,
) -> Compared:
    """Tell contributions from those of peers.

    A row is its own peer, so that within a group that is large enough the contributions of each
    feature add up to 0.

    Parameters
    ----------
    base : ndarray (n,)
        Log-odds before anything is known of an account.
    contributions : ndarray (n, n_features)
        Shares of the log-odds; with `base` they add up to them.
    group : sequence (n,)
        What peers share, such as ``(tier, segment, band of tenure)``.
    least : int
        A row with fewer peers is compared with all rows. Raise it where means jump from one
        scoring to the next.

    Raises
    ------
    FeatureError
        If rows, bases and groups differ in number.
    """
    rows = contributions.shape[0]
    if not rows == base.size == len(group):
        raise FeatureError(
            f"{base.size} bases and {len(group)} groups for {rows} rows of contributions; expected "
            "one of both each."
        )
    parts = np.column_stack([base, contributions])
    numbers: dict[Hashable, int] = {}
    place = np.array([numbers.setdefault(key, len(numbers)) for key in group], dtype=np.intp)
    sizes = np.bincount(place, minlength=len(numbers))
    sums = np.zeros((len(numbers), parts.shape[1]))
    np.add.at(sums, place, parts)
    few = sizes < least
    sums[few], sizes[few] = parts.sum(axis=0), rows
    means = (sums / sizes[:, None])[place]
    apart = parts - means
    return Compared(means.sum(axis=1), apart[:, 0], apart[:, 1:], sizes[place])
