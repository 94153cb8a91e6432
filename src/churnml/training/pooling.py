"""Platt scaling of several groups that lend each other strength.

References
----------
Gelman and Hill (2007), Data Analysis Using Regression and Multilevel Models, chapter 12: partial
pooling. Here with spreads that are fixed, so that the answer is the mode of a concave function.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from churnml.training.calibration import LEAST_SLOPE, Calibrator, probability

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# How far a group's own line is believed to lie from the common one, and the common slope from 1.
OWN_INTERCEPT, OWN_SLOPE, COMMON_SLOPE, COMMON_INTERCEPT = 0.3, 0.15, 0.5, 3.0
_STEPS = 100


def fit_pooled(margin: Floats, label: Floats, group: Ints, n_groups: int) -> tuple[Calibrator, ...]:
    """Fit a slope and an intercept for each group, drawn towards those of all together.

    A group with many churners goes its own way; one with few keeps to the others, and one without
    any rows follows them.

    Parameters
    ----------
    margin : ndarray (n,)
        Raw scores of rows that the model was not fitted on, log-odds.
    label : ndarray (n,)
        0 or 1.
    group : ndarray (n,)
        The group of each row, from 0.
    n_groups : int
        How many groups there are.

    Returns
    -------
    tuple of Calibrator
        One a group, each with a slope above 0.
    """
    design = np.zeros((margin.size, 2 + 2 * n_groups))
    design[:, 0], design[:, 1] = 1.0, margin
    rows = np.arange(margin.size)
    design[rows, 2 + group], design[rows, 2 + n_groups + group] = 1.0, margin
    centre = np.zeros(design.shape[1])
    centre[1] = 1.0
    spread = np.concatenate([
        [COMMON_INTERCEPT, COMMON_SLOPE],
        np.full(n_groups, OWN_INTERCEPT),
        np.full(n_groups, OWN_SLOPE),
    ])  # fmt: skip
    found = _mode(design, label, centre, spread)
    intercepts, slopes = found[0] + found[2 : 2 + n_groups], found[1] + found[2 + n_groups :]
    lines = zip(slopes.tolist(), intercepts.tolist(), strict=True)
    # A slope below the least keeps the order of the margins, and says that they tell nothing.
    return tuple(
        Calibrator(slope, intercept)
        if slope >= LEAST_SLOPE
        else Calibrator(LEAST_SLOPE, intercept, guarded=True)
        for slope, intercept in lines
    )


def _mode(design: Floats, label: Floats, centre: Floats, spread: Floats) -> Floats:
    """Maximise the likelihood times the prior N(centre, spread²), by Newton with halved steps."""
    found, weight = centre.copy(), 1 / spread**2

    def loss(at: Floats) -> float:
        log_odds = design @ at
        lack = np.sum(np.logaddexp(0, log_odds) - label * log_odds)
        return float(lack + 0.5 * np.sum(weight * (at - centre) ** 2))

    now = loss(found)
    for _ in range(_STEPS):
        fitted = probability(design @ found)
        gradient = design.T @ (label - fitted) - weight * (found - centre)
        if np.abs(gradient).max() < 1e-9 * max(label.size, 1):
            break
        hessian = (design * (fitted * (1 - fitted))[:, None]).T @ design + np.diag(weight)
        step, scale = np.linalg.solve(hessian, gradient), 1.0
        while (trial := loss(found + scale * step)) > now and scale > 1e-6:
            scale /= 2
        found, now = found + scale * step, trial
    return found
