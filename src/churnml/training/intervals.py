"""Intervals: within which an account's own probability of churn lies, as far as can be said.

Two things part it from the score. One is want of data: other accounts to learn from would have
given another score; the model's folds and the calibrator's covariance tell by how much. The other
is what history does not show: two accounts that look alike are not alike. No outcomes tell how
unlike they are, for zeros and ones have the same spread about a mean whether or not the
probabilities differ. That part is therefore an assumption, stated in the recipe, and set from
simulated companies whose true probabilities are known.

References
----------
Gelman and Hill (2007), Data analysis using regression and multilevel models, section 5.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from scipy.special import ndtr, ndtri

from churnml.config import FrozenModel
from churnml.training.calibration import probability

Floats = npt.NDArray[np.float64]

# Fitted to coverage at four levels on simulated companies of 500 to 5,000 accounts. Widest
# far below the mean account, where those who cannot leave yet are not told from those who would
# not; narrowest just below it.
AWAY = (-2.5, -1.5, -1.0, -0.5, 0.5, 1.5)
UNSEEN = (1.5, 2.4, 1.0, 0.48, 0.8, 1.0)

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
STEPS = 12


class IntervalSpec(FrozenModel):
    """How wide intervals are.

    Parameters
    ----------
    level : float
        Share of accounts whose own probability shall lie within.
    away : tuple of float
        Log-odds above (or below) those of the mean account, ascending.
    unseen : tuple of float
        At each of `away`, the standard deviation of accounts' own log-odds about what history
        shows; straight lines between, level beyond. An assumption: the defaults come of simulated
        companies (experiments/calibration.md). One number for all: ``away = [0]``.
    """

    level: float = Field(default=0.8, ge=0.5, le=0.99)
    away: tuple[float, ...] = AWAY
    unseen: tuple[float, ...] = UNSEEN

    @model_validator(mode="after")
    def _knots_fit(self) -> IntervalSpec:
        if not self.away or len(self.away) != len(self.unseen):
            raise ValueError(
                f"away has {len(self.away)} numbers and unseen {len(self.unseen)}; expected as "
                "many, and one at least"
            )
        if any(b <= a for a, b in pairwise(self.away)):
            raise ValueError("away must ascend")
        if min(self.unseen) < 0 or not np.isfinite([*self.away, *self.unseen]).all():
            raise ValueError("unseen holds standard deviations: numbers of 0 or more")
        return self


class Intervals(IntervalSpec):
    """The same, with what was learnt from.

    Parameters
    ----------
    rate : float
        Log-odds of the mean account among those learnt from.
    least : float
        Probability that so many accounts cannot tell from none: one among all of them.
    """

    rate: float = 0.0
    least: float = Field(default=0.0, ge=0, lt=1)

    def deviation(self, log_odds: Floats, error: Floats) -> Floats:
        """Standard deviation (n,) of accounts' own log-odds, given score and standard error."""
        return np.asarray(np.sqrt(error**2 + self.unseen_at(log_odds) ** 2))

    def unseen_at(self, log_odds: float | Floats) -> Floats:
        """Give the standard deviation of what history does not show, at log-odds."""
        return np.asarray(np.interp(log_odds - self.rate, *self._knots))

    @cached_property
    def _knots(self) -> tuple[Floats, Floats]:
        return np.array(self.away), np.array(self.unseen)

    def about(self, log_odds: Floats, error: Floats, level: float) -> tuple[Floats, Floats]:
        """Give the interval.

        Parameters
        ----------
        log_odds, error : ndarray (n,)
            Calibrated score and its standard error for want of data.
        level : float
            Share of accounts that shall lie within.

        Returns
        -------
        low, high : ndarray (n,)
            Probabilities. Own log-odds are taken as normal, with the mean that makes their mean
            probability the score. Where the lower end falls below what can be told from none at
            all it is 0, and the upper end is the one-sided bound. An interval that would leave out
            the score, since the mean of skewed probabilities may lie outside the middle of them,
            is moved until it ends there.
        """
        deviation = self.deviation(log_odds, error)
        middle = centre(log_odds, deviation)
        # Both ends are standard normal deviates until they are shown.
        lower, one_sided, upper = deviates(level)
        below = np.full(middle.shape, lower)
        nil = probability(middle + below * deviation) < self.least
        above = np.where(nil, one_sided, upper)
        score = np.divide(
            log_odds - middle, deviation, out=np.zeros_like(middle), where=deviation > 0
        )
        under, over = score < below, score > above
        if (under | over).any():
            below = np.select([under, over], [score, ndtri(ndtr(score) - level)], below)
            above = np.select([under, over], [ndtri(ndtr(score) + level), score], above)
            nil &= ~over
        low, high = (probability(middle + end * deviation) for end in (below, above))
        return np.where(nil, 0.0, low), np.where(nil, np.maximum(high, self.least), high)


@lru_cache(maxsize=64)
def deviates(level: float) -> tuple[float, float, float]:
    """Give the lower end, the bound of a one-sided interval and the upper end, for a level."""
    return float(ndtri((1 - level) / 2)), float(ndtri(level)), float(ndtri((1 + level) / 2))


def centre(log_odds: Floats, deviation: Floats) -> Floats:
    """Find the mean of normal log-odds whose mean probability is given.

    Parameters
    ----------
    log_odds : ndarray (n,)
        Log-odds of the mean probability.
    deviation : ndarray (n,)
        Standard deviation of the log-odds.

    Returns
    -------
    ndarray (n,)
        By Newton's steps on the logarithm of the smaller of the two mean probabilities, integrals
        by Gauss and Hermite. Further from 0 than `log_odds`, on the same side.
    """
    if log_odds.size == 0:
        return log_odds
    # By symmetry the work is done below one half, where the logarithm is nearly straight.
    sign = np.where(log_odds > 0, -1.0, 1.0)
    wanted = sign * log_odds
    target = -np.logaddexp(0, -wanted)
    found = wanted - np.minimum(deviation**2 / 2, 3.0) * np.tanh(-wanted / 2)
    around = deviation[:, None] * NODES
    for _ in range(STEPS):
        each = probability(found[:, None] + around)
        mean = each @ WEIGHTS
        slope = (each * (1 - each)) @ WEIGHTS
        step = (np.log(mean) - target) * mean / slope
        longest = np.abs(step).max()
        if longest < 1e-12:
            break
        found = found - (step if longest <= 2.0 else np.clip(step, -2.0, 2.0))
    return np.asarray(sign * found)
