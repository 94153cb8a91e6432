"""Feature columns as the matrix that LightGBM sees: by name, in one order, with codes of our own.

LightGBM itself does not look at names: columns in another order would move every score silently.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
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
    DATE = "date"


# Units of each kind of time in a day.
_A_DAY = {"s": 86_400, "ms": 86_400e3, "us": 86_400e6, "date32[day]": 1, "date64[ms]": 86_400e3}

_YEAR_1, _YEAR_10000 = -719_162, 2_932_897  # days since 1970-01-01

# A number may stand in text, as exports write it; blanks are missing.
_BLANK = ("", "nan", "NaN", "NA", "N/A", "null", "NULL", "None")


@dataclass(frozen=True)
class Unseen:
    """Values of a category that a model has never seen; they are missing to it.

    Parameters
    ----------
    column : str
        The category.
    values : tuple of str
        The values, sorted.
    rows : int
        How many rows hold one.
    of : int
        How many rows were looked at.
    """

    column: str
    values: tuple[str, ...]
    rows: int
    of: int

    def __str__(self) -> str:
        """Say so, with a few of the values."""
        shown = ", ".join(map(repr, self.values[:5])) + (", …" if len(self.values) > 5 else "")
        return (
            f"column {self.column!r} holds values that were never learnt from, in "
            f"{self.rows:,} of {self.of:,} rows, taken as missing: {shown}."
        )


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
            Those that hold strings. A column of strings that is not among them must hold numbers.

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

    @cached_property
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
        for position, name in enumerate(self.kinds):
            out[:, position] = self.column(frame[name], name, error=error)
        return out

    def unseen(self, frame: pa.Table) -> tuple[Unseen, ...]:
        """Tell which values of categories the model has never seen.

        Parameters
        ----------
        frame : pyarrow.Table
            Rows that fit the model.

        Returns
        -------
        tuple of Unseen
            Of each feature that holds any.
        """
        found = []
        for name, codes in self.codes.items():
            if kind_of(frame[name].type) is not FeatureKind.CATEGORY:
                continue  # it fits the model, so that all of it is missing
            text = _text(frame[name])
            known = pc.is_in(text, value_set=pa.array([*codes, None], pa.string()))
            strange = text.filter(pc.invert(known))
            if len(strange):
                values = tuple(sorted(strange.unique().to_pylist()))
                found.append(Unseen(name, values, len(strange), frame.num_rows))
        return tuple(found)

    def column(
        self, column: pa.ChunkedArray, name: str, *, error: type[ChurnMLError] = TrainingError
    ) -> Floats:
        """Encode a feature's values (n,); `error` is raised as `matrix` does."""
        kind = self.kinds[name]
        if pa.types.is_null(column.type):
            return np.full(len(column), np.nan)
        found = kind_of(column.type)
        if found not in _HELD_AS[kind]:
            if _says_nothing(column):
                return np.full(len(column), np.nan)
            raise error(
                f"feature {name!r} holds {column.type}, but the model knows a {kind}. "
                f"{_REMEDIES[kind]}"
            )
        if kind is FeatureKind.CATEGORY:
            codes = pc.index_in(_text(column), value_set=pa.array(self.codes[name], pa.string()))
            return _floats(codes)
        if kind is FeatureKind.DATE:
            values = days(column)
            beyond = (values < _YEAR_1) | (values >= _YEAR_10000)
            if beyond.any():
                raise error(
                    f"feature {name!r} holds {int(beyond.sum())} dates beyond the years 1 to 9999; "
                    "expected real ones, or none where the date is unknown."
                )
            return values
        values = _parsed(column, name, error) if found is FeatureKind.CATEGORY else _floats(column)
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
        raise TrainingError(
            f"feature {name!r} holds {held}, which a model cannot read; expected numbers, "
            "booleans, strings or dates. Turn it into one of these, or name it under exclude in "
            "[features]."
        )
    if categorical and kind is not FeatureKind.CATEGORY:
        raise TrainingError(f"feature {name!r} holds {held}, but is declared as a category.")
    if kind is FeatureKind.CATEGORY and not categorical:
        _parsed(frame[name], name, TrainingError)
        return FeatureKind.NUMBER
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
    if pa.types.is_date(held) or pa.types.is_timestamp(held):
        return FeatureKind.DATE
    return None


_HELD_AS: Mapping[FeatureKind, frozenset[FeatureKind]] = MappingProxyType(
    {
        FeatureKind.CATEGORY: frozenset({FeatureKind.CATEGORY}),
        FeatureKind.DATE: frozenset({FeatureKind.DATE}),
        **dict.fromkeys(
            (FeatureKind.NUMBER, FeatureKind.BOOLEAN),
            frozenset({FeatureKind.NUMBER, FeatureKind.BOOLEAN, FeatureKind.CATEGORY}),
        ),
    }
)


_REMEDIES: Mapping[FeatureKind, str] = MappingProxyType(
    {
        FeatureKind.CATEGORY: "Give its values as text, as it was in training: '007' is not 7.",
        FeatureKind.DATE: "Give it as dates or times, all with a zone or all without.",
        **dict.fromkeys((FeatureKind.NUMBER, FeatureKind.BOOLEAN), "Give it as numbers."),
    }
)


def is_number_text(column: pa.ChunkedArray) -> bool:
    """Tell whether a column of strings holds nothing but numbers and blanks, and any number."""
    numbers = _numbers(column)
    return numbers is not None and numbers.null_count < len(numbers)


def as_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Read a column as numbers, whether it holds such or text of them; none where it is neither."""
    if kind_of(column.type) is FeatureKind.CATEGORY:
        return _numbers(column)
    return column.cast(pa.float64(), safe=False)


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Read numbers from text; none where a value is no number."""
    text = pc.utf8_trim_whitespace(_text(column))
    blank = pc.is_in(text, value_set=pa.array(_BLANK))
    try:
        return pc.if_else(blank, pa.scalar(None, pa.string()), text).cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def _parsed(column: pa.ChunkedArray, name: str, error: type[ChurnMLError]) -> Floats:
    numbers = _numbers(column)
    if numbers is None:
        held = ", ".join(repr(value) for value in column.unique().drop_null().to_pylist()[:5])
        raise error(f"feature {name!r} holds text ({held}), but the model knows a number.")
    return _floats(numbers)


def days(column: pa.ChunkedArray) -> Floats:
    """Count days since 1970-01-01 UTC, to the microsecond; nan where there is no time.

    Trees only compare, so that the day they count from is nothing.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Of `FeatureKind.DATE`.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    held = column.type
    if pa.types.is_timestamp(held) and held.unit == "ns":
        # Rounded down, so that a time is the same to a model however finely it was kept.
        held = pa.timestamp("us", tz=held.tz)
        column = column.cast(held, safe=False)
    a_day = _A_DAY[held.unit] if pa.types.is_timestamp(held) else _A_DAY[str(held)]
    whole = column.cast(pa.int32()) if pa.types.is_date32(held) else column
    # Divided in whole units of its own: a date too far off for microseconds is one all the same.
    return _floats(whole.cast(pa.int64())) / a_day


def _says_nothing(column: pa.ChunkedArray) -> bool:
    """Whether all of it is missing, as pandas writes it: a blank column becomes one of nan."""
    if pa.types.is_floating(column.type):
        return bool(pc.all(pc.is_null(column, nan_is_null=True), min_count=0).as_py())
    return bool(column.null_count == len(column))


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _floats(column: pa.ChunkedArray) -> Floats:
    numbers = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    filled = pc.fill_null(numbers.cast(pa.float64(), safe=False), float("nan"))
    return np.asarray(filled, dtype=np.float64)


def _some(names: Collection[str]) -> str:
    shown = list(names)[:8]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")
