from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from churnml.errors import TrainingError
from churnml.features.table import TrainingTable
from churnml.labels import ColumnLabel
from churnml.splits import Splits, split
from churnml.training.recipes import Recipe
from churnml.training.sufficiency import (
    Sufficiency,
    SufficiencySpec,
    assess,
    effective,
    half_width,
    require,
)

if TYPE_CHECKING:
    from churnml.training.workflow import Trained


@pytest.fixture(scope="module")
def found(table: TrainingTable, recipe: Recipe) -> Sufficiency:
    return assess(table, split(table.frame, recipe.splits, recipe.label, recipe.cutoffs))


def without_churn(table: TrainingTable, keep: float) -> TrainingTable:
    """Keep the first accounts' churn alone."""
    label = np.asarray(table.frame["label"]).copy()
    account = np.array([int(name[1:]) for name in table.frame["account_id"].to_pylist()])
    label[account >= keep] = 0
    at = table.frame.column_names.index("label")
    return replace(table, frame=table.frame.set_column(at, "label", pa.array(label)))


def test_an_area_has_the_error_that_hanley_and_mcneil_give_it() -> None:
    # (.893 · .107 + 50 · (.8067 − .7974) + 57 · (.8425 − .7974)) / (51 · 58), by hand.
    first, second = 0.893 / 1.107, 2 * 0.893**2 / 1.893
    variance = 0.893 * 0.107 + 50 * (first - 0.893**2) + 57 * (second - 0.893**2)

    assert half_width(0.893, 51, 58) == pytest.approx(1.96 * math.sqrt(variance / (51 * 58)))
    # Their own standard error for this table of theirs is 0.0325.
    assert half_width(0.893, 51, 58) == pytest.approx(1.96 * 0.0325, abs=0.0002)


def test_no_churn_has_no_interval() -> None:
    assert math.isnan(half_width(0.75, 0, 100))


def test_accounts_are_counted_and_not_their_rows() -> None:
    label = np.array([True, True, True, True, False, False])
    account = np.array([0, 0, 1, 1, 2, 3])

    assert effective(label, account) == (2, 2)


def test_uneven_accounts_count_for_less() -> None:
    label = np.array([True, True, True, True, False])
    account = np.array([0, 0, 0, 1, 2])

    assert effective(label, account) == (16 / 10, 1)


def test_what_there_is_is_counted(table: TrainingTable, found: Sufficiency) -> None:
    label = np.asarray(table.frame["label"])
    account = np.array(table.frame["account_id"].to_pylist())

    assert (found.rows, found.accounts, found.features) == (1680, 120, 7)
    assert found.churned_rows == label.sum()
    assert found.churned == np.unique(account[label == 1]).size
    assert found.base_rate == pytest.approx(label.mean())
    assert len(found.periods) == found.periods_with_churn == 14
    assert found.periods[0].cutoff == "2023-01-01T00:00:00"
    assert sum(item.churned for item in found.periods) == found.churned_rows
    assert found.tested <= found.churned
    assert found.events_per_feature == found.taught / 7


def test_it_is_told_in_two_or_three_lines(found: Sufficiency) -> None:
    few = replace(found, features=1000)

    assert [len(found.lines), len(few.lines)] == [2, 3]
    assert found.lines[0].startswith(f"{found.churned} of 120 accounts churned (")
    assert f"± {found.half_width:.3f}" in found.lines[1]
    nobody = replace(found, tested=0, half_width=math.nan)
    assert nobody.lines[1].endswith(" and 0 test: no AUC can be told of that.")


def test_enough_is_not_refused(found: Sufficiency, recipe: Recipe) -> None:
    require(found, SufficiencySpec(), recipe.label)


def test_too_little_is_refused_with_what_is_there_and_what_would_help(
    table: TrainingTable, recipe: Recipe
) -> None:
    few = without_churn(table, keep=6)
    parts = split(few.frame, recipe.splits, recipe.label, recipe.cutoffs)

    with pytest.raises(TrainingError) as refused:
        require(assess(few, parts), SufficiencySpec(), recipe.label)

    message = str(refused.value)
    assert "6 churned accounts to learn from, where [sufficiency] min_churned = 30" in message
    assert "churned accounts to test on, where [sufficiency] min_tested = 10" in message
    assert "a longer horizon than 30 days" in message


@pytest.mark.parametrize(
    ("taught", "tested", "remedy"),
    [(20, 50, "a shorter horizon than 30 days"), (50, 5, "raise test_cutoffs")],
)
def test_the_remedy_fits_the_want(
    found: Sufficiency, recipe: Recipe, taught: int, tested: int, remedy: str
) -> None:
    with pytest.raises(TrainingError, match=remedy):
        require(replace(found, taught=taught, tested=tested), SufficiencySpec(), recipe.label)


def test_fewer_tests_leave_the_last_one_no_more_to_learn_from(
    table: TrainingTable, recipe: Recipe, found: Sufficiency
) -> None:
    one = split(table.frame, Splits(test_cutoffs=1), recipe.label, recipe.cutoffs)
    assert assess(table, one).taught == found.taught


def test_a_flat_table_is_asked_for_accounts(found: Sufficiency) -> None:
    label = ColumnLabel(kind="column", file="t.csv", column="left", positive=1)

    with pytest.raises(TrainingError, match=r"Bring more accounts that churned\."):
        require(replace(found, taught=3), SufficiencySpec(), label)


def test_a_recipe_may_lower_the_floor(found: Sufficiency, recipe: Recipe) -> None:
    few = replace(found, taught=3, tested=1)

    require(few, SufficiencySpec(min_churned=3, min_tested=1), recipe.label)


def test_training_keeps_it_in_the_sheet(trained: Trained) -> None:
    path = trained.prepared.path
    assert path is not None

    sheet = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))

    told = sheet["sufficiency"]
    assert told == trained.prepared.sheet["sufficiency"]
    assert told["rows"] == sheet["rows"]
    assert 0 < told["half_width"] < 0.2
