"""Drift: how far what was scored lately lies from what the model learnt from."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from churnml.training.reference import Reference

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LATELY = 2000  # rows
LEAST = 200  # rows, below which chance alone would look like drift


@dataclass(frozen=True)
class Drifted:
    """How far what was scored lately lies from training.

    Parameters
    ----------
    rows : int
        How many rows that rests on.
    score : float
        The PSI of scores.
    features : mapping of str to float
        The PSI of each feature.
    """

    rows: int
    score: float
    features: Mapping[str, float]


class Drift:
    """Remembers what was scored last, and holds it against the reference. Threads may share it.

    Parameters
    ----------
    reference : Reference
        Of the model that scores, with features in its order.
    rows : int
        How many rows are remembered.
    """

    def __init__(self, reference: Reference, rows: int = LATELY) -> None:
        self._reference = reference
        self._alone = threading.Lock()
        self._matrix = np.empty((rows, len(reference.features)))
        self._score = np.empty(rows)
        self._seen = 0

    @property
    def expected(self) -> list[float]:
        """The share of training in each bin of the score."""
        counts = np.asarray(self._reference.score.counts[:-1], np.float64)  # none is missing
        return list(counts / counts.sum())

    def add(self, matrix: Floats, score: Sequence[float]) -> list[int]:
        """Remember rows in the place of the oldest, and tell into which bins their scores fall.

        Parameters
        ----------
        matrix : ndarray (n, n_features)
            Encoded.
        score : sequence of float (n,)
            Their probabilities.
        """
        size = self._score.size
        with self._alone:
            for begin in range(max(0, len(score) - size), len(score)):
                place = (self._seen + begin) % size
                self._matrix[place], self._score[place] = matrix[begin], score[begin]
            self._seen += len(score)
        edges = self._reference.score.edges
        return [bisect_left(edges, value) for value in score]

    def measure(self) -> Drifted | None:
        """Hold what is remembered against the reference; None as long as that is too little."""
        with self._alone:
            count = min(self._seen, self._score.size)
            matrix, score = self._matrix[:count].copy(), self._score[:count].copy()
        if count < LEAST:
            return None
        reference = self._reference
        features = {
            name: psi(
                np.asarray(reference.features[name].counts),
                reference.features[name].count(reference.ranked(name, matrix[:, place])),
            )
            for place, name in enumerate(reference.features)
        }
        found = psi(np.asarray(reference.score.counts), reference.score.count(score))
        return Drifted(count, found, features)


def psi(expected: Ints, found: Ints) -> float:
    """Give the population stability index of counts in the same bins.

    It is ``Σ (q − p) ln(q / p)`` over the bins, where p and q are the shares of training and of
    what is held against it; half a row is added to each bin, so that none is empty. Bins that are
    empty in both are left out.

    Parameters
    ----------
    expected, found : ndarray of int (n_bins,)
        Counts, of at least one row each.

    References
    ----------
    Siddiqi (2006), Credit Risk Scorecards, chapter 9. Yurdakul and Naranjo (2020), Statistical
    properties of the population stability index, Journal of Risk Model Validation 14(4): where
    nothing has drifted, it is about (bins − 1) (1 / m + 1 / n) for m and n rows.
    """
    there = (expected + found) > 0
    p, q = (counts[there] + 0.5 for counts in (expected, found))
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((q - p) * np.log(q / p)))
