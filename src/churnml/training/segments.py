"""Segments: whether scores are right in the mean within each, and how far to correct them.

A segment's own correction is drawn towards none, the more the less is known of it: partial pooling.

References
----------
DerSimonian and Laird (1986), Meta-analysis in clinical trials. Controlled Clinical Trials 7,
177-188: how far segments truly differ, beyond chance.
Efron and Morris (1975), Data analysis using Stein's estimator and its generalizations. JASA 70.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydantic import Field

from churnml.config import FrozenModel
from churnml.errors import TrainingError, nearest
from churnml.training.calibration import probability
from churnml.training.encoding import Encoding

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

BANDS = 4  # parts of equal size into which a number's accounts are cut
MISSING = "(missing)"
_Z = 1.96


class SegmentCheck(FrozenModel):
    """One segment, on rows by members that had not seen them.

    Parameters
    ----------
    value : str
        A category, or a band of a number as ``[low, high)``, ``under high`` or ``low or more``.
    rows : int
        Held-out rows.
    observed, expected : float
        Churned, and the sum of probabilities.
    offset : float
        Log-odds by which scores were too low, from this segment alone.
    pooled, low, high : float
        The same drawn towards none by partial pooling, with its 95 % interval.
    """

    value: str
    rows: int
    observed: float
    expected: float
    offset: float
    pooled: float
    low: float
    high: float


class Segmentation(FrozenModel):
    """A feature's segments.

    Parameters
    ----------
    feature : str
        What parts accounts.
    bounds : tuple of float
        For a number where its bands meet, ascending; empty for a category.
    gain, error : float
        By how much the pooled offsets lowered the log loss of folds that they were not fitted on,
        and the standard error of that.
    applied : bool
        Whether scores are moved by them: where the gain is above its standard error.
    segments : tuple of SegmentCheck
        In the order of codes or bands; the last is for missing values.
    """

    feature: str
    bounds: tuple[float, ...]
    gain: float
    error: float
    applied: bool
    segments: tuple[SegmentCheck, ...] = Field(min_length=1)

    def of(self, column: Floats) -> Ints:
        """Find the segment of each encoded value (n,)."""
        return _segment(column, self.bounds, len(self.segments))

    def offsets(self, column: Floats) -> Floats:
        """Log-odds to add for each encoded value (n,); 0 where nothing is applied."""
        if not self.applied:
            return np.zeros(column.size)
        return np.array([part.pooled for part in self.segments])[self.of(column)]


def check_segments(
    features: Sequence[str],
    encoding: Encoding,
    matrix: Floats,
    log_odds: Floats,
    label: Floats,
    accounts: npt.NDArray[np.object_],
    fold: Ints,
) -> tuple[Segmentation, ...]:
    """Check calibration within the segments of each feature, one feature after the other.

    Parameters
    ----------
    features : sequence of str
        What parts accounts.
    encoding, matrix
        All features, and the rows learnt from, encoded.
    log_odds : ndarray (n,)
        Calibrated, by members that had not seen the rows.
    label : ndarray (n,)
        0 or 1.
    accounts : ndarray of str (n,)
        Each row's account.
    fold : ndarray of int (n,)
        Each row's fold; rows of an account share theirs.

    Raises
    ------
    TrainingError
        If there is no such feature.
    """
    _, account = np.unique(accounts, return_inverse=True)
    found = []
    for name in features:
        if name not in encoding.features:
            raise TrainingError(
                f"[calibration] segments names {name!r}, none of the features."
                f"{nearest(name, encoding.features)}"
            )
        column = matrix[:, encoding.features.index(name)]
        checked = _checked(name, encoding, column, log_odds, label, account, fold)
        log_odds = log_odds + checked.offsets(column)
        found.append(checked)
    return tuple(found)


def _checked(
    name: str,
    encoding: Encoding,
    column: Floats,
    log_odds: Floats,
    label: Floats,
    account: Ints,
    fold: Ints,
) -> Segmentation:
    values = encoding.codes.get(name)
    bounds = () if values is not None else _bounds(column)
    names = [*values, MISSING] if values is not None else [*_bands(bounds), MISSING]
    segment = _segment(column, bounds, len(names))
    gains = np.zeros(label.size)
    for number in np.unique(fold):
        out = fold == number
        moved = _pooled(log_odds[~out], label[~out], segment[~out], account[~out], len(names))[1]
        after = log_odds[out] + moved[segment[out]]
        gains[out] = _loss(log_odds[out], label[out]) - _loss(after, label[out])
    gain = float(gains.mean())
    error = float(np.sqrt(np.sum(np.bincount(account, gains - gain) ** 2)) / label.size)
    offset, pooled, spread = _pooled(log_odds, label, segment, account, len(names))
    expected = np.bincount(segment, probability(log_odds), len(names))
    observed, rows = np.bincount(segment, label, len(names)), np.bincount(segment, None, len(names))
    return Segmentation(
        feature=name,
        bounds=bounds,
        gain=gain,
        error=error,
        applied=gain > error,
        segments=tuple(
            SegmentCheck(
                value=value,
                rows=int(rows[place]),
                observed=float(observed[place]),
                expected=float(expected[place]),
                offset=float(offset[place]),
                pooled=float(pooled[place]),
                low=float(pooled[place] - _Z * spread[place]),
                high=float(pooled[place] + _Z * spread[place]),
            )
            for place, value in enumerate(names)
        ),
    )


def _pooled(
    log_odds: Floats, label: Floats, segment: Ints, account: Ints, count: int
) -> tuple[Floats, Floats, Floats]:
    """Give each segment's offset, the same pooled, and the standard deviation of that."""
    fitted = probability(log_odds)
    rows = np.bincount(segment, None, count)
    observed, expected = np.bincount(segment, label, count), np.bincount(segment, fitted, count)
    # Half a row of either outcome beside those observed and expected keeps every offset finite.
    offset = np.log((observed + 0.5) / (rows - observed + 0.5))
    offset -= np.log((expected + 0.5) / (rows - expected + 0.5))
    weight = expected * (rows - expected) / np.maximum(rows, 1)
    # Rows of an account go together; but no less than rows by themselves would vary by.
    pairs, pair = np.unique(segment * (account.max() + 1) + account, return_inverse=True)
    errors = np.bincount(pair, label - fitted)
    scatter = np.bincount(pairs // (account.max() + 1), errors**2, count)
    scatter = np.maximum(scatter, weight)
    variance = (scatter + 0.25) / (weight + 0.25) ** 2
    between = _between(offset, variance, rows > 0)
    share = between / (between + variance)
    return offset, share * offset, np.sqrt(between * variance / (between + variance))


def _between(offset: Floats, variance: Floats, there: npt.NDArray[np.bool_]) -> float:
    """Variance between segments beyond chance, about none; at least a thousandth."""
    weight = np.where(there, 1 / variance, 0.0)
    excess = float(np.sum(weight * offset**2) - there.sum())
    return max(excess / float(weight.sum()), 1e-3) if weight.sum() > 0 else 1e-3


def _segment(column: Floats, bounds: Sequence[float], count: int) -> Ints:
    missing = np.isnan(column)
    known = np.where(missing, 0.0, column)
    place = np.searchsorted(bounds, known, side="right") if bounds else known.astype(np.intp)
    return np.where(missing, count - 1, place).astype(np.intp)


def _bounds(column: Floats) -> tuple[float, ...]:
    known = column[~np.isnan(column)]
    if known.size == 0:
        return (0.0,)
    cuts = np.unique(np.quantile(known, np.arange(1, BANDS) / BANDS))
    return tuple(cuts.tolist())


def _bands(bounds: Sequence[float]) -> list[str]:
    ends = ["", *(f"{bound:g}" for bound in bounds), ""]
    return [
        f"under {high}" if not low else (f"{low} or more" if not high else f"[{low}, {high})")
        for low, high in pairwise(ends)
    ]


def _loss(log_odds: Floats, label: Floats) -> Floats:
    return np.asarray(np.logaddexp(0, log_odds) - label * log_odds)
