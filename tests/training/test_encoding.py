from __future__ import annotations

import datetime as dt
import decimal
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from churnml.errors import BundleError, TrainingError
from churnml.training.encoding import Encoding, FeatureKind, Unseen

FRAME = pa.table(
    {
        "days": [1.5, None, float("nan")],
        "seats": [3, None, 7],
        "auto": [True, None, False],
        "plan": ["pro", None, "basic"],
    }
)
FEATURES = ("plan", "days", "auto", "seats")


def learn(frame: pa.Table = FRAME, **columns: Any) -> Encoding:
    for name, column in columns.items():
        frame = frame.append_column(name, column)
    return Encoding.learn(frame, (*FEATURES, *columns), ("plan",))


def test_columns_become_numbers_in_the_order_of_the_features() -> None:
    encoding = learn()
    assert encoding.features == FEATURES
    assert encoding.codes == {"plan": ("basic", "pro")}
    assert encoding.categorical == (0,)
    assert list(encoding.kinds.values()) == [
        FeatureKind.CATEGORY,
        FeatureKind.NUMBER,
        FeatureKind.BOOLEAN,
        FeatureKind.NUMBER,
    ]
    missing = [math.nan] * 4
    expected = np.array([[1, 1.5, 1, 3], missing, [0, math.nan, 0, 7]])
    found = encoding.matrix(FRAME)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)


def test_the_order_of_columns_and_others_beside_them_do_not_matter() -> None:
    turned = FRAME.select(["seats", "plan", "auto", "days"]).append_column("id", [["a", "b", "c"]])
    encoding = learn()
    np.testing.assert_array_equal(encoding.matrix(turned), encoding.matrix(FRAME))
    np.testing.assert_array_equal(
        encoding.matrix(turned, beside=("id", "cutoff")), encoding.matrix(FRAME)
    )


def test_a_value_never_seen_is_missing() -> None:
    new = FRAME.set_column(3, "plan", [["brand new", "pro", None]])
    np.testing.assert_array_equal(learn().matrix(new)[:, 0], [math.nan, 1, math.nan])


def test_kindred_types_are_read_alike() -> None:
    other = pa.table(
        {
            "days": pa.array([decimal.Decimal("1.5"), None, None]),
            "seats": pa.array([3, None, 7], pa.int8()),
            "auto": pa.array([1, None, 0]),
            "plan": pa.array(["pro", None, "basic"]).dictionary_encode(),
        }
    )
    np.testing.assert_array_equal(learn().matrix(other), learn().matrix(FRAME))
    assert learn(other).codes == learn().codes
    nothing = pa.table({name: pa.nulls(2) for name in FEATURES})
    assert np.isnan(learn().matrix(nothing)).all()
    assert learn(nothing).kinds["plan"] is FeatureKind.CATEGORY
    assert learn(nothing).kinds["auto"] is FeatureKind.NUMBER


def test_numbers_may_stand_in_text() -> None:
    text = pa.array([" 1.5", "N/A", "-2e3"])
    encoding = learn(fee=text)
    assert encoding.kinds["fee"] is FeatureKind.NUMBER
    frame = FRAME.append_column("fee", text)
    np.testing.assert_array_equal(encoding.matrix(frame)[:, 4], [1.5, math.nan, -2000.0])
    plain = FRAME.append_column("fee", pa.array([1.5, None, -2000.0]))
    np.testing.assert_array_equal(encoding.matrix(plain), encoding.matrix(frame))
    as_text = FRAME.set_column(0, "days", [["1.5", None, ""]])
    np.testing.assert_array_equal(learn().matrix(as_text), learn().matrix(FRAME))


@pytest.mark.parametrize(
    "moments",
    [
        pa.array([dt.date(1970, 1, 2), None, dt.date(2024, 1, 1)]),
        pa.array([dt.datetime(1970, 1, 2), None, dt.datetime(2024, 1, 1)], pa.timestamp("ns")),
        pa.array([86_400, None, 1_704_067_200], pa.timestamp("s", tz="Europe/Paris")),
        pa.array([86_400 * 10**9 + 1, None, 1_704_067_200 * 10**9 + 999], pa.timestamp("ns")),
        pa.array(
            [86_400 * 10**9 + 1, None, 1_704_067_200 * 10**9], pa.timestamp("ns", tz="UTC")
        ).dictionary_encode(),
    ],
    ids=["days", "instants", "with a zone", "below a microsecond", "as categories"],
)
def test_dates_are_days(moments: pa.Array) -> None:
    encoding = learn(since=moments)
    assert encoding.kinds["since"] is FeatureKind.DATE
    found = encoding.matrix(FRAME.append_column("since", moments))[:, 4]
    np.testing.assert_array_equal(found, [1.0, math.nan, 19_723.0])
    with pytest.raises(TrainingError, match="'since' holds int64, but the model knows a date"):
        encoding.matrix(FRAME.append_column("since", [[1, 2, 3]]))


@pytest.mark.parametrize(
    "moments",
    [
        pa.array([2**31 - 1, None, 0], pa.date32()),
        pa.array([2**60, None, 0], pa.timestamp("s")),
        pa.array([2_932_897, None, 0], pa.date32()),
        pa.array([-719_163, None, 0], pa.date32()),
    ],
    ids=["days", "seconds", "year 10000", "year 0"],
)
def test_dates_beyond_the_calendar_are_refused(moments: pa.Array) -> None:
    frame = FRAME.append_column("since", moments)
    with pytest.raises(TrainingError, match="'since' holds 1 dates beyond the years 1 to 9999"):
        learn(since=moments).matrix(frame)


def test_the_first_and_the_last_day_are_dates() -> None:
    ends = pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1970, 1, 1)])
    found = learn(since=ends).matrix(FRAME.append_column("since", ends))[:, 4]
    assert found.tolist() == [-719_162.0, 2_932_896.0, 0.0]


def test_a_column_that_is_all_missing_is_missing_whatever_its_type() -> None:
    """pandas makes a blank column one of nan."""
    blank = pa.array([math.nan, None, math.nan], pa.float64())
    for place, name in enumerate(FRAME.column_names):
        frame = FRAME.set_column(place, name, blank)
        assert np.isnan(learn().matrix(frame)[:, FEATURES.index(name)]).all()
    partly = FRAME.set_column(3, "plan", pa.array([math.nan, 1.0, None]))
    with pytest.raises(TrainingError, match="'plan' holds double, but the model knows a category"):
        learn().matrix(partly)


def test_what_was_never_seen_is_told() -> None:
    new = FRAME.set_column(3, "plan", [["team", "pro", "brand new"]])
    (found,) = learn().unseen(new)
    assert found == Unseen("plan", ("brand new", "team"), rows=2, of=3)
    assert str(found) == (
        "column 'plan' holds values that were never learnt from, in 2 of 3 rows, taken as missing: "
        "'brand new', 'team'."
    )
    assert learn().unseen(FRAME) == ()
    assert learn().unseen(FRAME.set_column(3, "plan", pa.nulls(3))) == ()


def test_a_category_that_became_a_number_is_not_guessed() -> None:
    numbers = FRAME.set_column(3, "plan", [[7, 8, 9]])
    with pytest.raises(TrainingError, match=r"as text, as it was in training: '007' is not 7\."):
        learn().matrix(numbers)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME.drop(["days", "auto"]), "2 of 4 features are missing: days, auto. The rows have"),
        (
            FRAME.append_column("plans", [[1, 2, 3]]),
            r"1 columns are no features of this model: plans\. Did you mean 'plan'\?",
        ),
        (FRAME.append_column("plan", [["a", "b", "c"]]), "columns appear twice"),
        (
            FRAME.set_column(0, "days", [["1", "b", "c"]]),
            r"'days' holds text \('1', 'b', 'c'\), but the model knows a number",
        ),
        (FRAME.set_column(2, "auto", [["yes", "no", ""]]), "'auto' holds text .* knows a number"),
        (FRAME.set_column(0, "days", [["1", "inf", ""]]), "'days' is infinite in 1 rows"),
        (FRAME.set_column(3, "plan", [[1, 2, 3]]), "'plan' holds int64, but the model knows a cat"),
        (
            FRAME.set_column(0, "days", [[dt.date(2024, 1, 1)] * 3]),
            r"'days' holds date32\[day\], but the model knows a number",
        ),
        (FRAME.set_column(0, "days", [[math.inf, -math.inf, 1.0]]), "'days' is infinite in 2 rows"),
    ],
)
def test_rows_that_do_not_fit_are_an_error(frame: pa.Table, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        learn().matrix(frame, beside=("id",), error=BundleError)


def test_what_a_model_cannot_read_is_refused_by_name() -> None:
    with pytest.raises(TrainingError, match=r"'at' holds time64.* booleans, strings or dates"):
        learn(at=pa.array([dt.time(12)] * 3))
    with pytest.raises(TrainingError, match=r"'tags' holds list.* exclude in"):
        learn(tags=pa.array([[1], [2], [3]]))
    with pytest.raises(TrainingError, match=r"'name' holds text \('a', 'b', 'c'\), but"):
        learn(name=pa.array(["a", "b", "c"]))
    with pytest.raises(TrainingError, match="'days' holds double, but is declared as a category"):
        Encoding.learn(FRAME, FEATURES, ("plan", "days"))
    with pytest.raises(TrainingError, match=r"no feature column 'day'\. Did you mean 'days'\?"):
        Encoding.learn(FRAME, ("day",), ())
    with pytest.raises(TrainingError, match="named twice: days"):
        Encoding.learn(FRAME, ("days", "seats", "days"), ())
    with pytest.raises(TrainingError, match="there are no features"):
        Encoding.learn(FRAME, (), ())
