from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from churnml.errors import LabelError
from churnml.labels import ColumnLabel, label_column

TABLE = pa.table(
    {
        "id": ["c", "a", "b", "d"],
        "churn": ["Yes", "No", None, "No"],
        "left": pa.array([1.0, 0.0, None, 0.0]),
        "revenue": [100, 200, 300, None],
        "seen": [
            dt.date(2024, 2, 1),
            dt.date(2024, 1, 1),
            dt.date(2024, 1, 1),
            dt.date(2024, 1, 1),
        ],
        "same": ["x", "x", "y", "y"],
        "partly": ["x", None, None, "y"],
        "words": ["soon", "late", "late", "never"],
    }
)


def spec(column: str = "churn", positive: Any = "Yes", **more: Any) -> ColumnLabel:
    return ColumnLabel(kind="column", file="c.csv", column=column, positive=positive, **more)


def test_one_row_an_account() -> None:
    labels = label_column(TABLE, spec(id="id", arr="revenue"))
    assert labels.table.to_pydict() == {
        "account_id": ["a", "c", "d"],
        "label": [0, 1, 0],
        "arr": [200.0, 100.0, None],
        "involuntary": [False] * 3,
        "downgraded": [None] * 3,
        "churned_at": [None] * 3,
        "row": [1, 0, 3],
    }
    assert labels.dropped == {"label missing": 1}
    assert labels.table.schema.field("label").type == pa.int8()


def test_rows_are_numbered_where_nothing_names_the_account() -> None:
    labels = label_column(pa.concat_tables([TABLE] * 3), spec())
    assert labels.table["account_id"].to_pylist() == [
        f"row-{n:02d}" for n in (0, 1, 3, 4, 5, 7, 8, 9, 11)
    ]


def test_a_label_of_lists_is_refused_by_name() -> None:
    rows = pa.table({"churn": [["Yes"], ["No"]]})
    with pytest.raises(LabelError, match=r"c\.csv: column 'churn' holds list<.*>; expected text"):
        label_column(rows, spec())


def test_times_are_cutoffs() -> None:
    labels = label_column(TABLE, spec(id="same", time="seen", horizon_days=30))
    assert list(
        zip(
            labels.table["account_id"].to_pylist(),
            labels.table["cutoff"].to_pylist(),
            labels.table["label"].to_pylist(),
            strict=True,
        )
    ) == [
        ("x", dt.datetime(2024, 1, 1), 0),
        ("y", dt.datetime(2024, 1, 1), 0),
        ("x", dt.datetime(2024, 2, 1), 1),
    ]
    assert labels.spec.reach_days == 30


@pytest.mark.parametrize(
    "times",
    [
        pa.array([1_706_734_800_000_000] * 2, pa.timestamp("us", tz="Europe/Moscow")),
        pa.array([1_706_734_800_000_000_000] * 2, pa.timestamp("ns", tz="+03:00")),
        pa.array(["2024-02-01T00:00-07:00", "2024-02-01 00:00:00.000000000 -08"]),
        pa.array(["2024-02-01T00:00:00+0100", "2024-02-01 00:00Z"]),
    ],
)
def test_times_are_those_of_the_clock_where_a_row_was_written(times: pa.Array) -> None:
    """At midnight of the first, in UTC the month before has not ended everywhere."""
    table = pa.table({"id": ["b", "a"], "t": times, "y": [1, 0]})
    labels = label_column(table, spec("y", 1, id="id", time="t", horizon_days=9))
    assert labels.table["cutoff"].to_pylist() == [dt.datetime(2024, 2, 1)] * 2


@pytest.mark.parametrize(
    "times",
    [
        pa.array([1_704_067_200_123_456_789, 0], pa.timestamp("ns")),
        pa.array(["2024-01-01T00:00:00.123456789", "1970-01-01"]),
    ],
)
def test_times_finer_than_a_microsecond_are_cut_off(times: pa.Array) -> None:
    table = pa.table({"id": ["b", "a"], "t": times, "y": [1, 0]})
    labels = label_column(table, spec("y", 1, id="id", time="t", horizon_days=9))
    assert labels.table["cutoff"].to_pylist() == [
        dt.datetime(1970, 1, 1),
        dt.datetime(2024, 1, 1, 0, 0, 0, 123456),
    ]


@pytest.mark.parametrize(
    ("column", "positive"), [("left", 1), ("left", True), ("churn", "Yes"), ("left", "1")]
)
def test_the_positive_value_may_be_of_a_kindred_type(column: str, positive: Any) -> None:
    assert label_column(TABLE, spec(column, positive)).table["label"].to_pylist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (spec("Churn"), r"c.csv: no column 'Churn'. Did you mean 'churn'\?"),
        (spec(id="ID_"), "no column 'ID_'"),
        (spec(positive="yes"), r"'yes' in no row of 3, .* It holds: 'Yes', 'No'\."),
        (spec("same", "x", id="partly"), "'partly' is missing in 2 of 4 rows"),
        (spec("left", "Yes"), r"holds double, but positive = 'Yes' does not fit .* 1\.0, 0\.0\."),
        (spec(id="same"), "1 accounts appear more than once, .* account_id x .* `time`"),
        (
            spec(id="same", time="same", horizon_days=1),
            "'same' cannot be read as times: ",
        ),
        (spec(arr="words"), "'words', which arr names, is not a number"),
    ],
)
def test_errors_say_what_is_wrong(how: ColumnLabel, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        label_column(TABLE, how)


def test_a_label_that_is_the_same_everywhere_is_refused() -> None:
    table = pa.table({"churn": ["Yes", "Yes", None]})
    with pytest.raises(LabelError, match="'Yes' in every row of 2"):
        label_column(table, spec())
    with pytest.raises(LabelError, match=r"in no row of 0, .* It holds: nothing"):
        label_column(pa.table({"churn": pa.nulls(2, pa.string())}), spec())


def test_numbers_are_no_times() -> None:
    table = pa.table({"id": ["a", "b"], "t": [20240101, 20240201], "y": [1, 0]})
    with pytest.raises(LabelError, match=r"'t' holds whole numbers, .* 20240101, 20240201"):
        label_column(table, spec("y", 1, id="id", time="t", horizon_days=9))


def test_revenue_is_finite() -> None:
    table = pa.table({"y": [1, 0], "arr": [float("inf"), None]})
    with pytest.raises(LabelError, match=r"'arr', which arr names, is infinite in 1 rows"):
        label_column(table, spec("y", 1, arr="arr"))


def test_another_spelling_of_churn_is_not_taken_for_staying() -> None:
    table = pa.table({"y": ["Yes", "No", "yes "]})
    with pytest.raises(LabelError, match="'y' holds 'yes ' beside positive = 'Yes'"):
        label_column(table, spec("y", "Yes"))


def test_times_with_a_zone_beside_others_are_refused() -> None:
    times = ["2024-01-01T10:00:00+02:00", "2024-01-01T10:00:00"]
    table = pa.table({"id": ["a", "b"], "t": times, "y": [1, 0]})
    with pytest.raises(LabelError, match="column 't' holds times with a zone beside others"):
        label_column(table, spec("y", 1, id="id", time="t", horizon_days=9))


def test_copies_of_an_account_are_called_so() -> None:
    table = pa.table({"id": ["a", "a", "b"], "x": [1, 1, 2], "y": [1, 1, 0]})
    with pytest.raises(LabelError, match=r"\(2 rows\)\. Those rows are the same in every column"):
        label_column(table, spec("y", 1, id="id"))
    with pytest.raises(LabelError, match=r"\(2 rows\)\. Name the column .* as `time`"):
        label_column(table.set_column(1, "x", [[1, 3, 2]]), spec("y", 1, id="id"))


def test_the_same_account_at_the_same_time_twice_is_refused() -> None:
    table = pa.table({"id": ["a", "a", "b"], "t": ["2024-01-01"] * 3, "y": [1, 0, 0]})
    with pytest.raises(LabelError, match=r"account_id a, cutoff 2024-01-01 00:00:00 \(2 rows\)\.$"):
        label_column(table, spec("y", 1, id="id", time="t", horizon_days=9))
