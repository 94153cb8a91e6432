"""Rows of pandas and numpy become Arrow's, or are refused by the name of the column."""

from __future__ import annotations

import datetime as dt
import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churnml.errors import TrainingError
from churnml.training.frames import from_array, from_pandas, read_column


def objects(*values: Any) -> pd.Series:
    return pd.Series(values, dtype=object)


@pytest.mark.parametrize(
    ("values", "read", "kind"),
    [
        (objects(1, "a", pd.NA), ["1", "a", None], "string"),
        (objects(pd.NaT, "a", 2.5), [None, "a", "2.5"], "string"),
        (objects(1.5, Decimal("0.25")), ["1.5", "0.25"], "string"),
        (objects(Decimal("Infinity"), Decimal(1)), ["Infinity", "1"], "string"),
        (objects(2**70, 1), [str(2**70), "1"], "string"),
        (pd.Series(pd.cut([0.5, 7, np.nan], [0, 1, 9])), ["(0, 1]", "(1, 9]", None], "string"),
        (pd.Series(["2024-01"], dtype="period[M]").astype("category"), ["2024-01"], "string"),
        (pd.Series(["a", None], dtype="category"), ["a", None], "string"),
        (np.array([1, 2], dtype=np.longdouble), [1.0, 2.0], "double"),
    ],
)
def test_a_column_is_read_as_what_it_means(values: Any, read: list[Any], kind: str) -> None:
    column = read_column(values, "x")

    assert column.to_pylist() == read
    assert str(column.type) == kind


def test_times_of_a_zone_are_read_as_utc_without_a_warning() -> None:
    times = pd.Series([dt.datetime(2024, 7, 1, 2)]).dt.tz_localize("Europe/Berlin")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        column = read_column(times, "x")

    assert column.to_pylist() == [dt.datetime(2024, 7, 1)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pd.Series([1j]), "column 'x' holds complex128; expected numbers, booleans, text or dates"),
        (np.array([1], dtype="m8[D]"), r"column 'x' holds timedelta64\[D\]; expected numbers"),
        (objects({1}, "a"), r"column 'x' holds values that .* dates, such as \{1\}\. Turn them"),
        (objects(np.complex128(1j), "a"), r"column 'x' holds values that are neither numbers"),
        (objects("\ud800"), r"column 'x' holds '\\ud800', which is no Unicode text"),
    ],
)
def test_what_a_model_cannot_read_is_refused_by_name(values: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        read_column(values, "x")


def test_columns_have_one_name_each() -> None:
    assert from_pandas(pd.DataFrame({1: [2], "a": ["b"]})).to_pydict() == {"1": [2], "a": ["b"]}
    assert from_array(np.array([[1, 2]]), ["a", "b"]).to_pydict() == {"a": [1], "b": [2]}
    with pytest.raises(TrainingError, match=r"columns appear twice: 1\. Rename one\."):
        from_pandas(pd.DataFrame([[1, 2]], columns=[1, "1"]))
    assert from_pandas(pd.DataFrame({"x": [1]})).schema.field("x").type == pa.int64()
