"""Judgement: how the trees' margin of an account becomes log-odds, and how sure of them to be.

::

    margin → calibrator → + segment offsets → drawn to the segment's rate if thin → log-odds
    spread of the folds, doubt of the calibrator, what history does not show → interval
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from churnml.config import FrozenModel
from churnml.training.calibrators import Curve, Doubt, calibrate
from churnml.training.encoding import Encoding
from churnml.training.intervals import Intervals
from churnml.training.segments import Segmentation, check_segments
from churnml.training.thin import Thin, learn_thin

if TYPE_CHECKING:
    from churnml.training.ensemble import Problem
    from churnml.training.recipes import CalibrationSpec

# The jackknife takes the chance in a member's own growing (bagged rows, where it stopped) for want
# of data, and multiplies it. Scores of the same accounts by models of six companies of 500 accounts
# each varied by 0.57 of what it told, measured once and at that size alone.
FAIR = 0.6

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows as judged.

    Parameters
    ----------
    log_odds, error : ndarray (n,)
        Calibrated, and their standard error for want of data.
    thin : tuple of str (n,)
        Why a row's history is too thin; empty where it is not.
    weight, offset : ndarray (n,)
        The log-odds are ``weight · (calibrated margin + segment offsets) + offset``.
    moves : mapping of position to ndarray (n,)
        Segment offsets, by the feature that they belong to; already weighted.
    """

    log_odds: Floats
    error: Floats
    thin: tuple[str, ...]
    weight: Floats
    offset: Floats
    moves: tuple[tuple[int, Floats], ...]


class Judgement(FrozenModel):
    """What follows the calibrator.

    Parameters
    ----------
    doubt : Doubt
        What is not sure of the calibrator.
    segments : tuple of Segmentation
        The check of calibration within segments, and what it corrects.
    thin : Thin or None
        What is done about thin history.
    intervals : Intervals
        How wide intervals are.
    """

    doubt: Doubt = Doubt()
    segments: tuple[Segmentation, ...] = ()
    thin: Thin | None = None
    intervals: Intervals = Intervals()

    def judge(
        self, curve: Curve, encoding: Encoding, matrix: Floats, margin: Floats, spread: Floats
    ) -> Judged:
        """Judge rows.

        Parameters
        ----------
        curve : Calibrator, BetaCurve or IsotonicCurve
            Margins to log-odds.
        encoding, matrix
            The features, and rows (n, n_features), encoded.
        margin, spread : ndarray (n,)
            What the trees say, and the standard error of it.
        """
        log_odds = curve.log_odds(margin)
        error = np.sqrt(
            (FAIR * curve.steepness(margin) * spread) ** 2 + self.doubt.variance(margin)
        )
        moves = []
        for part in self.segments:
            if part.applied:
                place = encoding.features.index(part.feature)
                moves.append((place, part.offsets(matrix[:, place])))
                log_odds = log_odds + moves[-1][1]
        weight, offset = np.ones(margin.size), np.zeros(margin.size)
        why = ("",) * margin.size
        if self.thin is not None:
            why = self.thin.why(encoding, matrix)
        if self.thin is not None and any(why):
            thin = np.array([bool(reason) for reason in why], dtype=bool)
            rate = np.array(self.thin.rates)[_segment(self.segments, encoding, matrix)]
            weight = np.where(thin, self.thin.weight, 1.0)
            offset = np.where(thin, (1.0 - weight) * rate, 0.0)
            # How far a thin account was drawn is no surer than how far it might be otherwise.
            drawn = (1.0 - weight) * (log_odds - rate)
            error = np.sqrt((weight * error) ** 2 + drawn**2)
            log_odds = weight * log_odds + offset
        shares = tuple((place, weight * move) for place, move in moves)
        return Judged(log_odds, error, why, weight, offset, shares)

    def explain(
        self, curve: Curve, margin: Floats, base: float, values: Floats, judged: Judged
    ) -> tuple[Floats, Floats]:
        """Turn shares of the margin into shares of the log-odds.

        A curve stretches the way from the base to a row's margin; each feature's share of that way
        is stretched alike, so that shares still add up exactly. For a line this is the slope.

        Parameters
        ----------
        curve : Calibrator, BetaCurve or IsotonicCurve
            As for `judge`.
        margin : ndarray (n,)
            The trees' margin.
        base : float
            The margin before anything is known.
        values : ndarray (n, n_features)
            SHAP values of the margin; with `base` they sum to it.
        judged : Judged
            Of the same rows.

        Returns
        -------
        base : ndarray (n,)
            Log-odds before anything is known; those of thin accounts are drawn to their segment's
            rate.
        shares : ndarray (n, n_features)
            With `base` they sum to the log-odds.
        """
        origin = np.full(1, base)
        way = margin - base
        near = np.abs(way) < 1e-9
        risen = curve.log_odds(margin) - curve.log_odds(origin)
        stretch = np.where(near, curve.steepness(margin), risen / np.where(near, 1.0, way))
        shares = values * (judged.weight * stretch)[:, None]
        for place, move in judged.moves:
            shares[:, place] += move
        return judged.weight * curve.log_odds(origin) + judged.offset, shares


@dataclass(frozen=True)
class Learnt:
    """A calibrator and the judgement that follows it.

    Parameters
    ----------
    curve : Calibrator, BetaCurve or IsotonicCurve
        Margins to log-odds.
    method : str
        What kind it is.
    losses : mapping of str to float
        Log loss of each kind that was tried, on folds that it was not fitted on.
    judgement : Judgement
        The rest.
    """

    curve: Curve
    method: str
    losses: dict[str, float]
    judgement: Judgement


def learn_judgement(
    problem: Problem,
    encoding: Encoding,
    held_out: Floats,
    accounts: npt.NDArray[np.object_],
    spec: CalibrationSpec,
) -> Learnt:
    """Learn all that follows the trees, on margins of members that had not seen the rows.

    Parameters
    ----------
    problem : Problem
        The rows, their labels and folds.
    encoding : Encoding
        Their features.
    held_out : ndarray (n,)
        Margins.
    accounts : ndarray of str (n,)
        Each row's account.
    spec : CalibrationSpec
        What the recipe says.

    Raises
    ------
    TrainingError
        If there is nothing to calibrate on, or a feature that is named there is none.
    """
    label, matrix = problem.label, problem.matrix
    found = calibrate(held_out, label, accounts, problem.fold, spec.method)
    log_odds = found.curve.log_odds(held_out)
    segments = check_segments(
        spec.segments, encoding, matrix, log_odds, label, accounts, problem.fold
    )
    for part in segments:
        log_odds = log_odds + part.offsets(matrix[:, encoding.features.index(part.feature)])
    place = _segment(segments, encoding, matrix)
    count = len(segments[0].segments) if segments else 1
    mean = float(label.mean())
    judgement = Judgement(
        doubt=found.doubt,
        segments=segments,
        thin=learn_thin(spec.thin, encoding, matrix, log_odds, label, place, count),
        intervals=Intervals(
            **spec.intervals.model_dump(),
            rate=float(np.log(mean / (1 - mean))),
            least=1.0 / np.unique(accounts).size,
        ),
    )
    return Learnt(found.curve, found.method, dict(found.losses), judgement)


def _segment(segments: tuple[Segmentation, ...], encoding: Encoding, matrix: Floats) -> Ints:
    """The segment of each row (n,) by the first feature that parts accounts."""
    if not segments:
        return np.zeros(matrix.shape[0], dtype=np.intp)
    first = segments[0]
    return first.of(matrix[:, encoding.features.index(first.feature)])
