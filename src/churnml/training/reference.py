"""The reference: how scores and features were distributed in training, in a few bins each.

What is scored later is held against it, so that a drift shows before outcomes can tell of it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from churnml.config import FrozenModel
from churnml.training.calibration import probability
from churnml.training.encoding import FeatureKind

if TYPE_CHECKING:
    import pyarrow as pa

    from churnml.training.encoding import Encoding
    from churnml.training.estimator import FittedModel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_BINS = 10
_MOST_ROWS = 50_000
_Count = Annotated[int, Field(ge=0)]


class Bins(FrozenModel):
    """The bins of a number, and how many rows of training were in each.

    Parameters
    ----------
    edges : tuple of float
        Ascending. The first bin goes up to and with the first edge, the last lies above all.
    counts : tuple of int
        One more than edges, and one for rows in which it was missing.
    """

    edges: tuple[float, ...]
    counts: tuple[_Count, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if any(b <= a for a, b in pairwise(self.edges)):
            raise ValueError("edges must ascend")
        if len(self.counts) != len(self.edges) + 2:
            raise ValueError("as many counts as edges and two more were expected")
        return self

    @classmethod
    def of(cls, values: Floats) -> Bins:
        """Cut values into tenths; into one bin a value where there are no more than bins."""
        known = np.sort(values[~np.isnan(values)])
        ends = np.unique(known)
        if ends.size > _BINS:
            # The nearest rank, so that they are values; the greatest always has a bin above others.
            ranks = -(-known.size * np.arange(1, _BINS) // _BINS) - 1
            ends = np.append(np.unique(np.minimum(known[ranks], ends[-2])), ends[-1])
        edges = tuple(ends[:-1].tolist())
        empty = cls(edges=edges, counts=(0,) * (len(edges) + 2))
        return empty.model_copy(update={"counts": tuple(empty.count(values).tolist())})

    def place(self, values: Floats) -> Ints:
        """Tell which bin each value falls into."""
        found = np.searchsorted(np.asarray(self.edges), values, side="left")
        return np.where(np.isnan(values), len(self.edges) + 1, found)

    def count(self, values: Floats) -> Ints:
        """Count values by bin."""
        return np.bincount(self.place(values), minlength=len(self.counts))


class Reference(FrozenModel):
    """How scores and features were distributed in training.

    Parameters
    ----------
    score : Bins
        Of the probabilities that members gave which had not seen the row's account. Those of thin
        history are not yet drawn to their segment.
    features : dict of str to Bins
        Of each feature's encoded values. The codes of a category are ranked by how many rows they
        have, so that the last bin holds all rare ones.
    ranks : dict of str to tuple of int
        For each category its codes' ranks.
    """

    score: Bins
    features: dict[str, Bins]
    ranks: dict[str, tuple[int, ...]]

    def ranked(self, name: str, column: Floats) -> Floats:
        """Put the ranks of a category's codes in their place; other features stay as they are."""
        return _ranked(column, self.ranks.get(name))


def refer(fitted: FittedModel, frame: pa.Table) -> dict[str, Any]:
    """Make the reference of a model, in values that JSON knows.

    Parameters
    ----------
    fitted : FittedModel
        What was fitted.
    frame : pyarrow.Table
        The table of training. Of a long one, rows at even distances are looked at.
    """
    model = fitted.model
    if frame.num_rows > _MOST_ROWS:
        frame = frame.take(np.linspace(0, frame.num_rows - 1, _MOST_ROWS).astype(np.int64))
    matrix = model.encoding.matrix(frame)
    ranks = _ranks(model.encoding, matrix)
    features = {
        name: Bins.of(_ranked(matrix[:, place], ranks.get(name)))
        for place, name in enumerate(model.encoding.features)
    }
    held_out = probability(model.calibrator.log_odds(fitted.ensemble.held_out))
    return Reference(score=Bins.of(held_out), features=features, ranks=ranks).model_dump(
        mode="json"
    )


def _ranks(encoding: Encoding, matrix: Floats) -> dict[str, tuple[int, ...]]:
    found = {}
    for place, (name, kind) in enumerate(encoding.kinds.items()):
        if kind is FeatureKind.CATEGORY:
            column = matrix[:, place]
            codes = column[~np.isnan(column)].astype(np.int64)
            counts = np.bincount(codes, minlength=len(encoding.codes[name]))
            order = np.argsort(-counts, kind="stable")
            ranks = np.empty(order.size, np.int64)
            ranks[order] = np.minimum(np.arange(order.size), _BINS - 1)
            found[name] = tuple(ranks.tolist())
    return found


def _ranked(column: Floats, ranks: tuple[int, ...] | None) -> Floats:
    if not ranks:
        return column
    known = ~np.isnan(column)
    found = np.full(column.size, np.nan)
    found[known] = np.asarray(ranks, np.float64)[column[known].astype(np.int64)]
    return found
