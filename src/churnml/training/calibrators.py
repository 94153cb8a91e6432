"""Which calibrator: a line unless rows that were held out speak clearly for a curve.

References
----------
Breiman, Friedman, Olshen and Stone (1984), Classification and regression trees, section 3.4.3: the
rule of one standard error, here of means over accounts.
Liang and Zeger (1986), Longitudinal data analysis using generalized linear models. Biometrika 73,
13-22: the covariance of a fit to rows that come in clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from churnml.config import FrozenModel
from churnml.training.calibration import Calibrator, fit_platt, probability
from churnml.training.curves import BetaCurve, IsotonicCurve, fit_beta, fit_isotonic

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Curve = Calibrator | BetaCurve | IsotonicCurve
Method = Literal["platt", "beta", "isotonic", "none"]

# Rows and accounts that churned, below which a curve is not tried: it would follow chance.
LEAST: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"beta": (1000, 50), "isotonic": (5000, 300)}
)
_FITS: Mapping[str, Callable[[Floats, Floats], Curve]] = MappingProxyType(
    {"platt": fit_platt, "beta": fit_beta, "isotonic": fit_isotonic}
)


class Doubt(FrozenModel):
    """Covariance of the line that calibrates: what other accounts to fit it on might have given.

    Parameters
    ----------
    centre : float
        Mean margin.
    level, both, slope : float
        Variance of the line's height there, covariance of that with its slope, and variance of its
        slope.
    """

    centre: float = 0.0
    level: float = Field(default=0.0, ge=0)
    both: float = 0.0
    slope: float = Field(default=0.0, ge=0)

    def variance(self, margin: Floats) -> Floats:
        """Variance of the calibrated log-odds at margins (n,)."""
        away = margin - self.centre
        return np.maximum(self.level + 2 * self.both * away + self.slope * away**2, 0.0)


@dataclass(frozen=True)
class Calibration:
    """A calibrator, how it was chosen, and what is not sure of it.

    Parameters
    ----------
    method : str
        ``platt``, ``beta``, ``isotonic`` or ``none``.
    curve : Calibrator, BetaCurve or IsotonicCurve
        Margins to log-odds.
    losses : mapping of str to float
        Log loss of each method that was tried, on folds that it was not fitted on.
    doubt : Doubt
        What is not sure of it.
    """

    method: Method
    curve: Curve
    losses: Mapping[str, float]
    doubt: Doubt


def calibrate(
    margin: Floats,
    label: Floats,
    accounts: npt.NDArray[np.object_],
    fold: Ints,
    method: Literal["auto"] | Method,
) -> Calibration:
    """Fit a calibrator.

    Parameters
    ----------
    margin : ndarray (n,)
        Log-odds by members that had not seen the rows.
    label : ndarray (n,)
        0 or 1.
    accounts : ndarray of str (n,)
        Each row's account.
    fold : ndarray of int (n,)
        Each row's fold; rows of an account share theirs.
    method : str
        ``auto`` chooses a curve where it is better than the simpler one by more than a standard
        error of the gain in log loss, across folds and by accounts.

    Raises
    ------
    TrainingError
        As `fit_platt`.
    """
    if method == "none":
        return Calibration("none", Calibrator(), MappingProxyType({}), Doubt())
    line = fit_platt(margin, label)
    losses: dict[str, float] = {}
    chosen: Method = "platt" if method == "auto" else method
    if method == "auto":
        chosen, losses = _choose(margin, label, accounts, fold)
    curve = line if chosen == "platt" else _FITS[chosen](margin, label)
    doubt = _doubt(line.log_odds(margin), margin, label, accounts)
    return Calibration(chosen, curve, MappingProxyType(losses), doubt)


def allowed(label: Floats, accounts: npt.NDArray[np.object_]) -> tuple[Method, ...]:
    """Name the methods that so many rows and churners allow, the simplest first."""
    churned = np.unique(accounts[label == 1]).size
    names: tuple[Method, ...] = ("beta", "isotonic")
    enough = [n for n in names if label.size >= LEAST[n][0] and churned >= LEAST[n][1]]
    return ("platt", *enough)


def _choose(
    margin: Floats, label: Floats, accounts: npt.NDArray[np.object_], fold: Ints
) -> tuple[Method, dict[str, float]]:
    names = allowed(label, accounts)
    if len(names) == 1:
        return "platt", {}
    losses = {name: _crossed(name, margin, label, fold) for name in names}
    chosen: Method = "platt"
    for name in names[1:]:
        gain, error = _mean(losses[chosen] - losses[name], accounts)
        if gain > error:
            chosen = name
    return chosen, {name: float(loss.mean()) for name, loss in losses.items()}


def _crossed(name: Method, margin: Floats, label: Floats, fold: Ints) -> Floats:
    """Log loss of each row, by a calibrator fitted on the other folds."""
    loss = np.empty(label.size)
    for number in np.unique(fold):
        out = fold == number
        log_odds = _FITS[name](margin[~out], label[~out]).log_odds(margin[out])
        loss[out] = np.logaddexp(0, log_odds) - label[out] * log_odds
    return loss


def _mean(gain: Floats, accounts: npt.NDArray[np.object_]) -> tuple[float, float]:
    """Mean over rows, and its standard error where rows of an account go together."""
    mean = float(gain.mean())
    _, place = np.unique(accounts, return_inverse=True)
    total = np.bincount(place, gain - mean)
    return mean, float(np.sqrt(np.sum(total**2)) / gain.size)


def _doubt(
    log_odds: Floats, margin: Floats, label: Floats, accounts: npt.NDArray[np.object_]
) -> Doubt:
    """Covariance of height and slope of the line, over accounts: the sandwich."""
    fitted, centre = probability(log_odds), float(margin.mean())
    design = np.column_stack([np.ones(margin.size), margin - centre])
    weight = fitted * (1 - fitted)
    # Rows of one margin say nothing of the slope, which is then left out.
    bread = np.linalg.pinv((design * weight[:, None]).T @ design, rcond=1e-9, hermitian=True)
    _, place = np.unique(accounts, return_inverse=True)
    error = label - fitted
    scores = np.column_stack([np.bincount(place, error * column) for column in design.T])
    found = bread @ (scores.T @ scores) @ bread
    return Doubt(
        centre=centre,
        level=max(float(found[0, 0]), 0.0),
        both=float(found[0, 1]),
        slope=max(float(found[1, 1]), 0.0),
    )
