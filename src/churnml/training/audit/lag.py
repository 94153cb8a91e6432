"""Features whose worth vanishes when they are taken a month earlier.

What an account does before it leaves it has mostly begun to do a month before, so that a signal
fades; what was written because it left was not there yet, so that a leak vanishes. Much vanishes
rightly: a short window looks elsewhere a month before. It is strange only of a feature that hardly
moves in accounts that stay, and where other features keep most of their worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from churnml.training.audit.auc import Ints, Ranking, difference
from churnml.training.audit.findings import Check, Finding, Level
from churnml.training.audit.worth import MISSING, Rows, ranked

# A month is 28 days at least; a row of more than two months before is no neighbour.
LEAST_DAYS, MOST_DAYS = 28, 62
# Fewer churned accounts cannot tell a signal that fades from one that vanishes.
LEAST_CHURNED = 30
# Of its worth above chance, the most that a feature may keep to have vanished.
VANISHED = 0.3
# What the others must keep over it, to be strange.
APART = 0.3
# How strong a feature must be, and how still in accounts that stay, to be judged.
JUDGED_LOW, LEAK_LOW, STILL = 0.60, 0.75, 0.3
_WORTH = 0.55  # below it there is nothing to fade
_ALIKE = 1e-12

REMEDY = (
    "See whether this is written, zeroed or closed because the account leaves, and when. Count it "
    "only as far as it was known before the cutoff, or leave it out."
)


@dataclass(frozen=True)
class Fading:
    """What one feature is worth now and a month earlier, on the same rows.

    Parameters
    ----------
    now, earlier : Ranking
        By the value at the cutoff, and by that of the cutoff a month before.
    stillness : float
        Correlation of the two values' steps over rows that did not churn: 1 does not move.
    """

    now: Ranking
    earlier: Ranking
    stillness: float

    @property
    def kept(self) -> float:
        """The share of worth above chance that the earlier value has."""
        return (self.earlier.value - 0.5) / (self.now.value - 0.5)


def neighbours(rows: Rows) -> tuple[Ints, Ints]:
    """Find for each row the same account's row about a month before.

    Parameters
    ----------
    rows : Rows
        With days.

    Returns
    -------
    tuple of ndarray of int (n_pairs,)
        Positions of the rows that have one, and of those.
    """
    if rows.day is None or not rows.day.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    day = rows.day - rows.day.min()
    room = int(day.max()) + MOST_DAYS + 2
    key = rows.account * room + day
    order = np.argsort(key, kind="stable")
    before = np.searchsorted(key[order], key - LEAST_DAYS, side="right") - 1
    found = order[np.maximum(before, 0)]
    gap = day - day[found]
    holds = (before >= 0) & (rows.account[found] == rows.account)
    holds &= (gap >= LEAST_DAYS) & (gap <= MOST_DAYS)
    now = np.flatnonzero(holds)
    return now, found[now]


def fading(step: Ints, now: Ints, before: Ints, rows: Rows) -> Fading:
    """Measure what a feature is worth now and a month earlier.

    Parameters
    ----------
    step : ndarray of int (n,)
        From `worth.steps`, over all rows.
    now, before : ndarray of int (n_pairs,)
        From `neighbours`.
    rows : Rows
        The rows of `now`.
    """
    value, earlier = step[now], step[before]
    return Fading(
        now=ranked(value, rows),
        earlier=ranked(earlier, rows),
        stillness=_stillness(value, earlier, rows),
    )


def _stillness(value: Ints, earlier: Ints, rows: Rows) -> float:
    """Correlate the steps of today's and of earlier values where accounts stay."""
    told = ~rows.label & (value != MISSING) & (earlier != MISSING)
    pair = value[told], earlier[told]
    if min((part.std() if part.size else 0.0) for part in pair) < _ALIKE:
        return 1.0
    return float(np.corrcoef(*pair)[0, 1])


def judge(found: Mapping[str, Fading]) -> list[Finding]:
    """Judge which features vanish while others fade.

    Parameters
    ----------
    found : mapping of str to Fading
        By feature.
    """
    kept = {n: f.kept for n, f in found.items() if f.now.interval().low >= _WORTH}
    findings = []
    for name, item in found.items():
        now, earlier = item.now.interval(), item.earlier.interval()
        vanished = earlier.high - 0.5 <= VANISHED * (now.low - 0.5)
        others = [share for other, share in kept.items() if other != name]
        typical = float(np.median(others)) if others else 1.0
        if now.low < JUDGED_LOW or not vanished or typical - item.kept < APART:
            continue
        if item.stillness < STILL:
            continue
        level = Level.LEAK if now.low >= LEAK_LOW else Level.SUSPICIOUS
        findings.append(_finding(name, item, typical, level))
    return findings


def _finding(name: str, item: Fading, typical: float, level: Level) -> Finding:
    now, earlier = item.now.interval(), item.earlier.interval()
    return Finding(
        check=Check.LAG,
        level=level,
        feature=name,
        figure="AUC of the value a month earlier",
        interval=earlier,
        said=(
            f"{name} ranks with an AUC of {now.value:.3f}, and its value of a month earlier with "
            f"{earlier.value:.3f}, though it hardly moves in accounts that stay."
        ),
        remedy=REMEDY,
        evidence=MappingProxyType(
            {
                "auc_now": now.value,
                "auc_now_low": now.low,
                "auc_now_high": now.high,
                "lost": difference(item.now, item.earlier).value,
                "kept": item.kept,
                "kept_by_others": typical,
                "stillness": item.stillness,
            }
        ),
    )
