"""Feature columns as the matrix that LightGBM sees: by name, in one order, with codes of our own.

LightGBM itself does not look at names: columns in another order would move every score silently.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnml.errors import ChurnMLError, TrainingError, nearest

Floats = npt.NDArray[np.float64]


class FeatureKind(StrEnum):
    """What the values of a feature are."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    CATEGORY = "category"


@dataclass(frozen=True)
class Encoding:
    """How features become numbers.

    Parameters
    ----------
    kinds : mapping of str to FeatureKind
        Every feature, in the order of the matrix.
    codes : mapping of str to tuple of str
        The values of each category, sorted; a value's code is its position. A value that is not
        among them is missing to the model.
    """

    kinds: Mapping[str, FeatureKind]
    codes: Mapping[str, tuple[str, ...]]

    @classmethod
    def learn(
        cls, frame: pa.Table, features: Iterable[str], categorical: Iterable[str]
    ) -> Encoding:
        """Learn kinds and codes from the rows that a model is fitted on, and from no others.

        Parameters
        ----------
        frame : pyarrow.Table
            The rows to fit.
        features : iterable of str
            The columns to use, in order.
        categorical : iterable of str
            Those that hold strings.

        Raises
        ------
        TrainingError
            If a feature is not there, is there twice, or holds what a model cannot read.
        """
        named = tuple(features)
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice or not named:
            raise TrainingError(
                f"features named twice: {', '.join(twice)}." if twice else "there are no features."
            )
        strings = set(categorical)
        kinds = {name: _kind(frame, name, name in strings) for name in named}
        codes = {
            name: tuple(sorted(_text(frame[name]).unique().drop_null().to_pylist()))
            for name, kind in kinds.items()
            if kind is FeatureKind.CATEGORY
        }
        return cls(MappingProxyType(kinds), MappingProxyType(codes))

    @property
    def features(self) -> tuple[str, ...]:
        """The features, in the order of the matrix."""
        return tuple(self.kinds)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the categories in the matrix."""
        return tuple(i for i, name in enumerate(self.kinds) if name in self.codes)

    def matrix(
        self,
        frame: pa.Table,
        *,
        beside: Collection[str] | None = None,
        error: type[ChurnMLError] = TrainingError,
    ) -> Floats:
        """Encode rows; columns are found by name, in whatever order they stand.

        Parameters
        ----------
        frame : pyarrow.Table
            Has every feature.
        beside : collection of str, optional
            The only columns allowed besides; any when omitted.
        error : type
            The error to raise.

        Returns
        -------
        ndarray (n_rows, n_features)
            Missing values are nan.

        Raises
        ------
        ChurnMLError
            Of type `error`, if a column is missing, unknown, twice there, of another kind, or holds
            infinity.
        """
        names = frame.column_names
        missing = [name for name in self.kinds if name not in names]
        extra = (
            [] if beside is None else [n for n in names if n not in self.kinds and n not in beside]
        )
        if missing:
            raise error(
                f"{len(missing)} of {len(self.kinds)} features are missing: {_some(missing)}. The "
                f"rows have {_some(names)}.{nearest(missing[0], names)}"
            )
        if extra:
            raise error(
                f"{len(extra)} columns are no features of this model: {_some(extra)}."
                f"{nearest(extra[0], self.kinds)} Leave them out."
            )
        if len(set(names)) != len(names):
            raise error("columns appear twice; name each feature once.")
        out = np.empty((frame.num_rows, len(self.kinds)), dtype=np.float64)
        for position, (name, kind) in enumerate(self.kinds.items()):
            out[:, position] = self._column(frame[name], name, kind, error)
        return out

    def _column(
        self, column: pa.ChunkedArray, name: str, kind: FeatureKind, error: type[ChurnMLError]
    ) -> Floats:
        found = kind_of(column.type)
        if found is None or (found is FeatureKind.CATEGORY) != (kind is FeatureKind.CATEGORY):
            if not pa.types.is_null(column.type):
                raise error(f"feature {name!r} holds {column.type}, but the model knows a {kind}.")
            return np.full(len(column), np.nan)
        if kind is FeatureKind.CATEGORY:
            codes = pc.index_in(_text(column), value_set=pa.array(self.codes[name], pa.string()))
            return _floats(codes)
        values = _floats(column)
        if np.isinf(values).any():
            raise error(
                f"feature {name!r} is infinite in {int(np.isinf(values).sum())} rows; expected "
                "finite numbers, or none where the value is unknown."
            )
        return values


def _kind(frame: pa.Table, name: str, categorical: bool) -> FeatureKind:
    if name not in frame.column_names:
        raise TrainingError(f"no feature column {name!r}.{nearest(name, frame.column_names)}")
    held = frame[name].type
    kind = kind_of(held)
    if kind is None and pa.types.is_null(held):
        return FeatureKind.CATEGORY if categorical else FeatureKind.NUMBER
    if kind is None:
        remedy = " Turn it into days before the cutoff." if pa.types.is_temporal(held) else ""
        raise TrainingError(
            f"feature {name!r} holds {held}, which a model cannot read; expected numbers, booleans "
            f"or strings.{remedy} Or name it under exclude in [features]."
        )
    if categorical is not (kind is FeatureKind.CATEGORY):
        said = "declared" if categorical else "not declared"
        raise TrainingError(f"feature {name!r} holds {held}, but is {said} as a category.")
    return kind


def kind_of(held: pa.DataType) -> FeatureKind | None:
    """Tell what a column of some type is to a model; nothing where it cannot be read."""
    if pa.types.is_dictionary(held):
        held = held.value_type
    if pa.types.is_string(held) or pa.types.is_large_string(held):
        return FeatureKind.CATEGORY
    if pa.types.is_boolean(held):
        return FeatureKind.BOOLEAN
    if pa.types.is_integer(held) or pa.types.is_floating(held) or pa.types.is_decimal(held):
        return FeatureKind.NUMBER
    return None


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _floats(column: pa.ChunkedArray) -> Floats:
    numbers = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    filled = pc.fill_null(numbers.cast(pa.float64(), safe=False), float("nan"))
    return np.asarray(filled, dtype=np.float64)


def _some(names: Collection[str]) -> str:
    shown = list(names)[:8]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")
