"""One row: judged as many are, to the last bit, in a third of the time.

On an array that holds one number, an operation of numpy takes a hundred times as long as the
arithmetic. A service is asked for one row at a time, so here plain numbers take the place of such
arrays. What rounds in its own way (exponentials, logarithms, sums over nodes) is asked of numpy as
there. Rows that need more than the plain case are left to `churnml.training.judgement`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from churnml.training.calibration import probability
from churnml.training.intervals import NODES, STEPS, WEIGHTS, deviates
from churnml.training.judgement import FAIR

if TYPE_CHECKING:
    from churnml.training.calibrators import Curve
    from churnml.training.encoding import Encoding
    from churnml.training.intervals import Intervals
    from churnml.training.judgement import Judgement

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judgment:
    """What is said of one row.

    Parameters
    ----------
    error, log_odds, probability, low, high, base : float
        As `churnml.training.estimator.Scores`; `error` is the `spread` there.
    stretch : float
        Turns shares of the margin into shares of the log-odds.
    """

    error: float
    log_odds: float
    probability: float
    low: float
    high: float
    base: float
    stretch: float


@dataclass(frozen=True, eq=False)
class Single:
    """Judges one row at a time.

    Parameters
    ----------
    curve : Calibrator, BetaCurve or IsotonicCurve
        Margins to log-odds.
    encoding : Encoding
        The features.
    judgement : Judgement
        What follows the calibrator.
    base : float
        The margin before anything is known.
    """

    curve: Curve
    encoding: Encoding
    judgement: Judgement
    base: float

    def judge(self, matrix: Floats, margin: float, spread: float, level: float) -> Judgment | None:
        """Judge a row; None where it is thin, of a segment, or at an end of its interval.

        Parameters
        ----------
        matrix : ndarray (1, n_features)
            The row, encoded.
        margin, spread : float
            What the trees say, and the standard error of it.
        level : float
            Of the interval.
        """
        judgement = self.judgement
        if any(part.applied for part in judgement.segments):
            return None
        if judgement.thin is not None and any(judgement.thin.why(self.encoding, matrix)):
            return None
        at = np.array([margin])
        log_odds = self.curve.log_odds(at).item()
        steep = self.curve.steepness(at).item()
        own = FAIR * steep * spread
        doubt = judgement.doubt
        away = margin - doubt.centre
        variance = max(doubt.level + 2 * doubt.both * away + doubt.slope * (away * away), 0.0)
        error = math.sqrt(own * own + variance)
        ends = _about(judgement.intervals, log_odds, error, level)
        if ends is None:
            return None
        way = margin - self.base
        return Judgment(
            error=error,
            log_odds=log_odds,
            probability=_probability(log_odds),
            low=ends[0],
            high=ends[1],
            base=self.origin,
            stretch=steep if abs(way) < 1e-9 else (log_odds - self.origin) / way,
        )

    @cached_property
    def origin(self) -> float:
        """The log-odds before anything is known."""
        return float(self.curve.log_odds(np.array([self.base])).item())


def _about(
    intervals: Intervals, log_odds: float, error: float, level: float
) -> tuple[float, float] | None:
    """Give the interval as `Intervals.about` does; None where it has to be moved."""
    unseen = float(intervals.unseen_at(log_odds))
    deviation = math.sqrt(error * error + unseen * unseen)
    middle = _centre(log_odds, deviation)
    below, one_sided, upper = deviates(level)
    low = _probability(middle + below * deviation)
    nil = low < intervals.least
    above = one_sided if nil else upper
    score = (log_odds - middle) / deviation if deviation > 0 else 0.0
    if score < below or score > above:
        return None
    high = _probability(middle + above * deviation)
    return (0.0, max(high, intervals.least)) if nil else (low, high)


def _centre(log_odds: float, deviation: float) -> float:
    """Find the mean of normal log-odds as `churnml.training.intervals.centre` does."""
    sign = -1.0 if log_odds > 0 else 1.0
    wanted = sign * log_odds
    target = -float(np.logaddexp(0, -wanted))
    found = wanted - min(deviation * deviation / 2, 3.0) * float(np.tanh(-wanted / 2))
    around = deviation * NODES[None, :]
    for _ in range(STEPS):
        each = probability(found + around)
        mean = (each @ WEIGHTS).item()
        slope = ((each * (1 - each)) @ WEIGHTS).item()
        step = (float(np.log(mean)) - target) * mean / slope
        if abs(step) < 1e-12:
            break
        found -= min(max(step, -2.0), 2.0)
    return sign * found


def _probability(log_odds: float) -> float:
    small = float(np.exp(-abs(log_odds)))
    return (1.0 if log_odds >= 0 else small) / (1.0 + small)
