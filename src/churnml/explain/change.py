"""Change: why an account's score is another than it was, in parts that add up exactly.

A score is what trees say of a row, as a calibration judges it. Between two scores all three may
have become others: the row by what the account did, trees and calibration by another training. They
can be exchanged one at a time in six orders, and what each moves depends on the order. Its part is
the mean over all six: no order is preferred, the parts add up to the whole difference, and the same
two scores the other way round have the same parts with the other sign::

    part of the row            of what the exchange moves, 1/3 under the old trees and calibration,
                               1/3 under the new ones, 1/6 under each pair of an old and a new one
    part of the trees          likewise, under rows and calibrations
    part of the calibration    likewise, under rows and trees

Under given trees and calibration the row's part is a sum over features, as scores are. What moved
by a feature that only one of the models knows is the model's doing.

References
----------
Shapley (1953), A value for n-person games.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnml.errors import FeatureError
from churnml.explain.comparison import Words, compared_reasons
from churnml.explain.reasons import Reason, Value
from churnml.features.catalogue import Catalogue

Floats = npt.NDArray[np.float64]
Rows = tuple[Mapping[str, Value], Mapping[str, Value]]

_WORDS = Words(value="was", sentence="before", same="as before")

# Margins (2,) of the rows, the base margin and SHAP values (2, n_features) to base (2,) and shares
# (2, n_features) of the log-odds, which add up to them.
Calibration = Callable[[Floats, float, Floats], tuple[Floats, Floats]]


@dataclass(frozen=True, eq=False)
class Margins:
    """What one model's trees say of the earlier and the later row.

    Parameters
    ----------
    base : float
        The margin before anything is known.
    values : ndarray (2, n_features)
        SHAP values of both rows, over the features of either model; 0 where these trees know none.
    """

    base: float
    values: Floats


@dataclass(frozen=True, eq=False)
class Crossed:
    """Both rows by either model's trees through either model's calibration.

    Parameters
    ----------
    base : ndarray (trees, calibrations, rows), each 2
        Log-odds before anything is known of the account; earlier first on each axis.
    contributions : ndarray (trees, calibrations, rows, n_features)
        Shares of the log-odds; with `base` they add up to them.
    """

    base: Floats
    contributions: Floats

    @property
    def log_odds(self) -> Floats:
        """Calibrated log-odds (trees, calibrations, rows)."""
        parts = np.concatenate([self.base[..., None], self.contributions], axis=-1)
        sums = [math.fsum(row) for row in parts.reshape(-1, parts.shape[-1])]
        return np.array(sums).reshape(self.base.shape)


@dataclass(frozen=True)
class Change:
    """The difference of two scores of one account.

    Parameters
    ----------
    earlier, later : float
        Calibrated log-odds.
    behaviour : tuple of Reason
        By how much each family's values moved them, the heaviest first; sentences tell what was
        before beside what is now.
    thinness : float
        By how much they moved because the account's history is, or was, too thin to go by: the base
        of such scores is drawn to their segment's rate.
    model : float
        By how much other trees moved them.
    calibration : float
        By how much another curve, other offsets of segments or another rule for thin history did.
    """

    earlier: float
    later: float
    behaviour: tuple[Reason, ...]
    thinness: float
    model: float
    calibration: float

    @property
    def told(self) -> tuple[Reason, ...]:
        """All parts as reasons, what the account did before the others; they add up."""
        return (
            *self.behaviour,
            _besides(
                "thinness",
                "Thin history",
                self.thinness,
                "it was too thin to go by and is no more, or the other way round",
            ),
            _besides(
                "model",
                "Another model",
                self.model,
                "its trees say something else of the same values",
            ),
            _besides(
                "calibration",
                "Another calibration",
                self.calibration,
                "something else is made of what the trees say",
            ),
        )

    @property
    def difference(self) -> float:
        """What all parts add up to."""
        return self.later - self.earlier


def _besides(family: str, title: str, contribution: float, sentence: str) -> Reason:
    return Reason(family, title, contribution, "", sentence, actionable=False)


def cross(trees: tuple[Margins, Margins], calibrations: tuple[Calibration, Calibration]) -> Crossed:
    """Put either model's margins through either model's calibration.

    Parameters
    ----------
    trees : pair of Margins
        The earlier model's and the later one's; where the model is the same, the same twice.
    calibrations : pair of callable
        Theirs, as `churnml.training.judgement.Judgement.explain` turns shares of the margin into
        shares of the log-odds.

    Raises
    ------
    FeatureError
        If the trees do not tell of two rows and the same features.
    """
    shapes = [said.values.shape for said in trees]
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][0] != 2:
        raise FeatureError(
            f"SHAP values of shapes {shapes[0]} and {shapes[1]}; expected 2 rows each, over the "
            "same features. Put 0 where a model does not know one."
        )
    base = np.empty((2, 2, 2))
    contributions = np.empty((2, 2, *shapes[0]))
    for tree, said in enumerate(trees):
        margin = said.base + said.values.sum(axis=1)
        for curve, calibration in enumerate(calibrations):
            base[tree, curve], contributions[tree, curve] = calibration(
                margin, said.base, said.values
            )
    return Crossed(base, contributions)


def change(
    crossed: Crossed,
    features: tuple[str, ...],
    shared: Sequence[bool],
    rows: Rows,
    catalogue: Catalogue | None,
    *,
    families: Mapping[str, str] | None = None,
) -> Change:
    """Tell why the later score of an account is another than the earlier one.

    Parameters
    ----------
    crossed : Crossed
        Both rows by both models.
    features : tuple of str
        The features of either model, as `crossed` has them.
    shared : sequence of bool (n_features,)
        Whether both models know a feature, and mean the same by it.
    rows : pair of mappings of str to value
        The account's values, earlier and later; a row has at least the features that are shared.
    catalogue : Catalogue, optional
        The later model's families and sentences; without one, each column stands for itself.
    families : mapping of str to str, optional
        As for `churnml.explain.reasons.reasons`.

    Raises
    ------
    FeatureError
        If features, marks and contributions differ in number, or a row lacks a shared feature.
    """
    if not len(features) == len(shared) == crossed.contributions.shape[-1]:
        raise FeatureError(
            f"{crossed.contributions.shape[-1]} contributions and {len(shared)} marks for "
            f"{len(features)} features; expected one of both each."
        )
    common = np.array(shared, dtype=bool)
    named = tuple(itertools.compress(features, shared))
    lost = [name for name in named if any(name not in row for row in rows)]
    if lost:
        raise FeatureError(
            f"{len(lost)} of the {len(named)} shared features are not in both rows, {lost[0]!r} "
            "first; expected a value, or None where it is not known."
        )
    log_odds = crossed.log_odds
    moved = _part(crossed.contributions, 2)
    return Change(
        earlier=float(log_odds[0, 0, 0]),
        later=float(log_odds[1, 1, 1]),
        behaviour=compared_reasons(
            moved[common], named, *rows, catalogue, _WORDS, families=families
        ),
        thinness=float(_part(crossed.base, 2)),
        model=math.fsum([float(_part(log_odds, 0)), *moved[~common]]),
        calibration=float(_part(log_odds, 1)),
    )


def _part(values: Floats, axis: int) -> Floats:
    """Average over all orders what exchanging one of the first three axes moved."""
    moved = np.diff(values, axis=axis).squeeze(axis)
    return np.asarray((moved[0, 0] + moved[1, 1]) / 3 + (moved[0, 1] + moved[1, 0]) / 6)
