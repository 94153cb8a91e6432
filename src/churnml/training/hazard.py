"""The hazard of the periods after the label's own: which accounts leave later, and when.

The discrete-time hazard of period ``k`` is the probability of churn in it, given none before. That
of the first period is the model's own calibrated probability, so that there is one truth; those of
the later ones come from trees that see the same features and the period, and are calibrated period
by period. Survival is the product of what is left: ``S(k) = Π (1 − h(j)), j ≤ k``.

References
----------
Singer and Willett (1993), It's about time: using discrete-time survival analysis to study duration
and the timing of events. Journal of Educational Statistics 18, 155-195.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnml.errors import ChurnMLError, TrainingError
from churnml.history.tables import ACCOUNT_ID
from churnml.labels.calendar import to_micros
from churnml.labels.pairs import DAY
from churnml.training.calibration import Calibrator, probability
from churnml.training.encoding import Encoding
from churnml.training.pooling import fit_pooled
from churnml.training.shapes import SHAPES

if TYPE_CHECKING:
    from churnml.features.table import TrainingTable
    from churnml.labels import LabelSpec
    from churnml.training.recipes import ModelSpec

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Number = TypeVar("Number", np.float32, np.float64)

_BLOCK = 4096  # rows asked of at once
_FEW = 128
_JUDGING = 0.25  # share of accounts that stop and calibrate
LEAST = 20  # churners of a period, without which nothing is said of it


@dataclass(frozen=True, eq=False)
class Hazard:
    """What tells of the periods after the first.

    Parameters
    ----------
    encoding : Encoding
        How features become numbers; the model's own.
    calibrators : tuple of Calibrator
        How margins become log-odds, from the second period on.
    text : str
        The trees, as LightGBM writes them; their columns are the features, the period from 1,
        and `ahead`.
    ahead : tuple of str
        Features that tell how many days ahead something lies; the trees see them a second time,
        counted from the beginning of the period. A renewal in 100 days is one in 10 for the second
        period of 90, and what is known of renewals in 10 days holds for it.
    horizon_days : int
        How long a period is.
    """

    encoding: Encoding
    calibrators: tuple[Calibrator, ...]
    text: str
    ahead: tuple[str, ...]
    horizon_days: int

    @property
    def periods(self) -> int:
        """How many periods it tells of, the first included."""
        return len(self.calibrators) + 1

    @cached_property
    def booster(self) -> lgb.Booster:
        """The trees, read from `text`."""
        return lgb.Booster(model_str=self.text)

    def survival(
        self,
        frame: pa.Table,
        first: Floats,
        *,
        beside: Collection[str] | None = None,
        error: type[ChurnMLError] = TrainingError,
    ) -> Floats:
        """Tell how likely accounts are still there at the end of every period.

        Parameters
        ----------
        frame : pyarrow.Table
            Has every feature, by name.
        first : ndarray (n,)
            The model's calibrated probabilities of churn in the first period.
        beside, error
            As for `Encoding.matrix`.

        Returns
        -------
        ndarray (n, n_periods)
            Never rising along a row.

        Raises
        ------
        ChurnMLError
            Of type `error`, if the rows do not fit.
        """
        return self.survival_of(self.encoding.matrix(frame, beside=beside, error=error), first)

    def survival_of(self, matrix: Floats, first: Floats) -> Floats:
        """Do the same for rows (n, n_features) that were encoded before."""
        stays = [1.0 - first, *(1.0 - self._later(matrix))]
        return np.asarray(np.cumprod(np.column_stack(stays), axis=1), dtype=np.float64)

    def _later(self, matrix: Floats) -> Floats:
        """Tell how likely churn is within each period from the second on (n_periods − 1, n)."""
        places = _places(self.encoding, self.ahead)
        found = np.empty((len(self.calibrators), matrix.shape[0]))
        for begin in range(0, matrix.shape[0], _BLOCK):
            rows = matrix[begin : begin + _BLOCK]
            periods = np.arange(2.0, self.periods + 1)
            asked = [
                _columns(rows, np.full(len(rows), period), places, self.horizon_days)
                for period in periods
            ]
            # Threads take longer to begin than so few rows take.
            threads: dict[str, Any] = {"num_threads": 1} if len(rows) < _FEW else {}
            margins = self.booster.predict(np.concatenate(asked), raw_score=True, **threads)
            for place, margin in enumerate(np.split(np.asarray(margins), periods.size)):
                log_odds = self.calibrators[place].log_odds(margin)
                found[place, begin : begin + _BLOCK] = probability(log_odds)
        return found


@dataclass(frozen=True)
class FittedHazard:
    """A hazard and how it came about.

    Parameters
    ----------
    hazard : Hazard
        What tells.
    rounds : int
        Trees kept by early stopping.
    at_risk, churned : tuple of int
        Rows and churners that it learnt from, period by period from the second on.
    """

    hazard: Hazard
    rounds: int
    at_risk: tuple[int, ...]
    churned: tuple[int, ...]


@dataclass(frozen=True)
class _Risks:
    """Rows at risk, one for each row of a table and period; `period` counts from 1."""

    row: Ints
    period: Ints
    label: Floats

    def where(self, keep: npt.NDArray[np.bool_]) -> _Risks:
        return _Risks(self.row[keep], self.period[keep], self.label[keep])


def fit_hazard(
    table: TrainingTable,
    encoding: Encoding,
    label: LabelSpec,
    spec: ModelSpec,
    periods: int,
    *,
    ahead: Collection[str],
    known_at: dt.datetime | None,
) -> FittedHazard | None:
    """Learn the hazard of the later periods.

    Of every row the trees see each period in which the account was still there and of which it was
    known at `known_at` how it ended; the first period is among them, since what makes accounts
    leave soon is much of what makes them leave later. Period by period the oldest rows tell
    farthest: a validation later in time would leave nothing to fit the last periods on. So a
    quarter of the accounts, by a hash of their id, stops the boosting and calibrates instead.

    Parameters
    ----------
    table : TrainingTable
        Rows with ``periods_told`` and ``churned_period``.
    encoding : Encoding
        The model's own.
    label : LabelSpec
        How long a period is, and when it is known.
    spec : ModelSpec
        Parameters of the trees.
    periods : int
        How many periods to tell of, the first included.
    ahead : collection of str
        Features that tell how many days ahead something lies; see `Hazard`.
    known_at : datetime or None
        Nothing that was known only later teaches, UTC; None for all that the table tells.

    Returns
    -------
    FittedHazard or None
        Of as many periods as have churners enough; None where the second has not, or the table
        tells of one period only, as a flat one does.
    """
    risks = _known(table.frame, label, periods, known_at)
    periods = _supported(risks, periods)
    if periods < 2:
        return None
    risks = risks.where(risks.period <= periods)
    judging = _judging(table.frame)[risks.row]
    learnt, judged = risks.where(~judging), risks.where(judging)
    if not (learnt.label.any() and judged.label.any()):
        return None
    horizon = label.horizon_days or 0
    shifted = tuple(
        name for name in encoding.features if name in ahead and name not in encoding.codes
    )
    matrix, places = encoding.matrix(table.frame), _places(encoding, shifted)

    def expanded(of: _Risks) -> npt.NDArray[np.float32]:
        # Single precision halves what a large table takes.
        return _columns(matrix[of.row].astype(np.float32), of.period, places, horizon)

    parameters = _parameters(spec)
    data = lgb.Dataset(
        expanded(learnt),
        label=learnt.label,
        categorical_feature=list(encoding.categorical),
        params=parameters,
    )
    asked = expanded(judged)
    booster = lgb.train(
        parameters,
        data,
        num_boost_round=spec.max_rounds,
        valid_sets=[data.create_valid(asked, label=judged.label)],
        callbacks=[lgb.early_stopping(spec.early_stopping_rounds, verbose=False)],
    )
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    margin = np.asarray(lgb.Booster(model_str=text).predict(asked, raw_score=True))
    lines = fit_pooled(margin, judged.label, judged.period - 1, periods)
    later = range(2, periods + 1)
    return FittedHazard(
        hazard=Hazard(encoding, lines[1:], text, shifted, horizon),
        rounds=booster.best_iteration,
        at_risk=tuple(int((risks.period == k).sum()) for k in later),
        churned=tuple(int(risks.label[risks.period == k].sum()) for k in later),
    )


def _known(frame: pa.Table, label: LabelSpec, periods: int, known_at: dt.datetime | None) -> _Risks:
    """Expand rows into the periods at whose beginning the account was still there."""
    nothing = np.empty(0, dtype=np.int64)
    if "periods_told" not in frame.column_names or not label.horizon_days:
        return _Risks(nothing, nothing, np.empty(0))
    told = np.asarray(frame["periods_told"], dtype=np.int64)
    churned = np.asarray(pc.fill_null(frame["churned_period"], 0), dtype=np.int64)
    if known_at is not None:
        cutoff = frame["cutoff"].cast(pa.int64()).to_numpy()
        beyond = to_micros(known_at) - cutoff - label.reach_days * DAY
        told = np.minimum(told, 1 + beyond // (label.horizon_days * DAY))
    last = np.where((churned > 0) & (churned <= told), churned, told)
    last = np.clip(last, 0, periods)
    row = np.repeat(np.arange(last.size), last)
    period = np.arange(row.size) - np.repeat(np.cumsum(last) - last, last) + 1
    return _Risks(row, period, (churned[row] == period).astype(np.float64))


def _supported(risks: _Risks, periods: int) -> int:
    """Count the periods, from the first, of which every one has churners enough."""
    churned = np.bincount(risks.period, weights=risks.label, minlength=periods + 1)[1:]
    poor = np.flatnonzero(churned < LEAST)
    return int(poor[0]) if poor.size else periods


def _judging(frame: pa.Table) -> npt.NDArray[np.bool_]:
    """Choose the accounts that judge, the same ones whatever else is in the table."""

    def judges(account: str) -> bool:
        digest = hashlib.sha256(b"hazard:" + account.encode("utf-8")).digest()
        return int.from_bytes(digest[:8], "big") / 2**64 < _JUDGING

    encoded = frame[ACCOUNT_ID].combine_chunks().dictionary_encode()
    chosen = np.array([judges(name) for name in encoded.dictionary.to_pylist()], dtype=bool)
    return np.asarray(chosen[np.asarray(encoded.indices)], dtype=bool)


def _places(encoding: Encoding, names: Collection[str]) -> list[int]:
    return [place for place, name in enumerate(encoding.features) if name in names]


def _columns(
    matrix: npt.NDArray[Number], period: npt.NDArray[Any], places: list[int], horizon_days: int
) -> npt.NDArray[Number]:
    """Put the period beside the features, and what lies ahead as it lies at its beginning."""
    n_features = matrix.shape[1]
    out = np.empty((len(matrix), n_features + 1 + len(places)), dtype=matrix.dtype)
    out[:, :n_features] = matrix
    out[:, n_features] = period
    passed = (period - 1) * horizon_days
    out[:, n_features + 1 :] = matrix[:, places] - passed[:, None]
    return out


def _parameters(spec: ModelSpec) -> dict[str, Any]:
    # Directions do not bind: what raises the risk of leaving soon may lower that of leaving later.
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        **SHAPES["small"].model_dump(exclude={"name"}),
        "bagging_freq": 1,
        "max_bin": spec.max_bin,
        "seed": spec.seed,
        "num_threads": spec.num_threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
