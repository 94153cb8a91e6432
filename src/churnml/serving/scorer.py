"""Scoring with a bundle: probability, risk tier and reasons of accounts at one cutoff."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from churnml.actions.tiers import RiskTier, RiskTiers
from churnml.config import parse
from churnml.errors import BundleError, DataError
from churnml.explain.reasons import Reason, Value, reasons
from churnml.features.catalogue import Catalogue
from churnml.features.engine import compute
from churnml.features.facts import compile_catalogue
from churnml.features.snapshot import from_snapshot
from churnml.history.asof import History
from churnml.history.tables import ACCOUNT_ID
from churnml.labels import ColumnLabel, HistorySpec, population
from churnml.training.bundle import Bundle
from churnml.training.recipes import Recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Rows explained at once: reasons cost many times what a probability costs.
_BLOCK = 256
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Scored:
    """One account's score.

    Parameters
    ----------
    account_id : str
        The account.
    probability : float
        Calibrated probability of churn in the label's window.
    tier : RiskTier
        The band it falls in.
    arr : float or None
        Annual recurring revenue at the cutoff.
    log_odds, base : float
        Calibrated log-odds, and what they would be if nothing were known of the account.
    reasons : tuple of Reason
        Every family's share; with `base` they add up to `log_odds`.
    """

    account_id: str
    probability: float
    tier: RiskTier
    arr: float | None
    log_odds: float
    base: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, eq=False)
class ScoreList:
    """Scores of all accounts in the population, the riskiest first.

    Parameters
    ----------
    cutoff : datetime or None
        As of when, UTC; none for a flat table.
    bundle : Bundle
        What scored.
    scores : tuple of Scored
        By probability, falling; equal ones by account.
    """

    cutoff: dt.datetime | None
    bundle: Bundle
    scores: tuple[Scored, ...]

    def table(self) -> pa.Table:
        """The scores as one table, a row an account, with its three heaviest reasons."""
        columns: dict[str, list[Any]] = {
            ACCOUNT_ID: [s.account_id for s in self.scores],
            "probability": [s.probability for s in self.scores],
            "tier": [s.tier.value for s in self.scores],
            "arr": [s.arr for s in self.scores],
            "arr_at_risk": [None if s.arr is None else s.arr * s.probability for s in self.scores],
            "log_odds": [s.log_odds for s in self.scores],
            "base": [s.base for s in self.scores],
        }
        schema = [
            (name, pa.string() if name in {ACCOUNT_ID, "tier"} else pa.float64())
            for name in columns
        ]
        table = pa.table(columns, schema=pa.schema(schema))
        for place in range(3):
            told = [
                s.reasons[place].sentence if place < len(s.reasons) else None for s in self.scores
            ]
            table = table.append_column(f"reason_{place + 1}", pa.array(told, pa.string()))
        count = len(self.scores)
        when = pa.array([self.cutoff] * count, pa.timestamp("us"))
        table = table.append_column("cutoff", when)
        return table.append_column("bundle", pa.array([self.bundle.id] * count, pa.string()))


def score_history(
    history: History,
    bundle: Bundle,
    *,
    cutoff: dt.datetime | None = None,
    progress: Progress,
) -> ScoreList:
    """Score every account of the population at a cutoff.

    Features are those of the bundle's own catalogue, whatever the project's says today.

    Parameters
    ----------
    history : History
        Clean history.
    bundle : Bundle
        What scores.
    cutoff : datetime, optional
        UTC, naive; the end of observation if omitted.
    progress : callable
        Told what is being done and the share that is done.

    Returns
    -------
    ScoreList
        The riskiest first; empty where nobody is in the population.

    Raises
    ------
    BundleError
        If the bundle was trained on a flat table, or needs what this history lacks.
    DataError
        If the cutoff lies beyond what was observed.
    """
    spec = label_of(bundle)
    if isinstance(spec, ColumnLabel):
        raise BundleError(f"{bundle.folder}: trained on a flat table; it cannot score history.")
    when = history.observed_until if cutoff is None else cutoff
    if when > history.observed_until:
        raise DataError(
            f"cutoff {when:%Y-%m-%d %H:%M} lies after the end of observation, "
            f"{history.observed_until:%Y-%m-%d %H:%M}: recent events would look absent. "
            "Bring newer sources, or score as of an earlier time."
        )
    where = f"{bundle.folder}: catalogue"
    catalogue, omitted = from_snapshot(bundle.manifest.catalogue, where).available(
        history.contracts
    )
    if omitted:
        raise BundleError(
            f"{bundle.folder}: needs {omitted[0].feature!r}, which this history cannot give: "
            f"{omitted[0].why}. Bring that source back, or train again without it."
        )
    people = population(history, spec, when)
    accounts = people[ACCOUNT_ID].to_pylist()
    program = compile_catalogue(catalogue, history.contracts)
    instants = people["cutoff"].cast(pa.int64()).to_numpy()
    parts = [
        rows.columns.append_column("_place", pa.array(rows.positions))
        for rows in compute(
            history,
            program,
            accounts,
            instants,
            progress=lambda done, total: progress("features", done / total),
        )
    ]
    if not parts:
        return ScoreList(when, bundle, ())
    features = pa.concat_tables(parts).sort_by("_place").drop_columns(["_place"])
    return ScoreList(
        when,
        bundle,
        _scored(bundle, accounts, features, people["arr"].to_pylist(), catalogue, progress),
    )


def score_flat(bundle: Bundle, rows: pa.Table, *, progress: Progress) -> ScoreList:
    """Score the rows of a flat table.

    Parameters
    ----------
    bundle : Bundle
        Trained on such a table.
    rows : pyarrow.Table
        Every feature; other columns than those, the label's, id, time and ARR are refused by name.
    progress : callable
        Told what is being done and the share that is done.

    Raises
    ------
    BundleError
        If the bundle was not trained on a flat table, or a column is missing or of another kind.
    """
    spec = label_of(bundle)
    if not isinstance(spec, ColumnLabel):
        raise BundleError(f"{bundle.folder}: trained on history; it cannot score a flat table.")
    missing = [name for name in bundle.features if name not in rows.column_names]
    if missing:
        raise BundleError(
            f"the table lacks {len(missing)} of the bundle's {len(bundle.features)} features: "
            f"{', '.join(missing[:8])}. Add these columns; null where a value is not known."
        )
    if spec.id is not None and spec.id not in rows.column_names:
        raise BundleError(f"the table has no column {spec.id!r}, which names the accounts.")
    width = len(str(max(rows.num_rows - 1, 0)))
    accounts = (
        [f"row-{row:0{width}d}" for row in range(rows.num_rows)]
        if spec.id is None
        else rows[spec.id].cast(pa.string()).to_pylist()
    )
    arr = [None] * rows.num_rows
    if spec.arr is not None and spec.arr in rows.column_names:
        arr = rows[spec.arr].cast(pa.float64()).to_pylist()
    features = rows.select(list(bundle.features))
    return ScoreList(None, bundle, _scored(bundle, accounts, features, arr, None, progress))


def label_of(bundle: Bundle) -> HistorySpec | ColumnLabel:
    """Read what a bundle predicts from its manifest."""
    content = {"name": bundle.manifest.name, "label": bundle.manifest.label}
    return parse(Recipe, content, f"{bundle.folder}: manifest").label


def _scored(
    bundle: Bundle,
    accounts: list[str],
    features: pa.Table,
    arr: list[float | None],
    catalogue: Catalogue | None,
    progress: Progress,
) -> tuple[Scored, ...]:
    tiers = parse(RiskTiers, bundle.manifest.tiers, f"{bundle.folder}: tiers")
    scored: list[Scored] = []
    for first in range(0, features.num_rows, _BLOCK):
        progress("scores", first / features.num_rows)
        block = features.slice(first, _BLOCK)
        found = bundle.score(block, contributions=True)
        names = tiers.tiers(found.probability)
        rows: list[dict[str, Value]] = block.to_pylist()
        shares: NDArray[np.float64] | None = found.contributions
        if shares is None:
            raise BundleError(f"{bundle.folder}: gave no contributions.")
        scored += [
            Scored(
                account_id=accounts[first + place],
                probability=float(found.probability[place]),
                tier=names[place],
                arr=arr[first + place],
                log_odds=float(found.log_odds[place]),
                base=found.base,
                reasons=reasons(shares[place], bundle.features, rows[place], catalogue),
            )
            for place in range(block.num_rows)
        ]
    return tuple(sorted(scored, key=lambda item: (-item.probability, item.account_id)))
