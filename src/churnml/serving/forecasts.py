"""The forecast of the coming quarter: how many accounts of today will leave, and what they pay."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from churnml.actions.account_tiers import AccountTier, AccountTiers
from churnml.backtest.forecast import Forecast, forecast
from churnml.errors import ConfigError
from churnml.history.asof import History
from churnml.labels import ColumnLabel, under_notice
from churnml.project import Project
from churnml.serving.scorer import score_history
from churnml.serving.scores import ScoreList
from churnml.training.bundle import Bundle
from churnml.training.hindcasts import Held, held, hindcasts, learn, numbers
from churnml.training.recipes import Recipe
from churnml.training.tables import Progress, prepare

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Period:
    """What is expected to leave in one period, by the scores.

    Parameters
    ----------
    number : int
        Of the period, from 1: the label's window.
    opens, closes : datetime
        The window ``[opens, closes)``, UTC.
    churned : float
        Accounts expected to leave in it.
    lost : float or None
        Their revenue, as far as known.
    """

    number: int
    opens: dt.datetime
    closes: dt.datetime
    churned: float
    lost: float | None


@dataclass(frozen=True)
class Noticed:
    """Accounts that are already known to be leaving, and in no forecast.

    Parameters
    ----------
    accounts : int
        How many.
    arr : float
        Their revenue, as far as known.
    """

    accounts: int
    arr: float


@dataclass(frozen=True, eq=False)
class Outlook:
    """The forecast of a quarter, and how such forecasts held.

    Parameters
    ----------
    scored : ScoreList
        The accounts of today and their scores, on which it rests.
    groups : mapping of str to Forecast
        First of all accounts, then of each account tier that has some.
    periods : tuple of Period
        The quarter and those after it, as many as the bundle tells of; without intervals.
    noticed : Noticed
        Who is not in it.
    shift : float
        Log-odds by which past quarters speak for correcting the scores.
    past : tuple of Held
        Past forecasts beside what came, the earliest first.
    other_data : bool
        Whether the bundle was trained on other data, features or labels than the past forecasts,
        so that these say less of it.
    """

    scored: ScoreList
    groups: Mapping[str, Forecast]
    periods: tuple[Period, ...]
    noticed: Noticed
    shift: float
    past: tuple[Held, ...]
    other_data: bool


def require_history(recipe: Recipe) -> None:
    """Refuse a recipe of a flat table.

    Raises
    ------
    ConfigError
        Saying what to do instead.
    """
    if isinstance(recipe.label, ColumnLabel):
        raise ConfigError(
            f"recipe {recipe.name!r} learns from a flat table, which does not say who the accounts "
            "of today are: a forecast needs history. Add up the probabilities of "
            "`churnml score --table` instead."
        )


def outlook(
    project: Project, recipe: Recipe, bundle: Bundle, history: History, progress: Progress
) -> Outlook:
    """Forecast the quarter that begins where observation ends.

    Parameters
    ----------
    project : Project
        The project.
    recipe : Recipe
        How past forecasts are made.
    bundle : Bundle
        What scores.
    history : History
        Clean history.
    progress : callable
        Told what is being done and the share that is done.

    Raises
    ------
    ConfigError
        If the recipe is of a flat table, which does not say who the accounts of today are.
    ChurnMLError
        If the bundle does not fit the history, or the past cannot be learned from.
    """
    require_history(recipe)
    prepared = prepare(project, recipe, progress)
    past = hindcasts(prepared.table, recipe, progress)
    scored = score_history(history, bundle, progress=progress)
    when = history.observed_until
    progress("forecast", 0.0)
    shift = learn(past, when)
    log_odds = np.array([item.log_odds for item in scored.scores])
    arr = np.array([np.nan if x.arr is None else x.arr for x in scored.scores])
    leaving = _leaving(history, scored.bundle, when)
    return Outlook(
        scored=scored,
        groups=forecast(log_odds, arr, shift, _tiers(arr)),
        periods=_periods(scored, arr, when),
        noticed=leaving,
        shift=shift.mean,
        past=held(past),
        other_data=bundle.manifest.training.fingerprints != asdict(prepared.table.fingerprints),
    )


def _leaving(history: History, bundle: Bundle, when: dt.datetime) -> Noticed:
    spec = bundle.manifest.label
    if isinstance(spec, ColumnLabel):
        return Noticed(0, 0.0)
    arr = numbers(under_notice(history, spec, when)["arr"])
    return Noticed(arr.size, float(np.nansum(arr)))


def _tiers(arr: Floats) -> dict[str, npt.NDArray[np.bool_]]:
    """Part accounts by what they pay, the largest first."""
    tiers = AccountTiers().tiers(arr)
    parts = {
        tier.value: np.array([found is tier for found in tiers], dtype=bool)
        for tier in reversed(AccountTier)
    }
    return {name: mask for name, mask in parts.items() if mask.any()}


def _periods(scored: ScoreList, arr: Floats, when: dt.datetime) -> tuple[Period, ...]:
    """Add up who leaves when: of every account the fall of its survival over each period."""
    spec = scored.bundle.manifest.label
    if isinstance(spec, ColumnLabel) or not scored.scores:
        return ()
    survival = np.array([item.survival for item in scored.scores])
    leaves = -np.diff(survival, axis=1, prepend=1.0)
    lost = np.nan_to_num(arr) @ leaves
    opens = when + dt.timedelta(days=spec.lead_days)
    step = dt.timedelta(days=spec.horizon_days)
    return tuple(
        Period(
            number=place + 1,
            opens=opens + place * step,
            closes=opens + (place + 1) * step,
            churned=float(leaves[:, place].sum()),
            lost=float(lost[place]) if np.isfinite(arr).any() else None,
        )
        for place in range(leaves.shape[1])
    )
