"""Forecasts of past quarters, each made with what was known then, and how they held."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnml.backtest.forecast import ALL, Forecast, forecast
from churnml.backtest.shift import Matured, Shift
from churnml.history.tables import ACCOUNT_ID
from churnml.splits import Rows, apart
from churnml.training.estimator import LEAST_ACCOUNTS, fit

if TYPE_CHECKING:
    from churnml.features.table import TrainingTable
    from churnml.training.recipes import Recipe
    from churnml.training.tables import Progress

Floats = npt.NDArray[np.float64]
MOST = 12  # quarters; older ones say little of today's model


@dataclass(frozen=True, eq=False)
class Hindcast:
    """What a model of the time said of a past cutoff, and what followed.

    Parameters
    ----------
    cutoff : datetime
        When it would have been made, UTC: the first cutoff of its rows.
    known_at : datetime
        When it was known what followed, UTC.
    log_odds, label, arr : ndarray (n,)
        Of each account: what was said, whether it left, and its revenue then (nan if not known).
    """

    cutoff: dt.datetime
    known_at: dt.datetime
    log_odds: Floats
    label: Floats
    arr: Floats


@dataclass(frozen=True)
class Held:
    """A past forecast beside what came.

    Parameters
    ----------
    cutoff : datetime
        When it would have been made, UTC.
    quarters : int
        Past forecasts whose outcome was known then: what its interval was learnt from.
    forecast : Forecast
        What it would have said.
    churned : int
        Accounts that left.
    lost : float or None
        Their revenue, as far as known; None where nothing is known of anybody's.
    """

    cutoff: dt.datetime
    quarters: int
    forecast: Forecast
    churned: int
    lost: float | None


def hindcasts(table: TrainingTable, recipe: Recipe, progress: Progress) -> tuple[Hindcast, ...]:
    """Forecast past quarters that do not overlap, each by a model that saw nothing later.

    Parameters
    ----------
    table : TrainingTable
        Rows with labels and times.
    recipe : Recipe
        How to fit and calibrate.
    progress : callable
        Told what is being done and the share that is done.

    Returns
    -------
    tuple of Hindcast
        The earliest first. A time at which no model could be fitted, for want of churners, is
        left out: nobody could have forecast then.

    Raises
    ------
    TrainingError
        If a model cannot be fitted for another reason, such as a feature that is not there.
    """
    parted = apart(table.frame, recipe.label, recipe.cutoffs, MOST)
    found, spec = [], recipe.model
    for number, part in enumerate(parted):
        progress("past forecasts", number / len(parted))
        if not _teaches(table, part.learn):
            continue
        fitted = fit(table, part.learn, spec, recipe.calibration)
        # What the earliest rows chose, none of the later ones need try again.
        spec, model = spec.only(fitted.ensemble.weights), fitted.model
        rows = table.frame.take(pa.array(part.test))
        last = cast(dt.datetime, pc.max(rows["cutoff"]).as_py())
        found.append(
            Hindcast(
                cutoff=cast(dt.datetime, pc.min(rows["cutoff"]).as_py()),
                known_at=last + dt.timedelta(days=recipe.label.reach_days),
                log_odds=model.score(rows).log_odds,
                label=np.asarray(rows["label"], dtype=np.float64),
                arr=numbers(rows["arr"]),
            )
        )
    return tuple(found)


def _teaches(table: TrainingTable, rows: Rows) -> bool:
    """Whether two accounts left and two did not, which is what a model takes at least."""
    frame = table.frame.take(pa.array(rows))
    accounts = np.asarray(frame[ACCOUNT_ID].to_pylist(), dtype=object)
    left = np.asarray(frame["label"]) == 1
    return min(np.unique(accounts[left]).size, np.unique(accounts[~left]).size) >= LEAST_ACCOUNTS


def learn(past: Sequence[Hindcast], at: dt.datetime) -> Shift:
    """Learn the shift to expect from the forecasts whose outcome was known at a time."""
    return Shift.learn([Matured(x.log_odds, x.label) for x in past if x.known_at <= at])


def held(past: Sequence[Hindcast]) -> tuple[Held, ...]:
    """Set past forecasts, with the intervals they would have had then, beside what came.

    Parameters
    ----------
    past : sequence of Hindcast
        The earliest first.
    """
    return tuple(_held(item, learn(past, item.cutoff)) for item in past)


def _held(item: Hindcast, shift: Shift) -> Held:
    found: Mapping[str, Forecast] = forecast(item.log_odds, item.arr, shift)
    left = item.label == 1
    return Held(
        cutoff=item.cutoff,
        quarters=shift.quarters,
        forecast=found[ALL],
        churned=int(left.sum()),
        lost=float(np.nansum(item.arr[left])) if found[ALL].lost is not None else None,
    )


def numbers(column: pa.ChunkedArray) -> Floats:
    """Read numbers, nan where they are null."""
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")), dtype=np.float64)
