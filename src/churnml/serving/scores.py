"""Scores: what is told of an account, and of all of them as one table."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from churnml.actions.tiers import RiskTier
from churnml.explain.reasons import Reason
from churnml.history.freshness import Stale
from churnml.history.tables import ACCOUNT_ID
from churnml.training.bundle import Bundle
from churnml.training.encoding import Unseen

_TOLD = 3  # reasons in a table of scores


@dataclass(frozen=True)
class Scored:
    """One account's score.

    Parameters
    ----------
    account_id : str
        The account.
    cutoff : datetime or None
        As of when, UTC; none for a flat table without times.
    probability : float
        Calibrated probability of churn in the label's window, given what the label takes for
        granted (``bundle.manifest.label.given``).
    tier : RiskTier
        The band it falls in.
    arr : float or None
        Annual recurring revenue at the cutoff.
    survival : tuple of float
        The probability that it is still there at the end of each period, from the label's window
        on: the first is ``1 − probability``. As many as the bundle tells of.
    log_odds, base : float
        Calibrated log-odds, and what they would be if nothing were known of the account.
    low, high : float
        Interval in which the account's own probability lies, as far as can be said: accounts that
        look alike are not alike.
    level : float
        Share of accounts whose own probability shall lie within theirs.
    thin : str or None
        Why the account's history is too thin to go by; its score is drawn to its segment's rate.
    reasons : tuple of Reason
        Every family's share; with `base` they add up to `log_odds`.
    """

    account_id: str
    cutoff: dt.datetime | None
    probability: float
    tier: RiskTier
    arr: float | None
    survival: tuple[float, ...]
    log_odds: float
    base: float
    low: float
    high: float
    level: float
    thin: str | None
    reasons: tuple[Reason, ...]

    @property
    def arr_at_risk(self) -> tuple[float, ...] | None:
        """Revenue times the probability of having left by the end of each period."""
        if self.arr is None:
            return None
        return tuple(self.arr * (1.0 - stays) for stays in self.survival)

    @property
    def raising(self) -> tuple[Reason, ...]:
        """The reasons that raise the risk, the heaviest first."""
        return tuple(reason for reason in self.reasons if reason.contribution > 0)


@dataclass(frozen=True, eq=False)
class ScoreList:
    """Scores of all accounts in the population, or of all rows of a flat table.

    Parameters
    ----------
    cutoff : datetime or None
        As of when, UTC; none for a flat table, whose rows bring their own times.
    bundle : Bundle
        What scored.
    scores : tuple of Scored
        The riskiest first; equal ones by account.
    not_asked : int
        Further accounts of the population, of whom the bundle says nothing: it learnt a number of
        days before renewals, and theirs is not as near, or nearer than the lead.
    stale : tuple of Stale
        Tables that its features read and that had gone quiet before the cutoff.
    unseen : tuple of Unseen
        Values of categories that the bundle never learnt from.
    blank : tuple of str
        Features of a flat table that have no value in any of its rows, though in training they had.
    """

    cutoff: dt.datetime | None
    bundle: Bundle
    scores: tuple[Scored, ...]
    not_asked: int = 0
    stale: tuple[Stale, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    blank: tuple[str, ...] = ()

    @property
    def in_hindsight(self) -> bool:
        """Whether the bundle learned what came after the cutoff, so that its scores flatter it."""
        return self.bundle.manifest.learned_after(self.cutoff)

    def table(self) -> pa.Table:
        """The scores as one table.

        Returns
        -------
        pyarrow.Table
            A row for each score: ``account_id``, ``cutoff``, ``probability``, ``tier``, ``arr``,
            ``arr_at_risk`` (``arr × probability``), ``low``, ``high`` and ``level`` of the
            interval, ``thin`` (null, or why there is too little history), ``log_odds``, ``base``,
            then the three heaviest reasons that raise the risk as ``reason_1``,
            ``reason_1_log_odds`` and so on, null where there are fewer; where the bundle tells of
            later periods, the probability of being there at the end of each as ``survival_1``,
            ``survival_2`` and so on, and the revenue at risk by the end of the last as
            ``arr_at_risk_all``; and ``bundle``.
        """
        periods = self.bundle.periods
        rows = [{**_row(item, periods), "bundle": self.bundle.id} for item in self.scores]
        return pa.Table.from_pylist(rows, schema=_schema(periods))


def _schema(periods: int) -> pa.Schema:
    fields = [
        (ACCOUNT_ID, pa.string()),
        ("cutoff", pa.timestamp("us")),
        ("probability", pa.float64()),
        ("tier", pa.string()),
        ("arr", pa.float64()),
        ("arr_at_risk", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("level", pa.float64()),
        ("thin", pa.string()),
        ("log_odds", pa.float64()),
        ("base", pa.float64()),
    ]
    for place in range(1, _TOLD + 1):
        fields.append((f"reason_{place}", pa.string()))
        fields.append((f"reason_{place}_log_odds", pa.float64()))
    if periods > 1:
        fields += [(f"survival_{period}", pa.float64()) for period in range(1, periods + 1)]
        fields.append(("arr_at_risk_all", pa.float64()))
    return pa.schema([*fields, ("bundle", pa.string())])


def _row(item: Scored, periods: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        ACCOUNT_ID: item.account_id,
        "cutoff": item.cutoff,
        "probability": item.probability,
        "tier": item.tier.value,
        "arr": item.arr,
        "arr_at_risk": None if item.arr is None else item.arr * item.probability,
        "low": item.low,
        "high": item.high,
        "level": item.level,
        "thin": item.thin,
        "log_odds": item.log_odds,
        "base": item.base,
    }
    for place, reason in enumerate(item.raising[:_TOLD], 1):
        row[f"reason_{place}"] = reason.sentence
        row[f"reason_{place}_log_odds"] = reason.contribution
    if periods > 1:
        row |= {f"survival_{place}": stays for place, stays in enumerate(item.survival, 1)}
        row["arr_at_risk_all"] = None if item.arr_at_risk is None else item.arr_at_risk[-1]
    return row
