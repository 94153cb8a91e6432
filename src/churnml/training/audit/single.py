"""Features that tell the label by themselves: by their values, or by being there at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from churnml.backtest.metrics import Interval
from churnml.training.audit.auc import Bools, Ints, Ranking, share
from churnml.training.audit.findings import Check, Finding, Level
from churnml.training.audit.worth import MISSING, Rows, shares

# A copy of the label, but for errors of entry.
COPY, COPY_LOW = 0.99, 0.95
# From here on a feature has to be matched by all others together to be believed; one that is not
# may be an honest score of somebody else's, unless it ranks as hardly an honest score does.
STRONG_LOW, BEYOND_LOW = 0.75, 0.90
# What behaviour tells, other features tell as well. One that takes away half the error that all
# others leave tells what they know nothing of; but weak others leave that to any honest feature.
WEAK_OTHERS = 0.65
SUSPICIOUS_LOW = 0.90
# By how much it must beat them, and how many there have to be for that to mean anything.
MARGIN, ENOUGH_OTHERS = 0.02, 5
# A value nearly all of whose accounts leave.
PURE, NEARLY_PURE = 0.95, 0.90
# Of all churned accounts, how many such a value must hold to count, and to be a leak by itself.
COVERED, COVERED_MOST = 0.05, 0.50
# Being missing or there has no cause in an account's life so exact as to part the two outcomes.
STEP_SUSPICIOUS_LOW = 0.75

REMEDY = (
    "Find out when this column is written. If that can be after the cutoff, name it under exclude "
    "in [features], or declare when it becomes known in data/sources.toml."
)


@dataclass(frozen=True)
class Matched:
    """A feature set against all others together, by small models.

    Parameters
    ----------
    others : int
        How many they are.
    without : float
        The AUC of a model of them.
    over : Interval
        The feature's AUC alone, less that.
    left : Interval
        The error with it less half of that without it: below 0 where it takes away more than half.
    """

    others: int
    without: float
    over: Interval
    left: Interval


def pure_zone(step: Ints, rows: Rows) -> Bools:
    """Find the rows with values nearly all of whose other accounts churn.

    Parameters
    ----------
    step : ndarray of int (n,)
        The feature's values in steps.
    rows : Rows
        The rows.

    Returns
    -------
    ndarray of bool (n,)
        Chosen by the accounts of other folds, so that the choice does not flatter the share.
    """
    return np.asarray(shares(step, rows)[step, rows.fold] >= PURE - 0.1)


def purity(zone: Bools, rows: Rows, looked: int) -> tuple[Interval, float]:
    """Tell which share of a zone's accounts churns, and which share of churned accounts it holds.

    Parameters
    ----------
    zone : ndarray of bool (n,)
        Rows.
    rows : Rows
        The rows.
    looked : int
        How many zones are looked at: the more, the wider the interval.
    """
    left = rows.accounts_with(zone & rows.label)
    stayed = rows.accounts_with(zone & ~rows.label)
    churned = max(rows.accounts_with(rows.label), 1)
    return share(left, left + stayed, 0.025 / max(looked, 1)), left / churned


def alone(
    name: str, found: Ranking, zone: tuple[Interval, float], matched: Matched | None
) -> Finding | None:
    """Judge what a feature is worth alone.

    Parameters
    ----------
    name : str
        The feature.
    found : Ranking
        Its own AUC.
    zone : tuple of Interval and float
        From `purity`.
    matched : Matched or None
        What it is worth beside all others, where that was looked at.
    """
    auc, (pure, covered) = found.interval(), zone
    evidence = {
        "pure_share": pure.value,
        "pure_share_low": pure.low,
        "churned_in_pure_zone": covered,
    }
    if auc.value >= COPY and auc.low >= COPY_LOW:
        level, why = Level.LEAK, "is all but a copy of the label"
    elif pure.low >= PURE and covered >= COVERED_MOST:
        level = Level.LEAK
        why = f"has values with which {pure.value:.1%} of accounts leave, and {covered:.0%} of all"
        why += " who leave have them"
    elif matched is not None and (judged := _beside_others(auc, matched)) is not None:
        level, why = judged
        evidence |= {"auc_of_others": matched.without, "auc_over_others": matched.over.value}
        evidence |= {"auc_over_others_low": matched.over.low, "error_left": matched.left.value}
    elif auc.low >= SUSPICIOUS_LOW:
        level, why = Level.SUSPICIOUS, "alone ranks about as well as all others together"
    elif pure.low >= NEARLY_PURE and covered >= COVERED:
        level = Level.SUSPICIOUS
        why = f"has values with which {pure.value:.1%} of accounts leave: is that known before?"
    else:
        return None
    return _finding(Check.ALONE, level, name, "AUC alone", auc, why, evidence)


def _beside_others(auc: Interval, matched: Matched) -> tuple[Level, str] | None:
    beats = matched.over.low > MARGIN
    halves = matched.left.high < 0
    why = f"alone ranks better than all {matched.others} others together"
    if halves:
        why = f"takes away more than half the error that all {matched.others} others leave"
    if not (beats or halves):
        return None
    sure = (beats and auc.low >= BEYOND_LOW) or (halves and matched.without >= WEAK_OTHERS)
    return Level.LEAK if sure and matched.others >= ENOUGH_OTHERS else Level.SUSPICIOUS, why


def in_step(name: str, step: Ints, rows: Rows, looked: int) -> Finding | None:
    """Judge whether a column is missing, or there, in step with the label.

    A value that only accounts have which leave was written because they left, however few of them
    have it. The interval of a share knows how many accounts that rests on.

    Parameters
    ----------
    name : str
        The feature.
    step : ndarray of int (n,)
        Its values in steps.
    rows : Rows
        The rows.
    looked : int
        How many columns are looked at.
    """
    missing = step == MISSING
    if not missing.any() or missing.all():
        return None
    for state, words in ((~missing, "there"), (missing, "missing")):
        pure, covered = purity(state, rows, 2 * looked)
        if covered < COVERED or pure.low < NEARLY_PURE:
            continue
        level = Level.LEAK if pure.low >= PURE else Level.SUSPICIOUS
        why = f"is {words} for accounts of which {pure.value:.1%} leave"
        evidence = {"churned_with_it": covered}
        figure = f"share of churn where it is {words}"
        return _finding(Check.MISSING, level, name, figure, pure, why, evidence)
    auc = rows.rank(np.where(missing, 1.0, 0.0)).interval()
    if max(auc.low, 1 - auc.high) < STEP_SUSPICIOUS_LOW:
        return None
    why = "is missing for most who " + ("leave" if auc.value > 0.5 else "stay") + ", and few others"
    evidence = {
        "missing_of_churned": float(missing[rows.label].mean()),
        "missing_of_others": float(missing[~rows.label].mean()),
    }
    figure = "AUC of being missing"
    return _finding(Check.MISSING, Level.SUSPICIOUS, name, figure, auc, why, evidence)


def candidates(worth: Mapping[str, Ranking]) -> Iterator[str]:
    """Name the features that have to be matched by all others, the best first."""
    order = sorted(worth, key=lambda name: -worth[name].value)
    yield from (name for name in order if worth[name].interval().low >= STRONG_LOW)


def _finding(
    check: Check,
    level: Level,
    name: str,
    figure: str,
    interval: Interval,
    why: str,
    evidence: Mapping[str, float],
) -> Finding:
    return Finding(
        check=check,
        level=level,
        feature=name,
        figure=figure,
        interval=interval,
        said=f"{name} {why}.",
        remedy=REMEDY,
        evidence=MappingProxyType(dict(evidence)),
    )
