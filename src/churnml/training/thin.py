"""Thin history: accounts of whom too little is known to be told apart from their segment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from pydantic import Field

from churnml.config import FrozenModel
from churnml.errors import TrainingError, nearest
from churnml.training.encoding import Encoding

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

AGE = "account_age_days"
# A segment's rate counts as so many rows of the mean rate besides its own.
PRIOR_ROWS = 200.0
# Before any thin account is seen, half of what tells it apart is believed.
BELIEVED, BELIEF = 0.5, 0.25


class ThinSpec(FrozenModel):
    """When history is too thin.

    Parameters
    ----------
    least : dict of str to float
        Numbers among the features, and what an account must have of each; missing is too little.
        By default two months of age, where the features tell it.
    known : float
        Share of the features that must not be missing.
    """

    least: dict[str, float] = Field(default_factory=lambda: {AGE: 61.0})
    known: float = Field(default=0.25, ge=0, le=1)


class Thin(FrozenModel):
    """What is done about thin history, as learnt.

    Parameters
    ----------
    least, known
        As `ThinSpec`, without features that the model does not have.
    weight : float
        How much of a thin account's own score is believed, 0 to 1; the rest is its segment's rate.
    rates : tuple of float
        Log-odds by segment: of the first feature that parts accounts, or one for all.
    rows, churned : int
        Thin rows that were held out, from which the weight was learnt.
    """

    least: dict[str, float]
    known: float
    weight: float = Field(ge=0, le=1)
    rates: tuple[float, ...] = Field(min_length=1)
    rows: int = 0
    churned: int = 0

    def why(self, encoding: Encoding, matrix: Floats) -> tuple[str, ...]:
        """Say of each row (n,) why it is thin; empty where it is not."""
        told: list[list[str]] = [[] for _ in range(matrix.shape[0])]
        for name, least in self.least.items():
            column = matrix[:, encoding.features.index(name)]
            for row in np.flatnonzero(~(column >= least)):
                had = "missing" if np.isnan(column[row]) else f"{column[row]:g}"
                told[row].append(f"{name} {had}, under {least:g}")
        share = 1.0 - np.isnan(matrix).sum(axis=1) / matrix.shape[1]
        for row in np.flatnonzero(share < self.known):
            told[row].append(f"{share[row]:.0%} of features known, under {self.known:.0%}")
        return tuple("; ".join(parts) for parts in told)


def applicable(spec: ThinSpec, encoding: Encoding) -> Mapping[str, float]:
    """Leave out the default's features where there are none; those that were named must be there.

    Raises
    ------
    TrainingError
        If a feature that was named is none, or no number.
    """
    named = "least" in spec.model_fields_set
    unknown = [name for name in spec.least if name not in encoding.features]
    if unknown and named:
        raise TrainingError(
            f"[thin] names {unknown[0]!r}, none of the features."
            f"{nearest(unknown[0], encoding.features)}"
        )
    categories = [name for name in spec.least if name in encoding.codes]
    if categories and named:
        raise TrainingError(f"[thin] names {categories[0]!r}, a category; expected a number.")
    return {
        name: least
        for name, least in spec.least.items()
        if name not in unknown and name not in categories
    }


def is_thin(spec: ThinSpec, encoding: Encoding, matrix: Floats) -> Flags:
    """Tell which rows (n,) are thin."""
    thin = (1.0 - np.isnan(matrix).mean(axis=1)) < spec.known
    for name, least in applicable(spec, encoding).items():
        thin |= ~(matrix[:, encoding.features.index(name)] >= least)
    return np.asarray(thin)


def learn_thin(
    spec: ThinSpec,
    encoding: Encoding,
    matrix: Floats,
    log_odds: Floats,
    label: Floats,
    segment: Ints,
    n_segments: int,
) -> Thin:
    """Learn what to believe of thin accounts.

    Parameters
    ----------
    spec : ThinSpec
        Which they are.
    encoding, matrix
        The features, and all rows learnt from, encoded.
    log_odds, label : ndarray (n,)
        Calibrated scores by members that had not seen the rows, and what came.
    segment : ndarray of int (n,)
        The segment of each row, from 0.
    n_segments : int
        How many there are.

    Raises
    ------
    TrainingError
        As `applicable`.
    """
    mean = label.mean()
    sizes = np.bincount(segment, minlength=n_segments)
    churned = np.bincount(segment, label, minlength=n_segments)
    shares = (churned + PRIOR_ROWS * mean) / (sizes + PRIOR_ROWS)
    rates = np.log(shares / (1 - shares))
    thin = is_thin(spec, encoding, matrix)
    weight = _weight(log_odds[thin], rates[segment[thin]], label[thin])
    return Thin(
        least=dict(applicable(spec, encoding)),
        known=spec.known,
        weight=weight,
        rates=tuple(rates.tolist()),
        rows=int(thin.sum()),
        churned=int(label[thin].sum()),
    )


def _weight(log_odds: Floats, rate: Floats, label: Floats) -> float:
    """Weigh scores against rates: the likeliest hundredth, under a normal prior."""
    candidates = np.linspace(0.0, 1.0, 101)
    lack = []
    for weight in candidates:
        drawn = rate + weight * (log_odds - rate)
        loss = float(np.sum(np.logaddexp(0, drawn) - label * drawn))
        lack.append(loss + 0.5 * ((weight - BELIEVED) / BELIEF) ** 2)
    return float(candidates[int(np.argmin(lack))])
