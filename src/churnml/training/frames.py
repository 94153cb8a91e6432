"""Rows as people hold them, in pandas or numpy, as the Arrow table that a model reads."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from churnml.errors import TrainingError

# What may stand beside other kinds in one column, which is then read as text.
_MIXABLE = str | int | float | Decimal | np.integer | np.floating | np.bool_ | np.datetime64


def from_pandas(frame: Any) -> pa.Table:
    """Read a DataFrame.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows; names that are no text are written as such.

    Raises
    ------
    TrainingError
        If a column holds what is neither a number, text nor a date, or two have one name.
    """
    names = list(map(str, frame.columns))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TrainingError(f"columns appear twice: {', '.join(twice)}. Rename one.")
    return pa.table(
        {name: read_column(frame.iloc[:, place], name) for place, name in enumerate(names)}
    )


def from_array(array: np.ndarray[Any, Any], names: Sequence[str]) -> pa.Table:
    """Read a matrix (n, n_features) with these names; raises as `from_pandas` does."""
    return pa.table({name: read_column(array[:, place], name) for place, name in enumerate(names)})


def read_column(values: Any, name: str) -> pa.ChunkedArray:
    """Read a column as Arrow, its strings plain; of mixed values, text.

    Parameters
    ----------
    values : pandas.Series or ndarray (n,)
        None, nan, NA and NaT are missing.
    name : str
        What errors call it.

    Raises
    ------
    TrainingError
        If it holds what is neither a number, text nor a date.
    """
    try:
        return _plain(_arrow(_understood(values), name))
    except pa.ArrowNotImplementedError as error:
        raise TrainingError(
            f"column {name!r} holds {values.dtype}; expected numbers, booleans, text or dates. "
            "Turn it into one of these, or leave it out."
        ) from error
    except UnicodeEncodeError as error:
        raise TrainingError(
            f"column {name!r} holds {error.object!r}, which is no Unicode text. Read it again in "
            "the encoding that it was written in."
        ) from error


def _understood(values: Any) -> Any:
    """Put what Arrow has no kind for as what it means to a model."""
    import pandas as pd

    held = values.dtype
    if isinstance(held, pd.CategoricalDtype):
        ranges = isinstance(held.categories.dtype, pd.IntervalDtype | pd.PeriodDtype)
        return values.cat.rename_categories(str) if ranges else values
    if isinstance(held, pd.DatetimeTZDtype):  # of which Arrow would ask pandas in a deprecated way
        return values.dt.tz_convert(None)
    return values.astype(np.float64) if held == np.longdouble else values


def _arrow(values: Any, name: str) -> pa.ChunkedArray:
    import pandas as pd

    try:
        return pa.chunked_array([pa.array(values, from_pandas=True)])
    except (pa.ArrowInvalid, TypeError, OverflowError) as error:
        missing = pd.isna(np.asarray(values, dtype=object))
        strange = [v for v in values[~missing] if not isinstance(v, _MIXABLE)]
        if strange:
            raise TrainingError(
                f"column {name!r} holds values that are neither numbers, text nor dates, such as "
                f"{strange[0]!r}. Turn them into one of these, or leave it out."
            ) from error
        texts = [None if gone else str(v) for v, gone in zip(values, missing, strict=True)]
        return pa.chunked_array([pa.array(texts, pa.string())])


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    held = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_large_string(held) or pa.types.is_string_view(held):
        return column.cast(held).cast(pa.string())
    return column.cast(held)
