"""Folds: accounts dealt into parts, so that each row can be judged by a model that never saw it."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.intp]


def account_folds(
    accounts: npt.NDArray[np.object_], label: npt.NDArray[np.float64], n_folds: int, seed: int
) -> Ints:
    """Deal accounts into folds, those with rows of either outcome evenly.

    All rows of an account are in one fold: rows of one account resemble each other, and a model
    judged on some of them after it saw the others would be judged too well. The order of the rows
    makes no difference.

    Parameters
    ----------
    accounts : ndarray of str (n,)
        Each row's account.
    label : ndarray (n,)
        0 or 1.
    n_folds : int
        How many folds.
    seed : int
        Deals otherwise.

    Returns
    -------
    ndarray of int (n,)
        Each row's fold, from 0. Where at least `n_folds` accounts have a row that churned, every
        fold holds one; the same goes for rows that did not.
    """
    names, of_row = np.unique(accounts, return_inverse=True)
    churned = np.bincount(of_row, label == 1, names.size) > 0
    stayed = np.bincount(of_row, label == 0, names.size) > 0
    place = np.array(
        [hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8] for name in names], dtype="S8"
    )
    fold = np.empty(names.size, dtype=np.intp)
    # One deal through all: first accounts that only stayed, then those with rows of both outcomes
    # (an account that left has often stayed before), then those that only churned. So whoever has
    # rows of one outcome stands together, and successive cards go to different folds.
    order = np.lexsort((place, churned.astype(int) - stayed))
    fold[order] = np.arange(names.size) % n_folds
    return fold[of_row]
