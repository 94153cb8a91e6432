"""The studies of real input run the whole way, on a slice of their data."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from churnml.project import Project

STUDIES = ("online_retail", "fightchurn_socialnet7")
PARQUET = "(FORMAT parquet)"
# Every sixth customer is kept, every second account; of lines without one, whole half dozens.
RETAIL, SOCIAL = 6, 2
SLICES = {
    "online_retail": {
        "online_retail_II_2009_2010.parquet": f'coalesce("Customer ID", Quantity)'
        f"::BIGINT % {RETAIL} = 0",
        "online_retail_2010_2011.parquet": f"coalesce(CustomerID, Quantity)::BIGINT % {RETAIL} = 0",
    },
    "fightchurn_socialnet7": {
        "account.csv": f"id::BIGINT % {SOCIAL} = 0",
        "subscription.csv": f"account_id::BIGINT % {SOCIAL} = 0",
        "event_daily.csv.gz": f"account_id::BIGINT % {SOCIAL} = 0",
    },
}


@pytest.fixture
def real_input(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(root / "experiments")
    return importlib.import_module("real_input")


@pytest.fixture
def sliced(
    tmp_path: Path, outside_data: Callable[[str], Path], real_input: Any
) -> Callable[[str], Any]:
    """Run a study on some of its accounts, beside the same share of what was left without one."""

    def run(name: str) -> Any:
        source, some = outside_data(name), tmp_path / "some"
        some.mkdir()
        for file, kept in SLICES[name].items():
            form = PARQUET if file.endswith("parquet") else "(HEADER)"
            duckdb.execute(f"COPY (FROM '{source / file}' WHERE {kept}) TO '{some / file}' {form}")
        return real_input.run(real_input.assemble(name, some, tmp_path / "project"))

    return run


@pytest.mark.parametrize("name", STUDIES)
def test_the_configuration_is_a_project(root: Path, name: str) -> None:
    project = Project.load(root / "experiments" / name)
    (recipe,) = project.recipes.values()
    assert len(recipe.splits.test_at) == 2
    assert "days_since_use" in project.catalogue.columns


def test_a_retailer_is_read_labelled_and_tested_at_both_dates(
    sliced: Callable[[str], Any], real_input: Any
) -> None:
    result = sliced("online_retail")

    assert {table.name: (table.read, table.clean) for table in result.report.tables} == {
        "accounts": (990, 990),
        "usage": (137177, 127971),
        "orders": (5112, 5112),
    }
    tested = [(t.evaluation.rows, t.evaluation.positives, days(t)) for t in result.tests]
    assert tested == [(428, 212, ["2011-06-01"]), (462, 187, ["2011-09-01"])]
    text = real_input.shown(result)
    assert "| tested at | 2011-06-01 | 2011-09-01 |" in text
    assert (
        "| usage | 137,177 | 127,971 | 9,206 | 0 | `missing_value` of `account_id` 9,206 |" in text
    )


def test_monthly_subscribers_are_read_labelled_and_tested_at_both_dates(
    sliced: Callable[[str], Any],
) -> None:
    result = sliced("fightchurn_socialnet7")

    assert {t.name: (t.read, t.clean, t.left_out) for t in result.report.tables} == {
        "accounts": (810, 810, 0),
        "subscriptions": (3618, 3618, 0),
        "usage": (315751, 315751, 36940),
    }
    tested = [(t.evaluation.rows, t.evaluation.positives, days(t)) for t in result.tests]
    assert tested == [(609, 9, ["2020-05-01"]), (668, 10, ["2020-06-01"])]


def days(tested: Any) -> list[str]:
    return [str(part.test_from.date()) for part in tested.splits]
