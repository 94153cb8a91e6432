from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pytest

from churnml.backtest.metrics import evaluate
from churnml.errors import TrainingError
from churnml.features.table import TrainingTable
from churnml.splits import Split, span
from churnml.training.calibration import Calibrator, fit_platt, probability
from churnml.training.estimator import FittedModel, fit
from churnml.training.judgement import FAIR, Judgement
from churnml.training.merging import merge
from churnml.training.recipes import CalibrationSpec, Recipe
from churnml.training.shapes import Shape

PLATT = CalibrationSpec()
LOGINS = "logins[30d]:total, all"


def test_it_learns_and_is_calibrated(
    table: TrainingTable, split: Split, later: pa.Table, fitted: FittedModel
) -> None:
    scores = fitted.model.score(later)
    found = evaluate(later["label"], scores.probability, later["account_id"], draws=0).metrics
    assert found["auc"].value > 0.7
    assert found["calibration_slope"].value == pytest.approx(1, abs=0.2)
    learnt = table.frame.take(pa.array(split.learn))
    assert (fitted.rows, fitted.accounts) == (split.learn.size, 120) == (1200, 120)
    assert fitted.churned == sum(learnt["label"].to_pylist())
    assert fitted.cutoffs == span(learnt)


def test_it_is_calibrated_on_what_its_members_had_not_seen(
    table: TrainingTable, split: Split, fitted: FittedModel
) -> None:
    label = np.asarray(table.frame["label"], dtype=float)[split.learn]
    assert fitted.model.calibrator == fit_platt(fitted.ensemble.held_out, label)
    # What they had seen they know too well: a calibrator of that would be surer of itself.
    seen = fitted.model.score(table.frame.take(pa.array(split.learn))).margin
    assert fit_platt(seen, label).slope > 1.2 * fitted.model.calibrator.slope


def test_only_the_best_trees_are_kept(fitted: FittedModel) -> None:
    assert len(fitted.model.fold_trees) == 3
    assert all(1 <= trees < 60 for trees in fitted.model.fold_trees)
    assert fitted.model.booster.num_trees() == sum(fitted.model.fold_trees)
    assert [part.num_trees() for part in fitted.model.by_fold] == list(fitted.model.fold_trees)


def test_the_spread_is_the_jackknife_of_the_folds(
    table: TrainingTable, fitted: FittedModel
) -> None:
    """Efron and Tibshirani (1993), formula 11.5, by LightGBM's own count of trees."""
    model = fitted.model
    matrix = model.encoding.matrix(table.frame.slice(0, 50))
    without, begin = [], 0
    for trees in model.fold_trees:
        part = model.booster.predict(
            matrix, raw_score=True, start_iteration=begin, num_iteration=trees
        )
        without.append(3 * np.asarray(part))
        begin += trees
    mean = (without[0] + without[1] + without[2]) / 3
    squares = sum((margin - mean) ** 2 for margin in without)
    scores = model.score(table.frame.slice(0, 50))
    np.testing.assert_allclose(scores.margin, mean, rtol=0, atol=1e-12)
    assert isinstance(model.calibrator, Calibrator)
    squares = (FAIR * model.calibrator.slope) ** 2 * 2 / 3 * squares
    squares += model.judgement.doubt.variance(scores.margin)
    np.testing.assert_allclose(scores.spread, np.sqrt(squares), rtol=1e-9)
    assert (scores.spread > 0).all()


def test_members_that_agree_leave_no_spread(
    table: TrainingTable, split: Split, recipe: Recipe, fitted: FittedModel
) -> None:
    text = merge([(fitted.model.by_fold[0].model_to_string(), 1.0)] * 3)
    trees = fitted.model.fold_trees[0]
    same = dataclasses.replace(fitted.model, text=text, fold_trees=(trees,) * 3)
    same = dataclasses.replace(same, judgement=Judgement())
    np.testing.assert_allclose(same.score(table.frame.slice(0, 50)).spread, 0, atol=1e-12)


def test_the_same_seed_gives_the_same_trees_for_any_number_of_threads(
    table: TrainingTable, split: Split, recipe: Recipe, fitted: FittedModel
) -> None:
    def trees(**changes: object) -> str:
        spec = recipe.model.model_copy(update=changes)
        return fit(table, split.learn, spec, PLATT).model.text

    assert trees() == fitted.model.text
    assert trees(num_threads=2) == trees()
    assert trees(seed=4) != trees()


def test_text_gives_back_the_trees_bit_by_bit(table: TrainingTable, fitted: FittedModel) -> None:
    matrix = fitted.model.encoding.matrix(table.frame)
    again = lgb.Booster(model_str=fitted.model.booster.model_to_string())
    first = np.asarray(fitted.model.booster.predict(matrix, raw_score=True))
    assert np.array_equal(first, np.asarray(again.predict(matrix, raw_score=True)))


def test_codes_come_from_the_rows_to_learn_from_alone(
    table: TrainingTable, fitted: FittedModel
) -> None:
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
    assert isinstance(calibrator, Calibrator)
    np.testing.assert_array_equal(
        scores.log_odds, calibrator.slope * scores.margin + calibrator.intercept
    )
    assert fitted.model.score(table.frame).contributions is None


def test_no_rows_no_scores(table: TrainingTable, fitted: FittedModel) -> None:
    scores = fitted.model.score(table.frame.slice(0, 0), contributions=True)
    assert scores.probability.size == scores.spread.size == 0
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
    free = fit(table, split.learn, recipe.model.model_copy(update={"monotone": False}), PLATT)
    assert "monotone_constraints" not in free.parameters


def test_classes_keep_their_balance(fitted: FittedModel) -> None:
    assert not {"scale_pos_weight", "is_unbalance"} & set(fitted.parameters)


def test_calibration_may_be_left_out(
    table: TrainingTable, split: Split, recipe: Recipe, fitted: FittedModel
) -> None:
    plain = fit(table, split.learn, recipe.model, CalibrationSpec(method="none"))
    assert plain.model.calibrator == Calibrator()
    assert plain.model.text == fitted.model.text
    scores = plain.model.score(table.frame)
    assert np.array_equal(scores.margin, scores.log_odds)


def relabelled(table: TrainingTable, churned: Collection[str]) -> TrainingTable:
    """Let these accounts churn in all their rows, and no others."""
    label = [int(name in churned) for name in table.frame["account_id"].to_pylist()]
    position = table.frame.column_names.index("label")
    frame = table.frame.set_column(position, "label", pa.array(label, pa.int8()))
    return dataclasses.replace(table, frame=frame)


@pytest.mark.parametrize("churned", [0, 1, 119, 120])
def test_fewer_than_two_accounts_of_an_outcome_are_an_error(
    table: TrainingTable, split: Split, recipe: Recipe, churned: int
) -> None:
    one_sided = relabelled(table, [f"a{n}" for n in range(churned)])
    with pytest.raises(
        TrainingError,
        match=f"those of {churned} accounts? churned and those of {120 - churned} accounts? did "
        "not; a model needs two accounts of each",
    ):
        fit(one_sided, split.learn, recipe.model, PLATT)


def test_accounts_that_all_left_in_the_end_are_learned_from(
    table: TrainingTable, split: Split, recipe: Recipe
) -> None:
    """Each of them stayed in some of its rows: these are the rows that did not churn."""
    label = np.asarray(table.frame["label"])[split.learn]
    accounts = np.asarray(table.frame["account_id"].to_pylist())[split.learn]
    both = set(accounts[label == 1]) & set(accounts[label == 0])
    rows = split.learn[[name in both for name in accounts]]
    assert len(fit(table, rows, recipe.model, PLATT).model.fold_trees) == 3


@pytest.mark.parametrize(("churned", "folds"), [(2, 2), (3, 3), (118, 2), (60, 3)])
def test_there_are_no_more_folds_than_accounts_of_either_outcome(
    table: TrainingTable, split: Split, recipe: Recipe, churned: int, folds: int
) -> None:
    few = relabelled(table, [f"a{n}" for n in range(churned)])
    assert len(fit(few, split.learn, recipe.model, PLATT).model.fold_trees) == folds


def test_progress_is_told(table: TrainingTable, split: Split, recipe: Recipe) -> None:
    told: list[float] = []
    fit(table, split.learn, recipe.model, PLATT, told.append)
    np.testing.assert_allclose(told, [0, 1 / 3, 2 / 3])


def test_nothing_to_learn_still_gives_the_base_rate(
    table: TrainingTable, split: Split, recipe: Recipe
) -> None:
    """With leaves too large for the rows no tree can split; everyone gets the same probability."""
    mute = Shape(name="mute", min_data_in_leaf=10_000)
    spec = recipe.model.model_copy(update={"own_shapes": (mute,)})
    dull = fit(table, split.learn, spec, PLATT)
    assert isinstance(dull.model.calibrator, Calibrator)
    assert dull.model.calibrator.guarded
    rows = table.frame.take(pa.array(split.learn))
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
    fit(table, split.learn, recipe.model, PLATT)
    assert list(tmp_path.iterdir()) == []
