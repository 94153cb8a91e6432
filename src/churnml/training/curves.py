"""Calibrators that bend: beta, for margins too bold at one end only, and isotonic, for any shape.

Both are strictly increasing, so that calibration never changes who is riskier.

References
----------
Kull, Silva Filho and Flach (2017), Beta calibration: a well-founded and easily implemented
improvement on logistic calibration for binary classifiers. AISTATS 20.
Zadrozny and Elkan (2002), Transforming classifier scores into accurate multiclass probability
estimates. KDD 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from churnml.training.calibration import LEAST_SLOPE, probability, smoothed

Floats = npt.NDArray[np.float64]

# Where hardly any margin lies, above all far up, rows say nothing of a slope: it is believed to be
# about 1, as it is for margins that need no calibration.
BELIEVED, BELIEF = 1.0, 0.5
_STEPS = 100


@dataclass(frozen=True)
class BetaCurve:
    """Calibrated log-odds = low · ln p + high · (−ln(1 − p)) + intercept, p by the margin.

    Parameters
    ----------
    low, high : float
        Slope of the log-odds in the margin far down and far up; above 0.
    intercept : float
        Log-odds.
    """

    low: float
    high: float
    intercept: float

    def log_odds(self, margin: Floats) -> Floats:
        """Calibrate margins (n,)."""
        return np.asarray(_beta_design(margin) @ [self.low, self.high, self.intercept])

    def steepness(self, margin: Floats) -> Floats:
        """How much log-odds change for a small change of the margin (n,)."""
        raw = probability(margin)
        return np.asarray(self.low * (1 - raw) + self.high * raw)


@dataclass(frozen=True)
class IsotonicCurve:
    """Calibrated log-odds go straight from knot to knot.

    Parameters
    ----------
    margins, values : tuple of float
        The knots, both strictly increasing: mean margin of a block of rows, and its log-odds.
    """

    margins: tuple[float, ...]
    values: tuple[float, ...]

    @cached_property
    def _knots(self) -> tuple[Floats, Floats]:
        """The knots, with one far beyond either end so that order is kept there too."""
        margins, values = np.array(self.margins), np.array(self.values)
        far = 1e6
        return (
            np.concatenate([[margins[0] - far], margins, [margins[-1] + far]]),
            np.concatenate(
                [[values[0] - LEAST_SLOPE * far], values, [values[-1] + LEAST_SLOPE * far]]
            ),
        )

    @cached_property
    def _slopes(self) -> Floats:
        """How steep the way is from each knot to the next."""
        margins, values = self._knots
        return np.asarray(np.diff(values) / np.diff(margins))

    def log_odds(self, margin: Floats) -> Floats:
        """Calibrate margins (n,)."""
        return np.asarray(np.interp(margin, *self._knots))

    def steepness(self, margin: Floats) -> Floats:
        """How much log-odds change for a small change of the margin (n,)."""
        piece = np.searchsorted(self._knots[0], margin, side="right") - 1
        return np.asarray(self._slopes[np.minimum(np.maximum(piece, 0), self._slopes.size - 1)])


def fit_beta(margin: Floats, label: Floats) -> BetaCurve:
    """Fit a beta curve on rows that the model was not fitted on, labels smoothed as for Platt.

    Parameters
    ----------
    margin : ndarray (n,)
        Log-odds of members that had not seen the rows.
    label : ndarray (n,)
        0 or 1, some of both.
    """
    design, target = _beta_design(margin), smoothed(label)
    held = {0: False, 1: False}
    while True:
        found = _logistic(design, target, held)
        low = [place for place, fixed in held.items() if not fixed and found[place] < LEAST_SLOPE]
        if not low:
            return BetaCurve(*found.tolist())
        # As Kull et al. do, with a least slope for 0, which would make equals of unequal rows.
        held[min(low, key=lambda place: found[place])] = True


def fit_isotonic(margin: Floats, label: Floats) -> IsotonicCurve:
    """Fit blocks of rows of one rate, none of which is told as sure.

    A block's rate takes in half a row of either outcome, so that one without churners does not
    claim that nobody ever churns.

    Parameters
    ----------
    margin, label
        As for `fit_beta`.
    """
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(margin, kind="stable")
    x, y = margin[order], label[order]
    x, sizes, y = _together(x, np.ones(x.size), y)
    rate = isotonic_regression(y, sample_weight=sizes)
    x, sizes, rate = _blocks(x, sizes, rate)
    rate = (rate * sizes + 0.5) / (sizes + 1.0)
    # Small blocks at the ends were drawn in by more than their neighbours.
    rate = isotonic_regression(rate, sample_weight=sizes)
    x, sizes, rate = _blocks(x, sizes, rate)
    return IsotonicCurve(tuple(x.tolist()), tuple(np.log(rate / (1 - rate)).tolist()))


def _together(x: Floats, sizes: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Take rows of one margin for one."""
    unique, place = np.unique(x, return_inverse=True)
    total = np.bincount(place, sizes).astype(np.float64)
    return unique, total, np.bincount(place, sizes * y) / total


def _blocks(x: Floats, sizes: Floats, rate: Floats) -> tuple[Floats, Floats, Floats]:
    """Take neighbours of one rate for one."""
    place = np.concatenate([[0], np.cumsum(np.diff(rate) > 1e-12)])
    total = np.bincount(place, sizes).astype(np.float64)
    return (
        np.bincount(place, sizes * x) / total,
        total,
        np.bincount(place, sizes * rate) / total,
    )


def _beta_design(margin: Floats) -> Floats:
    return np.column_stack(
        [-np.logaddexp(0, -margin), np.logaddexp(0, margin), np.ones(margin.size)]
    )


def _logistic(design: Floats, target: Floats, held: dict[int, bool]) -> Floats:
    """Minimise the log loss by Newton's steps, halved where too far, some slopes at the least.

    The slopes have a normal prior.
    """
    found = np.array([BELIEVED, BELIEVED, 0.0])
    prior = np.array([BELIEF**-2, BELIEF**-2, 0.0])
    for place, fixed in held.items():
        found[place] = LEAST_SLOPE if fixed else found[place]
    free = [place for place in range(3) if not held.get(place, False)]

    def loss(at: Floats) -> float:
        log_odds = design @ at
        lack = np.sum(np.logaddexp(0, log_odds) - target * log_odds)
        return float(lack + 0.5 * np.sum(prior * (at - BELIEVED) ** 2))

    now = loss(found)
    for _ in range(_STEPS):
        fitted = probability(design @ found)
        gradient = (design.T @ (target - fitted) - prior * (found - BELIEVED))[free]
        if np.abs(gradient).max() < 1e-9 * target.size:
            break
        weight = (fitted * (1 - fitted))[:, None]
        hessian = (design * weight).T @ design + np.diag(prior)
        step, scale = np.zeros(3), 1.0
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient)
        while (trial := loss(found + scale * step)) > now and scale > 1e-6:
            scale /= 2
        if trial > now:
            break
        found, now = found + scale * step, trial
    return found
