"""The accounts that a model learnt from, as the measure of what is usual and what is possible."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnml.errors import DataError, nearest
from churnml.explain.levers import Levers, find_levers

if TYPE_CHECKING:
    from churnml.features.catalogue import Catalogue

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

_DIRECTION = {"low": 1, "high": -1, "either": 0}
_BLOCK = 128  # rows; the first few leave little of all pairs


@dataclass(frozen=True, eq=False)
class Reference:
    """Rows of accounts as they truly were.

    Parameters
    ----------
    catalogue : Catalogue
        What the features are.
    features : tuple of str
        The model's, in the order of the matrix.
    levers : Levers
        What can be moved.
    codes : mapping of str to tuple of str
        The values of each feature that holds text; a value's code is its position.
    matrix : ndarray (n_rows, n_features)
        The rows; nan where there is no value.
    low, high : ndarray (n_features,)
        Range of each feature: as declared, and as seen here.
    direction : ndarray (n_features,)
        +1 where a higher value is the safe one, −1 where a lower one is, 0 where either may be.
    whole : ndarray of bool (n_features,)
        Whether only whole numbers were seen.
    orders : ndarray of int (n_orders, 2)
        Pairs of features of which the first was never above the second, one of them movable.
    """

    catalogue: Catalogue
    features: tuple[str, ...]
    levers: Levers
    codes: Mapping[str, tuple[str, ...]]
    matrix: Floats
    low: Floats
    high: Floats
    direction: Floats
    whole: Flags
    orders: Ints

    @classmethod
    def of(cls, frame: pa.Table, features: Sequence[str], catalogue: Catalogue) -> Reference:
        """Look at the rows that a model learnt from; takes seconds for tens of thousands.

        Parameters
        ----------
        frame : pyarrow.Table
            Has every feature.
        features : sequence of str
            The model's features.
        catalogue : Catalogue
            What they are.

        Raises
        ------
        DataError
            If there is no row, or a feature is not among the columns.
        FeatureError
            If the catalogue does not know a feature.
        """
        if not frame.num_rows:
            raise DataError(
                "there is no row to compare with; expected those of the training table."
            )
        _check(frame, features)
        named = tuple(features)
        declared = [catalogue.get(name) for name in named]
        codes = {name: _levels(frame[name]) for name in named if _is_text(frame[name].type)}
        matrix = _encoded(frame, named, codes)
        numbers = [name for name in named if _is_number(frame[name].type)]
        levers = find_levers(catalogue, named, numbers=numbers, texts=codes)
        is_number = np.isin(named, numbers)
        movable = np.isin(named, list(levers.movable))
        bounds = [feature.bounds for feature in declared]
        low = np.array([-np.inf if low is None else low for low, _ in bounds])
        high = np.array([np.inf if high is None else high for _, high in bounds])
        return cls(
            catalogue,
            named,
            levers,
            MappingProxyType(codes),
            matrix,
            np.fmax(low, np.fmin.reduce(matrix, axis=0)),
            np.fmin(high, np.fmax.reduce(matrix, axis=0)),
            np.array([float(_DIRECTION[feature.entry.risk]) for feature in declared]) * is_number,
            is_number & ((matrix == np.round(matrix)) | np.isnan(matrix)).all(axis=0),
            _orders(matrix, np.flatnonzero(is_number), movable),
        )

    def places(self, names: Collection[str]) -> Ints:
        """Where features stand in the matrix."""
        wanted = set(names)
        return np.array([i for i, name in enumerate(self.features) if name in wanted], np.intp)

    def encoded(self, frame: pa.Table) -> Floats:
        """Turn rows into numbers (n, n_features), as in `matrix`.

        Raises
        ------
        DataError
            If a feature is not among the columns.
        """
        _check(frame, self.features)
        return _encoded(frame, self.features, self.codes)

    def framed(self, row: pa.Table, rows: Floats) -> pa.Table:
        """Turn numbers into rows; what did not move is as it is in `row`.

        Parameters
        ----------
        row : pyarrow.Table
            The one row that the others were made from.
        rows : ndarray (n, n_features)
            Encoded.
        """
        (own,) = self.encoded(row)
        frame = row.take(pa.array(np.zeros(len(rows), np.intp)))
        for place in self.places(self.levers.movable):
            name = self.features[place]
            column = pa.array(rows[:, place], from_pandas=True)
            if name in self.codes:
                column = pa.array(self.codes[name], pa.string()).take(column.cast(pa.int64()))
                if np.isnan(own[place]):  # text without a code is no missing value
                    column = pc.coalesce(column, frame[name].cast(pa.string()))
            frame = frame.set_column(frame.column_names.index(name), name, column)
        return frame

    def distance(self, one: Floats, rows: Floats, places: Ints) -> Floats:
        """Tell how far rows (n, n_features) lie from one, feature by feature.

        Parameters
        ----------
        one : ndarray (n_features,)
            What they are compared with.
        rows : ndarray (n, n_features)
            The rows.
        places : ndarray of int (k,)
            The features to compare.

        Returns
        -------
        ndarray (n, k)
            The share of all accounts that lies between the two values; 1 for different texts, and
            for a value where the other has none.
        """
        found = np.empty((len(rows), len(places)))
        for at, place in enumerate(places):
            own, others = one[place], rows[:, place]
            if self.features[place] in self.codes:
                apart = (others != own).astype(np.float64)
            else:
                apart = self._between(place, one[[place]], others)
            missing = np.isnan(others)
            found[:, at] = np.where(missing | np.isnan(own), missing != np.isnan(own), apart)
        return found

    def by_likeness(self, one: Floats) -> Ints:
        """Order all rows by how near they are to one in what cannot be moved, nearest first."""
        kept = self.places(set(self.features) - self.levers.movable)
        apart = self.distance(one, self.matrix, kept).sum(axis=1)
        return np.argsort(apart, kind="stable")

    def agreeing(self, one: Floats, places: Ints) -> Flags:
        """Tell which rows have the values of one, or as it none, in some features."""
        rows, own = self.matrix[:, places], one[places]
        return np.asarray(((rows == own) | (np.isnan(rows) & np.isnan(own))).all(axis=1))

    def compute(self, one: Floats, rows: Floats) -> None:
        """Compute anew, in place, what depends on columns by which rows differ from one.

        Parameters
        ----------
        one : ndarray (n_features,)
            What they were made from.
        rows : ndarray (n, n_features)
            The rows.
        """
        self.levers.compute(self.features, one, rows)

    def possible(self, one: Floats, rows: Floats) -> Flags:
        """Tell which rows (n, n_features) one account could turn into, towards what is safe.

        Something changes. No value appears or vanishes; what changes stays in its range, goes in
        its direction and is whole where it always was; and nothing stands above what it never stood
        above.
        """
        there = ~np.isnan(one)
        changed = there & (rows != one)
        wrong = (rows < self.low) | (rows > self.high) | ((rows - one) * self.direction < 0)
        wrong |= self.whole & (rows != np.round(rows))
        first, second = self.orders[~(one[self.orders[:, 0]] > one[self.orders[:, 1]])].T
        upset = (rows[:, first] > rows[:, second]).any(axis=1)
        same = (np.isnan(rows) != there).all(axis=1)
        return np.asarray(changed.any(axis=1) & same & ~(changed & wrong).any(axis=1) & ~upset)

    @cached_property
    def _sorted(self) -> tuple[Floats, ...]:
        return tuple(np.sort(column[~np.isnan(column)]) for column in self.matrix.T)

    def _between(self, place: int, own: Floats, others: Floats) -> Floats:
        """Tell the share of accounts between values; those equal to either count half."""
        known = self._sorted[place]
        sides = [
            sum(np.searchsorted(known, values, side) for side in ("left", "right"))
            for values in (own, others)
        ]
        return np.asarray(np.abs(sides[1] - sides[0]) / max(2 * len(known), 1))


def _orders(matrix: Floats, numbers: Ints, movable: Flags) -> Ints:
    pairs = np.array(
        [(i, j) for i in numbers for j in numbers if i != j and (movable[i] or movable[j])],
        np.intp,
    ).reshape(-1, 2)
    for begin in range(0, len(matrix), _BLOCK):
        block = matrix[begin : begin + _BLOCK]
        pairs = pairs[~(block[:, pairs[:, 0]] > block[:, pairs[:, 1]]).any(axis=0)]
    return pairs


def _check(frame: pa.Table, features: Sequence[str]) -> None:
    missing = [name for name in features if name not in frame.column_names]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(features)} features are missing, {missing[0]!r} the first."
            f"{nearest(missing[0], frame.column_names)} Give every feature of the model."
        )


def _is_text(held: pa.DataType) -> bool:
    held = held.value_type if pa.types.is_dictionary(held) else held
    return bool(pa.types.is_string(held) or pa.types.is_large_string(held))


def _is_number(held: pa.DataType) -> bool:
    kinds = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_boolean)
    return any(kind(held) for kind in kinds)


def _levels(column: pa.ChunkedArray) -> tuple[str, ...]:
    return tuple(sorted(column.cast(pa.string()).unique().drop_null().to_pylist()))


def _encoded(
    frame: pa.Table, features: Sequence[str], codes: Mapping[str, tuple[str, ...]]
) -> Floats:
    out = np.full((frame.num_rows, len(features)), np.nan)
    for place, name in enumerate(features):
        column = frame[name]
        if name in codes:
            column = pc.index_in(
                column.cast(pa.string()), value_set=pa.array(codes[name], pa.string())
            )
        elif not _is_number(column.type):
            continue
        elif pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        out[:, place] = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan)
    return out
