"""When an account left, counted in periods of the label's horizon beyond the first.

Period ``k`` of a cutoff is ``[cutoff + lead + (k − 1)·horizon, cutoff + lead + k·horizon)``, so
that the first is the label's own window. What became of a period is told when, as for the label,
the grace and the days that facts take to be recorded have passed after it, whichever way it turned
out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from churnml.labels.activity import ActiveAccounts
from churnml.labels.pairs import DAY, FAR, Fates, Ints, Population
from churnml.labels.specs import HistorySpec, InactivityLabel

MOST = 12  # periods that are told


@dataclass(frozen=True)
class Periods:
    """What became of rows, period by period.

    Parameters
    ----------
    told : ndarray (n,)
        How many periods, from the first on, can be told.
    churned : ndarray (n,)
        In which of those it churned, from 1; 0 if in none.
    """

    told: Ints
    churned: Ints


def periods(
    source: Population, spec: HistorySpec, fates: Fates, account: Ints, cutoff: Ints, until: int
) -> Periods:
    """Tell of labelled rows in which period they churned, as far as was observed.

    Churn that counts as retained (`ContractLabel.involuntary`) is no churn in any period, so that
    the chance of none in ``k`` periods is that of the label 0 under ``k`` times the horizon. Where
    it is excluded, nothing is told from its period on. An account without a contract churns in the
    first period through which it is silent.

    Parameters
    ----------
    source : Population
        Where the rows come from.
    spec : SubscriptionLabel, InactivityLabel or OutcomeLabel
        What churn is.
    fates : Fates
        Of these rows.
    account, cutoff : ndarray (n,)
        The rows, all of them kept for the label.
    until : int
        The end of observation, microseconds.
    """
    told = np.clip(
        1 + (until - cutoff - spec.reach_days * DAY) // (spec.horizon_days * DAY), 0, MOST
    )
    if isinstance(spec, InactivityLabel):
        silent = cast(ActiveAccounts, source).silent(account, cutoff, MOST)
        churned = np.where(silent.any(axis=1), silent.argmax(axis=1) + 1, 0)
    else:
        opens = cutoff + spec.lead_days * DAY
        left = fates.leaving < FAR
        period = np.where(left, (fates.leaving - opens) // (spec.horizon_days * DAY) + 1, 0)
        unpaid = left & fates.involuntary
        if spec.involuntary == "exclude":
            told = np.where(unpaid, np.minimum(told, period - 1), told)
        churned = np.where(unpaid & (spec.involuntary != "churn"), 0, period)
    return Periods(told, np.where(churned <= told, churned, 0))
