"""Scoring with a bundle: probability, risk tier and reasons of accounts."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnml import flat
from churnml.errors import BundleError, DataError, nearest
from churnml.explain.reasons import Reason, Telling, Value
from churnml.features.catalogue import Catalogue
from churnml.features.engine import compute
from churnml.features.facts import compile_catalogue
from churnml.history.asof import History
from churnml.history.tables import ACCOUNT_ID
from churnml.labels import ColumnLabel, HistorySpec, asked, population
from churnml.serving.scores import Scored, ScoreList
from churnml.training.bundle import Bundle
from churnml.training.estimator import Scores
from churnml.training.suitability import suited
from churnml.training.tables import stale_tables

# Rows scored at once, after which progress is told.
_BLOCK = 4096
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Rows:
    """Of whom scores are asked, row by row.

    Parameters
    ----------
    accounts : sequence of str
        The accounts.
    cutoffs : sequence of datetime or None
        As of when, UTC and naive.
    arr : sequence of float or None
        Their annual recurring revenue.
    """

    accounts: Sequence[str]
    cutoffs: Sequence[dt.datetime | None]
    arr: Sequence[float | None]

    def only(self, place: int) -> Rows:
        """Of whom one of the rows is."""
        return self.part(place, 1)

    def part(self, first: int, count: int) -> Rows:
        """Of whom so many of the rows are, from one on."""
        rows = slice(first, first + count)
        return Rows(self.accounts[rows], self.cutoffs[rows], self.arr[rows])


def score_history(
    history: History,
    bundle: Bundle,
    *,
    cutoff: dt.datetime | None = None,
    progress: Progress,
) -> ScoreList:
    """Score every account of the population at a cutoff that the bundle can be asked about.

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
        The riskiest first; empty where nobody is in the population, or none of it can be asked
        about. A model that learnt a number of days before renewals is asked of accounts with a
        renewal at most so many days ahead, and no nearer than the lead.

    Raises
    ------
    BundleError
        If the bundle was trained on a flat table, or on features that this history, or the code of
        custom features, no longer gives, or gives by another rule of when they are known.
    DataError
        If the cutoff lies beyond what was observed, or has a time zone.
    """
    spec, catalogue = of_history(bundle, history)
    when = observed(history, cutoff)
    everybody = population(history, spec, when)
    people = asked(history, spec, bundle.manifest.cutoffs, everybody)
    not_asked = everybody.num_rows - people.num_rows
    old = stale_tables(history, catalogue, when)
    if not people.num_rows:
        return ScoreList(when, bundle, (), not_asked, old)
    features = features_of(history, catalogue, people, progress)
    accounts = people[ACCOUNT_ID].to_pylist()
    rows = Rows(accounts, [when] * len(accounts), people["arr"].to_pylist())
    scores = score_rows(bundle, rows, features, catalogue, progress)
    unseen = bundle.model.encoding.unseen(features)
    return ScoreList(when, bundle, scores, not_asked, old, unseen)


def of_history(bundle: Bundle, history: History) -> tuple[HistorySpec, Catalogue]:
    """Give the label and the features of a bundle that can score this history.

    Raises
    ------
    BundleError
        As `score_history` does.
    """
    spec = bundle.manifest.label
    if isinstance(spec, ColumnLabel) or bundle.catalogue is None:
        raise BundleError(f"{bundle.folder}: trained on a flat table; it cannot score history.")
    return spec, suited(bundle, bundle.catalogue, history)


def features_of(
    history: History, catalogue: Catalogue, people: pa.Table, progress: Progress
) -> pa.Table:
    """Compute the features of accounts at cutoffs, in the order of `people`."""
    parts = [
        part.columns.append_column("_place", pa.array(part.positions))
        for part in compute(
            history,
            compile_catalogue(catalogue, history.contracts),
            people[ACCOUNT_ID].to_pylist(),
            people["cutoff"].cast(pa.int64()).to_numpy(),
            progress=lambda done, total: progress("features", done / total),
        )
    ]
    return pa.concat_tables(parts).sort_by("_place").drop_columns(["_place"])


def score_flat(bundle: Bundle, rows: pa.Table, *, progress: Progress) -> ScoreList:
    """Score the rows of a flat table.

    Parameters
    ----------
    bundle : Bundle
        Trained on such a table.
    rows : pyarrow.Table
        Every feature, and the column that names accounts if the label has one; time and ARR as
        well, where they are known. Further columns are not read.
    progress : callable
        Told what is being done and the share that is done.

    Returns
    -------
    ScoreList
        Every row, the riskiest first; empty where there is none.

    Raises
    ------
    BundleError
        If the bundle was not trained on a flat table, or a column is missing or of another kind.
    DataError
        If a row names no account, or times or ARR cannot be read.
    """
    features, asked_of = of_flat(bundle, rows)
    scores = score_rows(bundle, asked_of, features, None, progress)
    blank = [name for name in features.column_names if features[name].null_count == len(scores)]
    return ScoreList(
        None,
        bundle,
        scores,
        unseen=bundle.model.encoding.unseen(features),
        blank=tuple(blank) if scores else (),
    )


def of_flat(bundle: Bundle, rows: pa.Table) -> tuple[pa.Table, Rows]:
    """Give the features of a flat table's rows, and of whom they tell.

    Raises
    ------
    BundleError, DataError
        As `score_flat` does.
    """
    spec = bundle.manifest.label
    if not isinstance(spec, ColumnLabel):
        raise BundleError(f"{bundle.folder}: trained on history; it cannot score a flat table.")
    needed = bundle.features if spec.id is None else (spec.id, *bundle.features)
    missing = [name for name in needed if name not in rows.column_names]
    if missing:
        raise BundleError(
            f"the table lacks {len(missing)} of the {len(needed)} columns that the bundle needs: "
            f"{', '.join(map(repr, missing[:8]))}.{nearest(missing[0], rows.column_names)} "
            "Add them; null where a value is not known."
        )
    rows = flat.without_nan(rows)
    asked_of = Rows(
        _accounts(rows, spec.id),
        _times(rows, spec.time),
        _arr(rows, spec.arr),
    )
    return rows.select(list(bundle.features)), asked_of


def observed(history: History, cutoff: dt.datetime | None) -> dt.datetime:
    """Give the cutoff, or the end of observation; beyond it recent events would look absent."""
    when = history.observed_until if cutoff is None else cutoff
    if when.tzinfo is not None:
        raise DataError(
            f"cutoff {when.isoformat()} has a time zone; expected a naive time in UTC. Convert it "
            "and drop the zone."
        )
    if when > history.observed_until:
        raise DataError(
            f"cutoff {when:%Y-%m-%d %H:%M} lies after the end of observation, "
            f"{history.observed_until:%Y-%m-%d %H:%M}: recent events would look absent. "
            "Bring newer sources, or score as of an earlier time."
        )
    return when


def _accounts(rows: pa.Table, name: str | None) -> list[str]:
    if name is None:
        width = len(str(max(rows.num_rows - 1, 0)))
        return [f"row-{row:0{width}d}" for row in range(rows.num_rows)]
    accounts = _values(rows, name, pa.string())
    if nameless := accounts.count(None):
        raise DataError(
            f"column {name!r}, which names the accounts, is missing in {nameless} of "
            f"{rows.num_rows} rows. Fill it, or take those rows out."
        )
    return accounts


def _arr(rows: pa.Table, name: str | None) -> list[float | None]:
    values = _values(rows, name, pa.float64())
    if endless := sum(value is not None and math.isinf(value) for value in values):
        raise DataError(
            f"column {name!r}, which holds ARR, is infinite in {endless} of {rows.num_rows} rows. "
            "Leave it blank where it is not known."
        )
    return values


def _times(rows: pa.Table, name: str | None) -> list[dt.datetime | None]:
    if name is None or name not in rows.column_names:
        return [None] * rows.num_rows
    if pa.types.is_integer(rows[name].type):
        raise DataError(
            f"column {name!r} holds whole numbers, where the model was taught times. Write dates "
            "or timestamps such as 2024-01-31."
        )
    try:
        return list(flat.times(rows[name]).to_pylist())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"column {name!r} cannot be read as times: {error}.") from error


def _values(rows: pa.Table, name: str | None, wanted: pa.DataType) -> list[Any]:
    """Read a column that the label names; nothing where a table to score does not have it."""
    if name is None or name not in rows.column_names:
        return [None] * rows.num_rows
    try:
        return list(rows[name].cast(wanted).to_pylist())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"column {name!r} cannot be read as {wanted}: {error}.") from error


def score_rows(
    bundle: Bundle,
    of: Rows,
    features: pa.Table,
    catalogue: Catalogue | None,
    progress: Progress,
) -> tuple[Scored, ...]:
    """Score rows of features, and give the reasons; the riskiest first."""
    scored: list[Scored] = []
    telling = Telling.of(bundle.features, catalogue, bundle.families)
    for first in range(0, features.num_rows, _BLOCK):
        progress("scores", first / features.num_rows)
        block = features.slice(first, _BLOCK)
        scored += score_matrix(
            bundle, of.part(first, _BLOCK), bundle.matrix(block), block.to_pylist(), telling
        )
    return tuple(sorted(scored, key=_order))


def score_matrix(
    bundle: Bundle,
    of: Rows,
    matrix: npt.NDArray[np.float64],
    values: Sequence[Mapping[str, Value]],
    telling: Telling,
) -> list[Scored]:
    """Score rows that were encoded before, and give the reasons; in the order of the rows.

    Parameters
    ----------
    bundle : Bundle
        What scores.
    of : Rows
        Of whom they are.
    matrix : ndarray (n, n_features)
        As `Bundle.matrix` gives them.
    values : sequence of mapping of str to value
        The same as they were before, for the sentences.
    telling : Telling
        How their reasons are told.
    """
    found = bundle.model.score_matrix(matrix, contributions=True)
    pairs = zip(np.asarray(found.contributions), values, strict=True)
    return _scored(bundle, of, matrix, found, [telling.reasons(*pair) for pair in pairs])


def score_bare(
    bundle: Bundle, of: Rows, matrix: npt.NDArray[np.float64]
) -> tuple[list[Scored], npt.NDArray[np.float64]]:
    """Score rows as `score_matrix` does, and leave out the reasons.

    Returns
    -------
    scored : list of Scored
        Without reasons.
    contributions : ndarray (n, n_features)
        What they would be told from.
    """
    found = bundle.model.score_matrix(matrix, contributions=True)
    return _scored(bundle, of, matrix, found, [()] * len(matrix)), np.asarray(found.contributions)


def _scored(
    bundle: Bundle,
    of: Rows,
    matrix: npt.NDArray[np.float64],
    found: Scores,
    told: Sequence[tuple[Reason, ...]],
) -> list[Scored]:
    names = bundle.manifest.tiers.tiers(found.probability)
    survival = bundle.survival(matrix, found.probability).tolist()
    probability, log_odds, base = (
        part.tolist() for part in (found.probability, found.log_odds, found.base)
    )
    low, high = found.low.tolist(), found.high.tolist()
    level = bundle.manifest.judgement.intervals.level
    return [
        Scored(
            account_id=of.accounts[place],
            cutoff=of.cutoffs[place],
            probability=probability[place],
            tier=names[place],
            arr=of.arr[place],
            survival=tuple(survival[place]),
            log_odds=log_odds[place],
            base=base[place],
            low=low[place],
            high=high[place],
            level=level,
            thin=found.thin[place] or None,
            reasons=reasons,
        )
        for place, reasons in enumerate(told)
    ]


def _order(item: Scored) -> tuple[float, str, str]:
    when = item.cutoff.isoformat() if item.cutoff is not None else ""
    return -item.probability, item.account_id, when
