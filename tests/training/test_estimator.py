from __future__ import annotations

import dataclasses
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pytest

from churnml.backtest.metrics import evaluate
from churnml.errors import TrainingError
from churnml.features.table import TrainingTable
from churnml.splits import Split
from churnml.training.calibration import Calibrator, probability
from churnml.training.estimator import FittedModel, fit
from churnml.training.recipes import CalibrationSpec, ModelSpec, Recipe

PLATT = CalibrationSpec()
LOGINS = "logins[30d]:total, all"


def test_it_learns_and_is_calibrated(
    table: TrainingTable, split: Split, fitted: FittedModel
) -> None:
    rows = table.frame.take(pa.array(split.validation))
    scores = fitted.model.score(rows)
    found = evaluate(rows["label"], scores.probability, rows["account_id"], draws=0).metrics
    assert found["auc"].value > 0.7
    assert found["calibration_slope"].value == pytest.approx(1, abs=0.03)
    assert (fitted.fit_rows, fitted.validation_rows) == (split.fit.size, split.validation.size)
    assert 1 <= fitted.rounds <= 60


def test_only_the_best_trees_are_kept(fitted: FittedModel) -> None:
    assert fitted.model.booster.num_trees() == fitted.rounds < 60


def test_the_same_seed_gives_the_same_trees_for_any_number_of_threads(
    table: TrainingTable, split: Split, recipe: Recipe, fitted: FittedModel
) -> None:
    def trees(**changes: object) -> str:
        spec = recipe.model.model_copy(update=changes)
        return fit(table, split, spec, PLATT).model.text.split("parameters:")[0]

    assert trees() == fitted.model.text.split("parameters:")[0]
    assert trees(num_threads=2) == trees()
    assert trees(seed=4) != trees()


def test_text_gives_back_the_trees_bit_by_bit(table: TrainingTable, fitted: FittedModel) -> None:
    matrix = fitted.model.encoding.matrix(table.frame)
    again = lgb.Booster(model_str=fitted.model.booster.model_to_string())
    first = np.asarray(fitted.model.booster.predict(matrix, raw_score=True))
    assert np.array_equal(first, np.asarray(again.predict(matrix, raw_score=True)))


def test_codes_come_from_the_rows_to_fit_alone(table: TrainingTable, fitted: FittedModel) -> None:
    assert "brand new" in table.frame["plan"].to_pylist()
    assert fitted.model.encoding.codes == {"plan": ("basic", "pro", "team"), "nameless": ()}


def test_contributions_add_up_to_the_calibrated_log_odds(
    table: TrainingTable, fitted: FittedModel
) -> None:
    scores = fitted.model.score(table.frame, contributions=True)
    assert scores.contributions is not None
    assert scores.contributions.shape == (table.frame.num_rows, len(table.features))
    total = scores.base + scores.contributions.sum(axis=1)
    np.testing.assert_allclose(total, scores.log_odds, atol=1e-9)
    np.testing.assert_allclose(probability(scores.log_odds), scores.probability, atol=0)
    calibrator = fitted.model.calibrator
    np.testing.assert_array_equal(
        scores.log_odds, calibrator.slope * scores.margin + calibrator.intercept
    )
    assert fitted.model.score(table.frame).contributions is None


def test_no_rows_no_scores(table: TrainingTable, fitted: FittedModel) -> None:
    scores = fitted.model.score(table.frame.slice(0, 0), contributions=True)
    assert scores.probability.size == 0
    assert scores.contributions is not None
    assert scores.contributions.shape == (0, len(table.features))


def test_constraints_bind_numbers_and_never_categories(
    table: TrainingTable, split: Split, recipe: Recipe, fitted: FittedModel
) -> None:
    """A constraint on the category 'plan' would abort the process; it is left out."""
    assert fitted.parameters["monotone_constraints"] == [-1, 0, 0, 0, 0, 0, 0]
    row = table.frame.slice(0, 40).drop([LOGINS])

    def at(logins: float) -> np.ndarray:
        frame = row.append_column(LOGINS, [np.full(40, logins)])
        return fitted.model.score(frame).margin

    steps = np.array([at(logins) for logins in range(25)])
    assert (np.diff(steps, axis=0) <= 0).all()
    assert (steps[0] > steps[-1]).all()
    free = fit(table, split, recipe.model.model_copy(update={"monotone": False}), PLATT)
    assert "monotone_constraints" not in free.parameters


def test_classes_keep_their_balance(fitted: FittedModel) -> None:
    assert not {"scale_pos_weight", "is_unbalance"} & set(fitted.parameters)


def test_calibration_may_be_left_out(
    table: TrainingTable, split: Split, recipe: Recipe, fitted: FittedModel
) -> None:
    plain = fit(table, split, recipe.model, CalibrationSpec(method="none"))
    assert plain.model.calibrator == Calibrator()
    assert plain.model.text == fitted.model.text
    scores = plain.model.score(table.frame)
    assert np.array_equal(scores.margin, scores.log_odds)


def test_a_side_without_churn_is_an_error(
    table: TrainingTable, split: Split, recipe: Recipe
) -> None:
    label = np.asarray(table.frame["label"]).copy()
    label[split.validation] = 0
    position = table.frame.column_names.index("label")
    quiet = dataclasses.replace(
        table, frame=table.frame.set_column(position, "label", pa.array(label))
    )
    with pytest.raises(TrainingError, match="0 of 480 validation rows churned"):
        fit(quiet, split, recipe.model, PLATT)
    label[:] = 1
    loud = dataclasses.replace(
        table, frame=table.frame.set_column(position, "label", pa.array(label))
    )
    with pytest.raises(TrainingError, match=r"of .* rows to fit churned"):
        fit(loud, split, recipe.model, PLATT)


def test_nothing_to_learn_still_gives_the_base_rate(
    table: TrainingTable, split: Split, recipe: Recipe
) -> None:
    """With leaves too large for the rows no tree can split; everyone gets the same probability."""
    spec = ModelSpec(**{**recipe.model.model_dump(), "min_data_in_leaf": 10_000})
    dull = fit(table, split, spec, PLATT)
    assert dull.model.calibrator.guarded
    rows = table.frame.take(pa.array(split.validation))
    scores = dull.model.score(rows, contributions=True)
    rate = float(np.mean(np.asarray(rows["label"])))
    assert scores.probability == pytest.approx(rate, abs=0.01)
    assert scores.contributions is not None
    np.testing.assert_allclose(scores.base + scores.contributions.sum(axis=1), scores.log_odds)


def test_nothing_is_written_to_the_working_directory(
    table: TrainingTable,
    split: Split,
    recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    fit(table, split, recipe.model, PLATT)
    assert list(tmp_path.iterdir()) == []
