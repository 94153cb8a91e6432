"""Expressions by literal values, and the same answer from numpy as from an SQL engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cache

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.errors import FeatureError
from churnml.features.expressions import Type, Values, parse_expression
from churnml.features.values import values_of

Cell = float | bool | str | dt.datetime | None
T0 = dt.datetime(2025, 1, 1)
TYPES = {
    "x": Type.NUMBER, "y": Type.NUMBER, "p": Type.BOOLEAN, "q": Type.BOOLEAN,
    "s": Type.STRING, "r": Type.STRING, "t": Type.TIME, "u": Type.TIME,
}  # fmt: skip
ARROW = {
    Type.NUMBER: pa.float64(),
    Type.BOOLEAN: pa.bool_(),
    Type.STRING: pa.string(),
    Type.TIME: pa.timestamp("us"),
}


def table(rows: list[dict[str, Cell]]) -> pa.Table:
    return pa.table({n: pa.array([row.get(n) for row in rows], ARROW[t]) for n, t in TYPES.items()})


def evaluate(text: str, rows: list[dict[str, Cell]]) -> list[Cell]:
    data = table(rows)
    columns = {name: values_of(data[name]) for name in TYPES}
    return told(parse_expression(text).evaluate(columns, len(rows)))


def told(values: Values) -> list[Cell]:
    if values.type is Type.STRING:
        found = [values.levels[code] if values.levels else None for code in values.data]
    elif values.type is Type.BOOLEAN:
        found = [bool(value) for value in values.data]
    else:
        found = [float(value) for value in values.data]
    return [value if there else None for value, there in zip(found, values.valid, strict=True)]


def ask(text: str, rows: list[dict[str, Cell]]) -> list[Cell]:
    query = f"SELECT {parse_expression(text).sql().sql(dialect='duckdb')} AS z FROM rows"
    connection = engine()
    connection.register("rows", table(rows))
    return [row[0] for row in connection.execute(query).fetchall()]


@cache
def engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config={"threads": 1})


def one(text: str, **row: Cell) -> Cell:
    (found,) = evaluate(text, [row])
    (asked,) = ask(text, [row])
    assert found == asked, text
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("-2 - -3", 1.0),
        ("7 / 2", 3.5),
        ("1 / 0", None),
        ("0 / 0", None),
        ("abs(-2.5)", 2.5),
        ("ln(1)", 0.0),
        ("nullif(3, 3)", None),
        ("nullif(3, 4)", 3.0),
        ("nullif(3, null)", 3.0),
        ("coalesce(null, null, 5)", 5.0),
        ("coalesce(1 / 0, 4)", 4.0),
        ("least(3, 1, 2)", 1.0),
        ("greatest(3, 1, 2)", 3.0),
        ("least(3, null)", None),
        ("greatest(null, 3)", None),
        ("1 + null", None),
        ("2 > 1", True),
        ("2 <= 1", False),
        ("null > 1", None),
        ("1 <> 2", True),
        ("null = null", None),
        ("null is null", True),
        ("1 is not null", True),
        ("3 in (1, 2, 3)", True),
        ("3 not in (1, 2)", True),
        ("null in (1, 2)", None),
        ("'a' in ('a', 'b')", True),
        ("true", True),
        ("not false", True),
    ],
)
def test_literals(text: str, expected: Cell) -> None:
    assert one(text) == expected


# True, false and null under and, or, not: SQL's three-valued logic.
LOGIC: list[tuple[bool | None, bool | None, bool | None, bool | None]] = [
    (True, True, True, True),
    (True, False, False, True),
    (True, None, None, True),
    (False, True, False, True),
    (False, False, False, False),
    (False, None, False, None),
    (None, True, None, True),
    (None, False, False, None),
    (None, None, None, None),
]


@pytest.mark.parametrize(("p", "q", "both", "any_"), LOGIC)
def test_null_logic(p: bool | None, q: bool | None, both: bool | None, any_: bool | None) -> None:
    assert one("p and q", p=p, q=q) is both
    assert one("p or q", p=p, q=q) is any_
    assert one("not p", p=p) is (None if p is None else not p)
    assert one("p is true", p=p) is (p is True)
    assert one("p is false", p=p) is (p is False)
    assert one("p is not true", p=p) is (p is not True)


def test_a_condition_holds_only_where_it_is_true() -> None:
    values = Values(Type.BOOLEAN, np.array([True, True, False]), np.array([True, False, True]))

    assert values.true.tolist() == [True, False, False]


def test_strings() -> None:
    rows: list[dict[str, Cell]] = [{"s": "high"}, {"s": "low"}, {"s": None}]
    assert evaluate("s = 'high'", rows) == [True, False, None]
    assert evaluate("s <> 'high'", rows) == [False, True, None]
    assert evaluate("s in ('high', 'critical')", rows) == [True, False, None]
    assert evaluate("s not in ('high')", rows) == [False, True, None]
    assert evaluate("s is null", rows) == [False, False, True]
    assert evaluate("s", rows) == ["high", "low", None]
    assert evaluate("s = 'nowhere'", rows) == [False, False, None]


def test_two_strings_are_compared_by_what_they_say() -> None:
    rows: list[dict[str, Cell]] = [
        {"s": "a", "r": "a"},
        {"s": "a", "r": "b"},
        {"s": "b", "r": "a"},
        {"s": "c", "r": None},
    ]
    assert evaluate("s = r", rows) == ask("s = r", rows) == [True, False, False, None]
    assert evaluate("s <> r", rows) == ask("s <> r", rows) == [False, True, True, None]


def test_columns_without_any_value() -> None:
    rows: list[dict[str, Cell]] = [{"s": None, "r": "a"}, {"s": None, "r": None}]
    for text in ("s = 'a'", "s in ('a')", "s = r", "r = s", "s is null", "x > 1", "p and p"):
        assert evaluate(text, rows) == ask(text, rows), text


def test_times() -> None:
    later = T0 + dt.timedelta(days=1, hours=12)
    assert one("hours_between(t, u)", t=T0, u=later) == 36.0
    assert one("days_between(t, u)", t=T0, u=later) == 1.5
    assert one("days_between(u, t)", t=T0, u=later) == -1.5
    assert one("days_between(t, u)", t=T0) is None
    assert one("days_between(t, u) / 2", t=T0, u=later) == 0.75
    assert one("t < u", t=T0, u=later) is True
    assert one("t = t", t=T0) is True
    assert one("u is null", t=T0) is True


@pytest.mark.parametrize("value", [0.0, -1.0, None])
def test_the_logarithm_of_what_has_none_is_null(value: float | None) -> None:
    assert evaluate("ln(x)", [{"x": value}]) == [None]


def test_what_it_reads() -> None:
    assert parse_expression("y + least(x, 2) * y").columns == ("x", "y")
    assert parse_expression("'x' = 'y'").columns == ()


def test_the_same_text_is_parsed_once() -> None:
    assert parse_expression("x + 1") is parse_expression("x + 1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x +", "cannot be parsed: "),
        ("x || 'a'", "is not allowed. Expected columns, literals, comparisons, in, is null,"),
        ("select 1", "is not allowed."),
        ("count(x)", "(Count) is not allowed."),
        ("case when p then 1 end", "(Case) is not allowed."),
        ("x between 1 and 2", "(Between) is not allowed."),
        ("s like 'a%'", "(Like) is not allowed."),
        ("cast(x as int)", "(Cast) is not allowed."),
        ("hour_between(t, u)", "no function 'hour_between'. Did you mean 'hours_between'?"),
        ("parsecs()", "Expected one of: days_between, hours_between."),
    ],
)
def test_what_cannot_be_written(text: str, told: str) -> None:
    with pytest.raises(FeatureError) as raised:
        parse_expression(text)

    assert str(raised.value).startswith(f"expression {text!r}")
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("z + 1", "no column 'z'."),
        ("x + s", "'s' is a string; expected a number."),
        ("x + t", "'t' is a time; expected a number."),
        ("p + 1", "'p' is a boolean; expected a number."),
        ("x and p", "'x' is a number; expected a boolean."),
        ("not x", "'x' is a number; expected a boolean."),
        ("x = s", "'x = s' compares a number with a string."),
        ("t > 1", "'t > 1' compares a time with a number."),
        ("s < 'b'", "orders strings; expected =, <> or in."),
        ("s is 'a'", "`is` takes null, true or false."),
        ("x is true", "'x' is a number; expected a boolean."),
        ("x in (y)", "`in` takes a list of "),
        ("p in (true)", "`in` takes a list of "),
        ("t in ('a')", "'t' is a time; expected a string"),
        ("coalesce(s, 'a')", "'s' is a string; expected a number."),
        ("hours_between(t)", "takes two times."),
        ("hours_between(t, x)", "'x' is a number; expected a time."),
        ("ln(p)", "'p' is a boolean; expected a number."),
        ("nullif(s, 'a')", "'s' is a string; expected a number."),
    ],
)
def test_what_does_not_go_together(text: str, told: str) -> None:
    with pytest.raises(FeatureError) as raised:
        parse_expression(text).type_over(TYPES)

    assert str(raised.value).startswith(f"expression {text!r}: ")
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("x + 1", Type.NUMBER), ("x > 1", Type.BOOLEAN), ("s", Type.STRING), ("t", Type.TIME),
     ("days_between(t, u)", Type.NUMBER), ("s is null", Type.BOOLEAN)],
)  # fmt: skip
def test_the_type_of_a_result(text: str, kind: Type) -> None:
    assert parse_expression(text).type_over(TYPES) is kind


# Powers of two and small wholes: exact in every order, so that two engines agree to the last bit.
numbers = st.sampled_from([None, -2.0, -0.5, 0.0, 0.25, 1.0, 3.0, 8.0])
instants = st.one_of(
    st.none(), st.integers(0, 10**12).map(lambda n: T0 + dt.timedelta(microseconds=n))
)
rows_of_any = st.lists(
    st.fixed_dictionaries(
        {
            "x": numbers,
            "y": numbers,
            "p": st.sampled_from([None, True, False]),
            "q": st.sampled_from([None, True, False]),
            "s": st.sampled_from([None, "a", "b", "it's"]),
            "r": st.sampled_from([None, "b", "a"]),
            "t": instants,
            "u": instants,
        }
    ),
    min_size=1,
    max_size=6,
)


def grown(number: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(number, number)
    return st.one_of(
        st.tuples(number, st.sampled_from("+-*/"), number).map(" ".join).map("({})".format),
        number.map("(-{})".format),
        number.map("abs({})".format),
        two.map(lambda ab: f"nullif({ab[0]}, {ab[1]})"),
        two.map(lambda ab: f"least({ab[0]}, {ab[1]})"),
        two.map(lambda ab: f"greatest({ab[0]}, {ab[1]})"),
        two.map(lambda ab: f"coalesce({ab[0]}, {ab[1]})"),
    )


arithmetic = st.recursive(
    st.sampled_from(["x", "y", "2", "0.5", "0", "hours_between(t, u)", "days_between(u, t)"]),
    grown,
    max_leaves=6,
)
SIGNS = ("=", "<>", "<", "<=", ">", ">=")
plain = st.one_of(
    st.tuples(arithmetic, st.sampled_from(SIGNS), arithmetic).map(" ".join),
    arithmetic.map("{} is null".format),
    st.sampled_from(
        ["p", "q", "p is true", "q is not false", "s = 'a'", "s <> r", "s in ('a', 'it''s')",
         "s not in ('b')", "r is not null", "t < u", "t = u", "x in (1, 3, 0.25)", "true"]
    ),
)  # fmt: skip
conditions = st.recursive(
    plain.map("({})".format),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join).map("({})".format),
        inner.map("(not {})".format),
    ),
    max_leaves=5,
)


@given(st.one_of(arithmetic, conditions), rows_of_any)
@settings(max_examples=300, deadline=None)
def test_numpy_and_the_engine_agree(text: str, rows: list[dict[str, Cell]]) -> None:
    assert same(evaluate(text, rows), ask(text, rows)), (
        text,
        evaluate(text, rows),
        ask(text, rows),
    )


def same(found: list[Cell], asked: list[Cell]) -> bool:
    return len(found) == len(asked) and all(
        type(a) is type(b) and (a == b or (a != a and b != b))  # noqa: PLR0124 - both not a number
        for a, b in zip(found, asked, strict=True)
    )


def test_columns_are_given_by_name() -> None:
    columns: Mapping[str, Values] = {
        "x": Values(Type.NUMBER, np.array([1.0, 2.0]), np.array([True, True]))
    }
    assert parse_expression("x * 2").evaluate(columns, 2).data.tolist() == [2.0, 4.0]
