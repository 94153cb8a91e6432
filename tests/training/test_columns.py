from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from churnml.training.columns import Columns

N = 60


def choose(column: pa.Array, name: str = "x") -> Columns:
    return Columns.choose(pa.table({name: column, "n": list(range(0, 3 * N, 3))}), [name])


@pytest.mark.parametrize(
    ("column", "categorical"),
    [
        (pa.array([1.5, 2.5] * 30), False),
        (pa.array([True, False] * 30), False),
        (pa.array(["a", "b"] * 30), True),
        (pa.array(["a", None] * 30), True),
        (pa.array(["1", " 2.5 ", "", "nan"] * 15), False),
        (pa.array([dt.date(2024, 1, 1), dt.date(2024, 1, 2)] * 30), False),
        (pa.array(["only", None] * 30), True),  # whether it is there says something
        (pa.array([str(n % 12) + "x" for n in range(N)]), True),
        (pa.array([f"name {n % 20}" for n in range(N)]), True),
    ],
)
def test_what_describes_is_learnt_from(column: pa.Array, categorical: bool) -> None:
    found = choose(column)
    assert found.features == ("x",)
    assert found.categorical == (("x",) if categorical else ())
    assert not found.left_out


def test_a_word_that_makes_a_category_of_numbers_is_told() -> None:
    months = pa.array([*(str(n % 30) for n in range(300)), "unknown", "-", None])
    found = Columns.choose(pa.table({"months": months}), ["months"])
    assert found.categorical == ("months",)
    assert found.doubted == {
        "months": "holds 30 numbers, and 'unknown', '-', which is none; leave blank what is not "
        "known"
    }
    assert not Columns.choose(pa.table({"months": months}), ["months"], keep=["months"]).doubted
    plans = pa.array([*(str(n % 5) for n in range(300)), "flex"])
    assert not Columns.choose(pa.table({"plan": plans}), ["plan"]).doubted
    codes = pa.array([f"{n % 30}{'x' * (n % 2)}" for n in range(300)])
    assert not Columns.choose(pa.table({"code": codes}), ["code"]).doubted


@pytest.mark.parametrize(
    ("column", "name", "why"),
    [
        (pa.nulls(N, pa.float64()), "x", "holds no value"),
        (pa.nulls(N), "x", "holds no value"),
        (pa.array([3] * N), "x", "holds one value only"),
        (
            pa.array([f"name {n}" for n in range(N)]),
            "x",
            "names rather than describes: 60 values in 60 rows",
        ),
        (
            pa.array([f"name {n // 2}" for n in range(N)]),
            "x",
            "names rather than describes: 30 values in 60 rows",
        ),
        (pa.array(range(7, 7 + N)), "x", "identifies: each of 60 rows has a number of its own"),
        (
            pa.array([n * n * 17 for n in range(N)]),
            "CustomerId",
            "identifies: each of 60 rows has a number of its own",
        ),
        (
            pa.array([*(f" {n}.5" for n in range(N - 1)), "n. v."]),
            "x",
            "holds 59 numbers, and 'n. v.', which is none; leave blank what is not known",
        ),
        (
            pa.array(["2024-01-01T10:00Z", "2024-01-01T10:00"] * 30),
            "x",
            "holds times with a zone beside others without, which may be hours off",
        ),
        (pa.array([[1]] * N), "x", "holds list<item: int64>, which a model cannot read"),
    ],
)
def test_what_only_names_or_says_nothing_is_left_out(column: pa.Array, name: str, why: str) -> None:
    found = choose(column, name)
    assert found.features == ()
    assert dict(found.left_out) == {name: why}


@pytest.mark.parametrize(
    "name", ["id", "ID", "user_id", "customerID", "customerid", "row-number", "PostCode", "index"]
)
def test_identifiers_are_known_by_their_last_word(name: str) -> None:
    assert choose(pa.array([n * n * 17 for n in range(N)]), name).features == ()


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "__index_level_0__", "level_0"])
def test_numbers_of_rows_that_pandas_wrote_are_known_in_a_sample(name: str) -> None:
    assert choose(pa.array([n * n * 17 for n in range(N)]), name).features == ()
    assert choose(pa.array([f"r{n % 3}" for n in range(N)]), name).features == (name,)


def test_amounts_that_never_repeat_are_no_identifiers() -> None:
    for name in ("spent", "total_paid", "overpaid", "grid", "price_of_index_funds"):
        assert choose(pa.array([n * n * 17 for n in range(N)]), name).features == (name,)
    assert choose(pa.array([n * 1.5 for n in range(N)]), "user_id").features == ("user_id",)


def test_identifiers_are_known_however_their_numbers_are_written() -> None:
    whole = [n * n * 17 for n in range(N)]
    assert choose(pa.array([float(n) for n in whole]), "customer_id").features == ()
    assert choose(pa.array([None, *map(float, range(N - 1))]), "x").features == ()
    assert choose(pa.array([str(10_000 + n) for n in range(N)]), "x").features == ()
    assert choose(pa.array([float(n) for n in whole]), "spent").features == ("spent",)
    assert choose(pa.array([str(n) for n in whole]), "spent").features == ("spent",)


def test_what_is_kept_by_name_is_not_judged() -> None:
    table = pa.table({"id": [str(n) + "x" for n in range(N)]})
    assert Columns.choose(table, ["id"], keep=["id"]).categorical == ("id",)
