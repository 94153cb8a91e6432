"""Peers: what sets an account apart from those that are like it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnml.errors import FeatureError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Apart:
    """A row beside its peers: `base`, `thinness` and contributions add up to its log-odds.

    Parameters
    ----------
    base : float
        Mean log-odds of the peers.
    thinness : float
        What the row owes to its own base: other than that of its peers where its history or that of
        some of them is too thin, so that scores are drawn to their segment's rate. 0 without such.
    contributions : ndarray (n_features,)
        Each feature's, less its mean over the peers.
    peers : int
        How many there are.
    """

    base: float
    thinness: float
    contributions: Floats
    peers: int


def apart_from(base: Floats, contributions: Floats, own: int) -> Apart:
    """Tell the contributions of a row from those of its peers.

    Parameters
    ----------
    base : ndarray (n,)
        Log-odds of the row and its peers before anything is known of them.
    contributions : ndarray (n, n_features)
        Shares of the log-odds; with `base` they add up to them.
    own : int
        Which row is compared; all others are its peers.

    Raises
    ------
    FeatureError
        If there is no peer, no such row, or not one base a row.
    """
    rows = len(contributions)
    if rows < 2 or not 0 <= own < rows or base.size != rows:
        raise FeatureError(
            f"row {own} of {rows} with {base.size} bases; expected one of at least two rows, and a "
            "base for each."
        )
    parts = np.column_stack([base, contributions])
    means = np.delete(parts, own, axis=0).mean(axis=0)
    apart = parts[own] - means
    return Apart(float(means.sum()), float(apart[0]), apart[1:], rows - 1)
