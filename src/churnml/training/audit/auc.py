"""AUC with an interval over accounts that takes no draws, so that each feature can have one.

References
----------
Obuchowski (1997), Nonparametric analysis of clustered ROC curve data. Biometrics 53, 567-578.
DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver
operating characteristic curves. Biometrics 44, 837-845.
Chernoff (1952), A measure of asymptotic efficiency for tests of a hypothesis based on the sum of
observations. Annals of Mathematical Statistics 23, 493-507.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from churnml.backtest.metrics import Interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LEVEL = 0.95
_HALVINGS = 50


@dataclass(frozen=True, eq=False)
class Ranking:
    """How well a score ranks churned rows above others.

    Parameters
    ----------
    value : float
        The AUC; nan where only one class is there.
    influence : ndarray (n_accounts,)
        By how much each account moves it; their squares make its variance.
    churned : int
        Accounts with a row that churned.
    """

    value: float
    influence: Floats
    churned: int

    def interval(self, level: float = LEVEL) -> Interval:
        """Give the AUC with an interval over accounts, on the scale of its log-odds.

        Ranks without an error have no variance. But had one churned account in so many been ranked
        wrong, so few might not have shown it; the lower bound does not pass that of a share.

        Parameters
        ----------
        level : float
            Its coverage.
        """
        tail = (1 - level) / 2
        sure = tail ** (1 / max(self.churned, 1))
        error = math.sqrt(_variance(self.influence))
        if not 0 < self.value < 1:
            low, high = self.value, self.value
        else:
            odds = math.log(self.value / (1 - self.value))
            reach = NormalDist().inv_cdf(1 - tail) * error / (self.value * (1 - self.value))
            low, high = _inverse(odds - reach), _inverse(odds + reach)
        return Interval(self.value, min(low, sure), max(high, 1 - sure))


def rank(label: Bools, score: Floats, account: Ints, n_accounts: int) -> Ranking:
    """Measure how well a score ranks.

    Parameters
    ----------
    label : ndarray of bool (n,)
        Churned or not.
    score : ndarray (n,)
        The higher the riskier.
    account : ndarray of int (n,)
        Whose row it is, from 0 on.
    n_accounts : int
        How many accounts there are, of which some may have no row here.
    """
    distinct, place = np.unique(score, return_inverse=True)
    return rank_places(label, place, distinct.size, account, n_accounts)


def rank_places(
    label: Bools, place: Ints, n_places: int, account: Ints, n_accounts: int
) -> Ranking:
    """Measure how well places in an order rank, which takes no sorting of rows.

    Parameters
    ----------
    label, account, n_accounts
        As for `rank`.
    place : ndarray of int (n,)
        From 0 on; the higher the riskier.
    n_places : int
        How many places there are.
    """
    churned = np.bincount(place[label], minlength=n_places).astype(np.float64)
    stayed = np.bincount(place[~label], minlength=n_places).astype(np.float64)
    n_churned, n_stayed = churned.sum(), stayed.sum()
    if not n_churned or not n_stayed:
        return Ranking(float("nan"), np.zeros(n_accounts), 0)
    below = (np.cumsum(stayed) - stayed / 2) / n_stayed  # of stayers, for a churned row
    above = (n_churned - np.cumsum(churned) + churned / 2) / n_churned  # of churned, for a stayer
    value = float(churned @ below / n_churned)
    moved = np.where(label, (below[place] - value) / n_churned, (above[place] - value) / n_stayed)
    return Ranking(
        value,
        np.asarray(np.bincount(account, weights=moved, minlength=n_accounts), dtype=np.float64),
        int(np.unique(account[label]).size),
    )


def difference(first: Ranking, second: Ranking, level: float = LEVEL) -> Interval:
    """Give the difference of two AUCs, the first less the second, with an interval over accounts.

    Parameters
    ----------
    first, second : Ranking
        Over the same accounts; not necessarily of the same rows.
    level : float
        Its coverage.
    """
    value = first.value - second.value
    error = math.sqrt(_variance(first.influence - second.influence))
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    return Interval(value, value - reach, value + reach)


def halving(every: Ranking, others: Ranking, level: float = LEVEL) -> Interval:
    """Give the error of one score less half another's, an error being what the AUC lacks to 1.

    Parameters
    ----------
    every, others : Ranking
        Over the same accounts.
    level : float
        Its coverage.
    """
    value = (1 - every.value) - (1 - others.value) / 2
    error = math.sqrt(_variance(others.influence / 2 - every.influence))
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    return Interval(value, value - reach, value + reach)


def share(some: int, of: int, tail: float = (1 - LEVEL) / 2) -> Interval:
    """Give a share with an interval that is never too narrow, however few were counted.

    Its bounds are Chernoff's; where all or none were counted they are the exact ones.

    Parameters
    ----------
    some, of : int
        Counts; `some` at most `of`.
    tail : float
        What may lie beyond each bound by chance.
    """
    if not of:
        return Interval(float("nan"), 0.0, 1.0)
    found, room = some / of, -math.log(tail) / of
    return Interval(found, _bound(found, 0.0, room), _bound(found, 1.0, room))


def _bound(found: float, end: float, room: float) -> float:
    """Find between a share and an end the chance that is `room` nats away from the share."""
    near, far = found, end
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        if _divergence(found, middle) < room:
            near = middle
        else:
            far = middle
    return far


def _divergence(found: float, chance: float) -> float:
    """Kullback and Leibler's divergence of two chances, in nats."""
    if not 0 < chance < 1:
        return 0.0 if found == chance else math.inf
    yes = found * math.log(found / chance) if found else 0.0
    no = (1 - found) * math.log((1 - found) / (1 - chance)) if found < 1 else 0.0
    return yes + no


def _variance(influence: Floats) -> float:
    there = int(np.count_nonzero(influence))
    return float(influence @ influence) * there / max(there - 1, 1)


def _inverse(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(min(log_odds, 700.0), -700.0)))
