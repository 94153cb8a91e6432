"""How late the facts that labels are made of are recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlglot import exp

from churnml.history.asof import History
from churnml.history.tables import RECORDED_AT
from churnml.labels.pairs import Ints
from churnml.labels.specs import HistorySpec, InactivityLabel, OutcomeLabel
from churnml.labels.terms import TABLE

_MINUTE = 60_000_000  # microseconds
_DAY = 1440  # minutes
_MOST = 0.99


@dataclass(frozen=True)
class Arrival:
    """The lag between a fact and its record, in the table that a label reads.

    Parameters
    ----------
    table : str
        The table.
    rows : int
        Rows that tell their lag: those that happened once recording had begun. What is older was
        imported, and its lag says nothing of today's.
    median_days, most_days : float or None
        The lag that half of them keep, and the one that 99 % keep; 0 for what is recorded ahead.
        None where no row tells.
    settle_days : int
        What the label allows for it.
    """

    table: str
    rows: int
    median_days: float | None
    most_days: float | None
    settle_days: int

    @property
    def too_late(self) -> bool:
        """Whether more than 1 % of the facts come later than the label waits for them."""
        return self.most_days is not None and self.most_days > self.settle_days


def arrival(history: History, spec: HistorySpec) -> Arrival:
    """Measure how late the table that a label reads is recorded.

    Parameters
    ----------
    history : History
        Clean tables.
    spec : SubscriptionLabel, InactivityLabel or OutcomeLabel
        What churn is.

    Returns
    -------
    Arrival
        Without figures where the table has no ``recorded_at``: its rows then count as known when
        they happen, and nothing can show otherwise.

    Raises
    ------
    DataError
        If history lacks the table.
    """
    name = _table(spec)
    contract = history.contract(name)
    if not contract.has(RECORDED_AT):
        return Arrival(name, 0, None, None, spec.settle_days)
    happened = exp.column(contract.time, quoted=True).sql(dialect="duckdb")
    source = exp.to_table(name).sql(dialect="duckdb")
    rows = history.query(
        f"SELECT greatest(0, epoch_us({RECORDED_AT}) - epoch_us({happened})) // {_MINUTE} AS lag, "
        f"count(*) AS number FROM {source} "
        f"WHERE {happened} >= (SELECT min({RECORDED_AT}) FROM {source}) "
        f"AND {RECORDED_AT} IS NOT NULL GROUP BY lag ORDER BY lag"
    )
    if not rows.num_rows:
        return Arrival(name, 0, None, None, spec.settle_days)
    lag, count = (np.asarray(rows[column], dtype=np.int64) for column in ("lag", "number"))
    median, most = (_kept_by(share, lag, count) for share in (0.5, _MOST))
    return Arrival(name, int(count.sum()), median, most, spec.settle_days)


def _table(spec: HistorySpec) -> str:
    if isinstance(spec, InactivityLabel):
        return spec.table
    return "outcomes" if isinstance(spec, OutcomeLabel) else TABLE


def _kept_by(share: float, lag: Ints, count: Ints) -> float:
    """Find the lag, in days, that a share of the rows keeps; `lag` ascends."""
    reached = np.cumsum(count)
    return round(float(lag[np.searchsorted(reached, share * reached[-1])]) / _DAY, 2)
