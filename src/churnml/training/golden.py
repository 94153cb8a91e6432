"""Golden rows: rows with the answers they must get, replayed whenever a bundle is loaded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from churnml.config import FrozenModel
from churnml.errors import BundleError
from churnml.training.encoding import Encoding, FeatureKind

if TYPE_CHECKING:
    from churnml.training.estimator import Model
    from churnml.training.hazard import Hazard

TOLERANCE = 1e-12
UNSEEN = "(a value never seen in training)"
_ROWS = 24
_TYPES = {
    FeatureKind.NUMBER: pa.float64(),
    FeatureKind.BOOLEAN: pa.bool_(),
    FeatureKind.CATEGORY: pa.string(),
    FeatureKind.DATE: pa.timestamp("us"),
}


class Golden(FrozenModel):
    """Rows and their answers.

    Parameters
    ----------
    columns : tuple of str
        The features.
    rows : tuple of tuple
        Raw values, as they stand before encoding.
    margin, spread, probability, low, high : tuple of float
        What the model said when it was written.
    survival : tuple of tuple of float or None
        What it said of every period; none where it tells of the first alone.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[float | bool | str | None, ...], ...] = Field(min_length=20)
    margin: tuple[float, ...]
    spread: tuple[float, ...]
    probability: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    survival: tuple[tuple[float, ...], ...] | None = None


def make(model: Model, frame: pa.Table, hazard: Hazard | None = None) -> dict[str, Any]:
    """Make golden rows for a model.

    Each column holds values that occur, from the least to the greatest, and some missing; columns
    are shuffled apart, so that no row is an account's and the file gives nobody away. The last two
    rows know nothing, and nothing but categories that were never seen.

    Parameters
    ----------
    model : Model
        What answers.
    frame : pyarrow.Table
        Rows that show which values occur.
    hazard : Hazard, optional
        What answers for later periods.

    Returns
    -------
    dict
        The content of `Golden`, in values that JSON knows.
    """
    generator = np.random.default_rng(0)
    columns = []
    for name, kind in model.encoding.kinds.items():
        values = [*_spread(_typed(model.encoding, frame, name)), None, None]
        shuffled = generator.permutation(np.array(values, dtype=object)).tolist()
        columns.append([*shuffled, None, UNSEEN if kind is FeatureKind.CATEGORY else None])
    rows = [list(row) for row in zip(*columns, strict=True)]
    asked = _frame(model.encoding.features, rows, model.encoding)
    scores = model.score(asked)
    later = None if hazard is None else hazard.survival(asked, scores.probability).tolist()
    return {
        "columns": list(model.encoding.features),
        "rows": rows,
        "margin": scores.margin.tolist(),
        "spread": scores.spread.tolist(),
        "probability": scores.probability.tolist(),
        "low": scores.low.tolist(),
        "high": scores.high.tolist(),
        "survival": later,
    }


def replay(model: Model, golden: Golden, hazard: Hazard | None = None) -> None:
    """Ask a model again and compare.

    Raises
    ------
    BundleError
        If the rows do not fit the model, or an answer differs by more than `TOLERANCE`.
    """
    strange = [name for name in golden.columns if name not in model.encoding.kinds]
    if strange or any(len(row) != len(golden.columns) for row in golden.rows):
        raise BundleError("the golden rows do not have the columns of the model.")
    try:
        frame = _frame(golden.columns, golden.rows, model.encoding)
    except pa.ArrowException as error:
        raise BundleError(f"the golden rows do not fit the model: {error}.") from error
    found = model.score(frame, beside=(), error=BundleError)
    answers: list[tuple[str, Sequence[Any], npt.NDArray[np.float64]]] = [
        ("margin", golden.margin, found.margin),
        ("probability", golden.probability, found.probability),
        ("spread", golden.spread, found.spread),
        ("low", golden.low, found.low),
        ("high", golden.high, found.high),
    ]
    periods = hazard.periods if hazard is not None else 0
    later = golden.survival or ()
    if any(len(row) != periods for row in later):
        raise BundleError(f"the golden rows tell of other periods than the model's {periods}.")
    if hazard is not None:
        answers.append(("survival", later, hazard.survival(frame, found.probability)))
    for name, wanted, got in answers:
        if len(wanted) != len(got):
            raise BundleError(f"{len(got)} golden rows have {len(wanted)} answers ({name}).")
        gap = float(np.max(np.abs(np.array(wanted) - got)))
        if not gap <= TOLERANCE:
            raise BundleError(
                f"the model answers otherwise than when it was written: {name} differs by up to "
                f"{gap:g}, allowed {TOLERANCE:g}. Compare the versions of LightGBM."
            )


def _typed(encoding: Encoding, frame: pa.Table, name: str) -> pa.ChunkedArray:
    """Give a column the plain type of its kind; numbers may stand in text."""
    kind = encoding.kinds[name]
    if kind is FeatureKind.NUMBER:
        return pa.chunked_array([pa.array(encoding.column(frame[name], name), from_pandas=True)])
    return frame[name].cast(_TYPES[kind], safe=False)


def _spread(column: pa.ChunkedArray) -> list[Any]:
    """Take values evenly from the least to the greatest."""
    values = column.drop_null().combine_chunks()
    if len(values) == 0:
        return [None] * _ROWS
    ordered = values.take(pc.array_sort_indices(values))
    at = np.linspace(0, len(ordered) - 1, _ROWS).round().astype(np.int64)
    taken = ordered.take(pa.array(at)).to_pylist()
    return [value.isoformat() if isinstance(value, dt.datetime) else value for value in taken]


def _frame(columns: Any, rows: Any, encoding: Encoding) -> pa.Table:
    return pa.table(
        {
            name: _column([row[position] for row in rows], encoding.kinds[name])
            for position, name in enumerate(columns)
        }
    )


def _column(values: list[Any], kind: FeatureKind) -> pa.Array:
    if kind is FeatureKind.DATE:
        return pa.array(values, pa.string()).cast(_TYPES[kind])
    return pa.array(values, _TYPES[kind])
