from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from churnml.backtest.metrics import evaluate
from churnml.errors import TrainingError
from churnml.features.table import TrainingTable
from churnml.splits import Splits
from churnml.training import testing
from churnml.training.recipes import Recipe


def silent(_step: str, _share: float) -> None:
    pass


@pytest.fixture(scope="module")
def quick(recipe: Recipe) -> Recipe:
    model = recipe.model.model_copy(update={"max_rounds": 5})
    splits = Splits(test_cutoffs=2)
    return recipe.model_copy(update={"model": model, "splits": splits})


def against(quick: Recipe, baseline: str) -> Recipe:
    return Recipe(**{**dict(quick), "baseline": baseline})


@pytest.fixture(scope="module")
def tested(table: TrainingTable, quick: Recipe) -> testing.Tested:
    return testing.test(table, against(quick, "trend"), silent)


def test_each_test_is_told_by_itself(tested: testing.Tested) -> None:
    assert [item.cutoff for item in tested.by_cutoff] == [x.test_from for x in tested.splits]
    assert [item.rows for item in tested.by_cutoff] == [120, 120]
    rows = tested.frame.slice(120)
    last = tested.by_cutoff[1]
    assert last.churned == sum(rows["label"].to_pylist())
    assert last.expected == pytest.approx(sum(rows["probability"].to_pylist()), abs=1e-9)
    assert last.evaluation is not None
    assert (
        last.evaluation.metrics["auc"]
        == (evaluate(rows["label"], rows["probability"], rows["account_id"]).metrics["auc"])
    )
    assert tested.evaluation.rows == 240


def test_a_test_of_one_outcome_has_no_figures(table: TrainingTable, quick: Recipe) -> None:
    last = np.asarray(table.frame["cutoff"]) == np.asarray(table.frame["cutoff"]).max()
    label = np.where(last, 0, np.asarray(table.frame["label"])).astype(np.int8)
    place = table.frame.column_names.index("label")
    frame = table.frame.set_column(place, "label", pa.array(label))
    one, other = testing.test(replace(table, frame=frame), quick, silent).by_cutoff
    assert one.evaluation is not None
    assert (other.rows, other.churned, other.evaluation) == (120, 0, None)


def test_the_baseline_is_ranked_alone(
    tested: testing.Tested, table: TrainingTable, quick: Recipe
) -> None:
    rows = np.concatenate([item.test for item in tested.splits])
    frame = table.frame.take(pa.array(rows))
    alone = evaluate(frame["label"], frame["trend"], frame["account_id"], metrics=["auc"])
    assert tested.baseline is not None
    assert tested.baseline.second == alone.metrics["auc"].value
    assert tested.frame.column_names == ["account_id", "cutoff", "label", "probability"]
    turned = testing.test(table, against(quick, "-trend"), silent).baseline
    assert turned is not None
    assert turned.second == pytest.approx(1 - tested.baseline.second, abs=1e-12)


@pytest.mark.parametrize(("baseline", "missing"), [("logins[30d]:total, all", 1e9), ("empty", 0.0)])
def test_where_the_baseline_is_missing_it_is_riskiest(
    tested: testing.Tested, table: TrainingTable, quick: Recipe, baseline: str, missing: float
) -> None:
    rows = np.concatenate([item.test for item in tested.splits])
    frame = table.frame.take(pa.array(rows))
    filled = np.nan_to_num(frame[baseline].to_numpy(), nan=missing)
    alone = evaluate(frame["label"], filled, frame["account_id"], metrics=["auc"])
    found = testing.test(table, against(quick, baseline), silent).baseline
    assert found is not None
    assert found.second == alone.metrics["auc"].value


def test_without_the_usual_baseline_there_is_none(table: TrainingTable, quick: Recipe) -> None:
    assert testing.test(table, quick, silent).baseline is None


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ("-trnd", "baseline = '-trnd' names none of its features. Did you mean 'trend'"),
        ("plan", "baseline = 'plan' names string, no number. Name a number that the model sees"),
        ("days_since_use", "baseline = 'days_since_use' names none of its features"),
    ],
)
def test_a_baseline_that_was_asked_for_must_be_there(
    table: TrainingTable, quick: Recipe, baseline: str, said: str
) -> None:
    with pytest.raises(TrainingError, match=said):
        testing.test(table, against(quick, baseline), silent)
