"""Platt scaling of the raw margin, so that the calibrated log-odds stay a line in it.

References
----------
Platt (1999), Probabilistic outputs for support vector machines.
Lin, Lin and Weng (2007), A note on Platt's probabilistic outputs. Machine Learning 68, 267-276.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnml.errors import TrainingError

Floats = npt.NDArray[np.float64]

LEAST_SLOPE = 0.01
_STEPS = 100


@dataclass(frozen=True)
class Calibrator:
    """Calibrated log-odds = slope · margin + intercept.

    Parameters
    ----------
    slope : float
        Above 0, so that calibration never changes who is riskier.
    intercept : float
        Log-odds.
    guarded : bool
        Whether the rows to calibrate on spoke against any positive slope, or said nothing of it:
        the model then carries no signal worth the name, and the least slope keeps its order.
    """

    slope: float = 1.0
    intercept: float = 0.0
    guarded: bool = False

    def log_odds(self, margin: Floats) -> Floats:
        """Calibrate margins (n,)."""
        return np.asarray(self.slope * margin + self.intercept)

    def steepness(self, margin: Floats) -> Floats:
        """How much log-odds change for a small change of the margin (n,)."""
        return np.full(margin.shape, self.slope)


def probability(log_odds: Floats) -> Floats:
    """Turn log-odds (n,) into probabilities, without overflow at either end."""
    small = np.exp(-np.abs(log_odds))
    return np.asarray(np.where(log_odds >= 0, 1.0, small) / (1.0 + small))


def smoothed(label: Floats) -> Floats:
    """Give labels (n,) a prior of one row of each outcome, as Platt (1999) does."""
    churned = float(label.sum())
    return np.where(label == 1, (churned + 1) / (churned + 2), 1 / (label.size - churned + 2))


def fit_platt(margin: Floats, label: Floats) -> Calibrator:
    """Fit slope and intercept on rows that the model was not fitted on.

    Labels are smoothed as Platt (1999) says: 1 becomes (n₁ + 1)/(n₁ + 2) and 0 becomes
    1/(n₀ + 2), which keeps a perfectly ranked slice from claiming certainty.

    Parameters
    ----------
    margin : ndarray (n,)
        Raw scores of the model, log-odds before calibration.
    label : ndarray (n,)
        0 or 1.

    Returns
    -------
    Calibrator
        With a slope above 0.

    Raises
    ------
    TrainingError
        If margins are not finite, or the rows hold one class only.
    """
    churned = int(label.sum())
    if not 0 < churned < label.size:
        raise TrainingError(
            f"{churned} of {label.size} rows to calibrate on churned; it takes some of both. Use "
            "more history, or a longer horizon."
        )
    if not np.isfinite(margin).all():
        raise TrainingError("the model's margins are not finite numbers.")
    target = smoothed(label)
    spread = float(margin.std())
    centre = float(margin.mean())
    if spread < 1e-9:
        return Calibrator(1.0, _offset(margin, target), guarded=True)
    # On centred, scaled margins Newton's system is well conditioned whatever the model's scale.
    slope, intercept = _newton((margin - centre) / spread, target)
    slope, intercept = slope / spread, intercept - slope * centre / spread
    if slope >= LEAST_SLOPE:
        return Calibrator(slope, intercept)
    return Calibrator(LEAST_SLOPE, _offset(LEAST_SLOPE * margin, target), guarded=True)


def _newton(x: Floats, target: Floats) -> tuple[float, float]:
    """Minimise the log loss of target on slope · x + intercept, halving steps that go too far."""
    slope, intercept = 0.0, float(np.log(target.mean() / (1 - target.mean())))
    loss = _loss(slope * x + intercept, target)
    for _ in range(_STEPS):
        fitted = probability(slope * x + intercept)
        error, spread = target - fitted, fitted * (1 - fitted)
        gradient = np.array([error @ x, error.sum()])
        if np.abs(gradient).max() < 1e-10 * target.size:
            break
        hessian = np.array([[spread @ (x * x), spread @ x], [spread @ x, spread.sum()]])
        step = np.linalg.solve(hessian + 1e-12 * np.eye(2), gradient)
        scale = 1.0
        while True:
            trial = slope + scale * step[0], intercept + scale * step[1]
            new = _loss(trial[0] * x + trial[1], target)
            if new <= loss or scale < 1e-6:
                break
            scale /= 2
        (slope, intercept), loss = trial, new
    return float(slope), float(intercept)


def _offset(margin: Floats, target: Floats) -> float:
    """Find the intercept at which the mean probability is the mean target, by bisection."""
    low, high = -60.0 - float(np.abs(margin).max()), 60.0 + float(np.abs(margin).max())
    for _ in range(200):
        middle = (low + high) / 2
        if probability(margin + middle).mean() < target.mean():
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _loss(log_odds: Floats, target: Floats) -> float:
    return float(np.sum(np.logaddexp(0, log_odds) - target * log_odds))
