"""How many accounts, and how much revenue, will leave in the coming quarter.

Of the accounts of today each leaves or stays, with its own probability and its own revenue; a few
large ones may be most of what is lost, so that no bell curve describes the sum. Thousands of
quarters are drawn, each with a shift for all accounts (see `churnml.backtest.shift`), and the
intervals are their quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from churnml.backtest.shift import Shift

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEVELS = (0.80, 0.95)
ALL = "all"
_DRAWS = 10_000
_WORK = 400_000_000  # accounts times draws; beyond it, fewer are drawn
_LEAST = 1_000
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Range:
    """An interval, its ends included.

    Parameters
    ----------
    level : float
        The probability that it shall hold with.
    low, high : float
        Its ends.
    """

    level: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies inside; of a sum of revenue its last digits do not count."""
        slack = 1e-9 * max(abs(value), 1.0)
        return self.low - slack <= value <= self.high + slack


@dataclass(frozen=True)
class Figure:
    """One number that is forecast.

    Parameters
    ----------
    scores : float
        What the scores alone say: the sum of probabilities, or of revenue times probability.
    expected : float
        The mean, with the shift that past quarters speak for.
    ranges : tuple of Range
        One for each of `LEVELS`.
    """

    scores: float
    expected: float
    ranges: tuple[Range, ...]


@dataclass(frozen=True)
class Forecast:
    """What will leave of one group of accounts.

    Parameters
    ----------
    accounts : int
        Its size.
    arr : float or None
        Its annual recurring revenue, as far as known; None where nothing is known of anybody's.
    unpriced : int
        Accounts whose revenue is not known, and not in what is lost.
    churned : Figure
        Accounts that leave.
    lost : Figure or None
        Their revenue.
    """

    accounts: int
    arr: float | None
    unpriced: int
    churned: Figure
    lost: Figure | None


def forecast(
    log_odds: Floats,
    arr: Floats,
    shift: Shift,
    groups: Mapping[str, Bools] = MappingProxyType({}),
    *,
    seed: int = 0,
) -> Mapping[str, Forecast]:
    """Forecast the coming quarter of some accounts.

    Parameters
    ----------
    log_odds : ndarray (n,)
        Calibrated, of churn within the quarter.
    arr : ndarray (n,)
        Annual recurring revenue; nan where it is not known.
    shift : Shift
        What is believed of this quarter.
    groups : mapping of str to ndarray of bool (n,)
        Groups to tell of besides all.
    seed : int
        Fixes the draws: equal arguments give equal intervals.

    Returns
    -------
    mapping of str to Forecast
        First of `ALL`, then of each group. All are sums over the same draws.
    """
    masks = {ALL: np.ones(log_odds.size, dtype=bool), **groups}
    known = np.isfinite(arr)
    value = np.where(known, arr, 0.0)
    held = np.column_stack(list(masks.values())).astype(np.float64)
    summed = np.hstack([held, held * value[:, None]])
    drawn = _draw(log_odds, shift, summed, np.random.default_rng(seed))
    plain = _probability(log_odds)
    mean = np.zeros(log_odds.size)
    for size, weight in zip(shift.values, shift.weights, strict=True):
        mean += weight * _probability(log_odds + size)
    said, expected = plain @ summed, mean @ summed

    def figure(place: int) -> Figure:
        return Figure(float(said[place]), float(expected[place]), _ranges(drawn[:, place]))

    found = {}
    for place, (name, mask) in enumerate(masks.items()):
        priced = bool((known & mask).any())
        found[name] = Forecast(
            accounts=int(mask.sum()),
            arr=float(value[mask].sum()) if priced else None,
            unpriced=int((mask & ~known).sum()),
            churned=figure(place),
            lost=figure(len(masks) + place) if priced else None,
        )
    return MappingProxyType(found)


def _draw(log_odds: Floats, shift: Shift, summed: Floats, generator: np.random.Generator) -> Floats:
    """Draw quarters and sum who leaves in each: (n_draws, n_sums)."""
    draws = int(np.clip(_WORK // max(log_odds.size, 1), _LEAST, _DRAWS))
    # Shifts are not drawn but spread evenly over their quantiles, which steadies the tails.
    reached = np.cumsum(shift.weights)
    places = np.searchsorted(reached, (np.arange(draws) + 0.5) / draws)
    sums = np.empty((draws, summed.shape[1]))
    step = max(_AT_ONCE // max(log_odds.size, 1), 1)
    for place in np.unique(places):
        mine = np.flatnonzero(places == place)
        chance = _probability(log_odds + shift.values[place])
        for first in range(0, mine.size, step):
            rows = mine[first : first + step]
            leaves = generator.random((rows.size, log_odds.size)) < chance
            sums[rows] = leaves.astype(np.float64) @ summed
    return sums


def _ranges(drawn: Floats) -> tuple[Range, ...]:
    def quantile(share: float) -> float:
        # Of a count no value between two draws exists.
        return float(np.quantile(drawn, share, method="inverted_cdf"))

    return tuple(
        Range(level, quantile((1 - level) / 2), quantile((1 + level) / 2)) for level in LEVELS
    )


def _probability(log_odds: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds)))
