from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churnml.errors import FeatureError
from churnml.features.catalogue import Catalogue, Feature
from churnml.features.custom import load_function, run_functions
from churnml.features.entries import FeatureEntry
from churnml.features.facts import compile_catalogue
from churnml.history.asof import AsOfView, History

CUTOFF = dt.datetime(2025, 3, 1)
ACCOUNTS = ("b", "a")
Write = Callable[[str], str]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module of the project's own, and name its function."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_feature", raising=False)

    def write(body: str) -> str:
        (tmp_path / "own_feature.py").write_text(body)
        return "own_feature:f"

    yield write
    sys.modules.pop("own_feature", None)


def history() -> History:
    rows = pa.table(
        {
            "account_id": ["a", "a", "b"],
            "occurred_at": [CUTOFF - dt.timedelta(days=1), CUTOFF, CUTOFF + dt.timedelta(days=1)],
            "event": ["login"] * 3,
        }
    )
    return History.from_tables({"usage": rows}, observed_until=CUTOFF + dt.timedelta(days=9))


def values(function: str) -> list[float]:
    entry = FeatureEntry(
        name="own", description="x.", unit="count", function=function, sentence="own: {value}"
    )
    feature = Feature("own", "acme", entry, None, 0, "acme.toml")
    held = history()
    program = compile_catalogue(Catalogue((feature,), {"acme": "Acme"}), held.contracts)
    micros = int(CUTOFF.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
    column = run_functions(held, program, ACCOUNTS, np.array([micros, micros]))["own"]
    found: list[float] = column.data.tolist()
    return found


def returned(monkeypatch: pytest.MonkeyPatch, result: Any) -> list[float]:
    monkeypatch.setattr(sys.modules[__name__], "made", result)
    return values(f"{__name__}:make")


made: Any = None


def make(_view: AsOfView, _accounts: tuple[str, ...]) -> Any:
    return made


@pytest.mark.parametrize(
    "result",
    [
        [2, None],
        (2.0, float("nan")),
        np.array([2.0, np.nan]),
        pa.array([2, None]),
        pa.chunked_array([[2.0], [None]]),
        pd.Series([2.0, None]),
        pd.Series([2.0, None], index=["b", "a"]),
        pd.Series([2, None], dtype="Int64"),
    ],
)
def test_values_come_in_the_order_of_the_accounts(
    monkeypatch: pytest.MonkeyPatch, result: Any
) -> None:
    np.testing.assert_array_equal(returned(monkeypatch, result), [2.0, np.nan])


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (1.0, "returned a float; expected a list of one number for each account"),
        (None, "returned a NoneType; expected a list"),
        ("12", "returned a str; expected a list"),
        ({"a": 1.0, "b": 2.0}, "returned a dict; expected a list"),
        ((n for n in (1.0, 2.0)), "returned a generator; expected a list"),
        (pd.DataFrame({"a": [1.0, 2.0]}), "returned a DataFrame; expected a list"),
        (["12", "13"], "returned '12' for account 'b'; expected a finite number"),
        (np.zeros((2, 2)), r"returned array\(\[0., 0.\]\) for account 'b'"),
        ([10**400, 1], "for account 'b'; expected a finite number"),
        (pd.Series([1.0, 2.0], index=["a", "b"]), r"whose index is not the accounts .*reindex"),
        (pd.Series([1.0, 2.0], index=[1, 0]), "whose index is not the accounts"),
    ],
)
def test_what_cannot_be_told_to_be_in_order_is_refused(
    monkeypatch: pytest.MonkeyPatch, result: Any, why: str
) -> None:
    with pytest.raises(FeatureError, match=why):
        returned(monkeypatch, result)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            "def f(view, accounts):\n    return {}['gone']\n",
            r"'own': own_feature:f failed at cutoff 2025-03-01 00:00:00: KeyError: .gone. \(.*e 2",
        ),
        (
            "def f(view, accounts):\n    return view.table('usages')\n",
            r"'own'.*DataError: history has no table 'usages'\. Did you mean 'usage'\? \(.*line 2",
        ),
        ("def f(view):\n    return []\n", r"'own'.*TypeError: f\(\) takes 1 positional"),
        ("def f(view) return []\n", r"cannot be imported: SyntaxError: expected ':'"),
        ("x = unknown\n", r"cannot be imported: NameError: name 'unknown' is not defined"),
    ],
)
def test_code_that_fails_is_told_with_its_line(own: Write, body: str, why: str) -> None:
    with pytest.raises(FeatureError, match=why):
        values(own(body))


def test_a_function_sees_what_was_known_and_nothing_else(own: Write) -> None:
    seen = own(
        "def f(view, accounts):\n"
        "    found = view.table('usage')['account_id'].to_pylist()\n"
        "    return [found.count(account) for account in accounts]\n"
    )
    assert values(seen) == [0.0, 1.0]


def test_a_function_is_not_handed_what_became_known_later(own: Write) -> None:
    later = own("def f(view, accounts):\n    return [view.history.hindsight('usage').num_rows]\n")
    with pytest.raises(FeatureError, match="'AsOfView' object has no attribute 'history'"):
        values(later)


def test_a_module_can_be_loaded_by_name(own: Write) -> None:
    name = own("def f(view, accounts):\n    return [1.0, 2.0]\n")
    assert load_function(name)(history().as_of(CUTOFF), ACCOUNTS) == [1.0, 2.0]
