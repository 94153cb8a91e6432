"""How far the coming quarter may shift from what scores say, by how past quarters did.

Scores are calibrated on the past. A quarter may be worse or better for everybody at once: prices
rise, a rival appears, or the model itself has aged. Past forecasts, each made with what was known
then, show by how much. A quarter's shift is one number added to all log-odds::

    y(i, t) ~ Bernoulli(logistic(η(i, t) + δ(t))),   δ(t) ~ N(μ, τ²),
    μ ~ N(0, BIAS²),   τ ~ half-normal(SPREAD)

with ``η`` the log-odds that were given. Few quarters say little of ``μ`` and ``τ``, and then the
prior says the rest: the shift to come is a mixture of normals over the posterior, whose tails are
the heavier the fewer the quarters. All integrals are sums over grids, so nothing is drawn.

References
----------
Gelman (2006), Prior distributions for variance parameters in hierarchical models. Bayesian
Analysis 1, 515-534.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# What is believed before any quarter has been seen; chosen by the study experiments/forecast.md.
BIAS, SPREAD = 0.15, 0.30
_GRID = np.linspace(-2.0, 2.0, 201)
_MU = np.linspace(-0.6, 0.6, 31)
_TAU = np.geomspace(0.02, 1.0, 24)


@dataclass(frozen=True, eq=False)
class Matured:
    """A quarter that was forecast and has since been observed.

    Parameters
    ----------
    log_odds : ndarray (n,)
        What was said of each account, by a model that knew nothing of the quarter.
    label : ndarray (n,)
        1 for those who then left.
    """

    log_odds: Floats
    label: Floats


@dataclass(frozen=True, eq=False)
class Shift:
    """What is believed of the shift of the quarter to come.

    Parameters
    ----------
    values : ndarray (n,)
        Possible shifts, log-odds, ascending.
    weights : ndarray (n,)
        Their probabilities.
    quarters : int
        How many quarters it was learnt from.
    """

    values: Floats
    weights: Floats
    quarters: int

    @classmethod
    def learn(cls, past: Sequence[Matured]) -> Shift:
        """Learn from quarters whose windows do not overlap.

        Parameters
        ----------
        past : sequence of Matured
            None is allowed, and leaves the prior.
        """
        density = np.exp(-0.5 * ((_GRID - _MU[:, None, None]) / _TAU[:, None]) ** 2)
        density /= density.sum(axis=2, keepdims=True)  # (mu, tau, shift)
        log_weight = -0.5 * (_MU[:, None] / BIAS) ** 2 - 0.5 * (_TAU / SPREAD) ** 2
        log_weight = log_weight + np.log(_TAU)  # the grid of τ is even in its logarithm
        for quarter in past:
            likelihood = _log_likelihood(quarter)
            seen = density @ np.exp(likelihood - likelihood.max())
            log_weight = log_weight + np.log(np.maximum(seen, np.finfo(float).tiny))
        weight = np.exp(log_weight - log_weight.max())
        weights = np.tensordot(weight / weight.sum(), density, axes=2)
        return cls(_GRID, weights / weights.sum(), len(past))

    @property
    def mean(self) -> float:
        """Its mean, log-odds."""
        return float(self.values @ self.weights)

    @property
    def spread(self) -> float:
        """Its standard deviation, log-odds."""
        return float(np.sqrt(self.weights @ (self.values - self.mean) ** 2))


def _log_likelihood(quarter: Matured) -> Floats:
    """Log-likelihood of every shift of the grid; exact, since the log-odds are given."""
    shifted = quarter.log_odds[:, None] + _GRID
    lost = float(quarter.label.sum())
    return np.asarray(lost * _GRID - np.logaddexp(0.0, shifted).sum(axis=0))
