"""Tuning goes on where it stopped, looks at nothing later, and its shapes are what it says."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import optuna
import pyarrow as pa
import pytest

from churnml.errors import TrainingError
from churnml.features.table import TrainingTable
from churnml.splits import split
from churnml.training import tuning
from churnml.training.recipes import Recipe
from churnml.training.shapes import SHAPES
from churnml.training.tuning import KEPT, Tuned, tune


def silent(_: float) -> None:
    pass


@pytest.fixture(scope="module")
def quick(recipe: Recipe) -> Recipe:
    fast = {"max_rounds": 8, "early_stopping_rounds": 4, "folds": 2}
    return recipe.model_copy(update={"model": recipe.model.model_copy(update=fast)})


@pytest.fixture(scope="module")
def rows(table: TrainingTable, quick: Recipe) -> np.ndarray:
    return split(table.frame, quick.splits, quick.label, quick.cutoffs)[0].learn


def search(
    table: TrainingTable, rows: np.ndarray, recipe: Recipe, trials: int, folder: Path
) -> Tuned:
    return tune(table, rows, recipe, trials=trials, storage=folder / "t.db", told=silent)


def test_it_tries_what_is_shipped_and_goes_on_where_it_stopped(
    table: TrainingTable, rows: np.ndarray, quick: Recipe, tmp_path: Path
) -> None:
    shipped = search(table, rows, quick, len(SHAPES), tmp_path)
    assert (shipped.trials, shipped.drawn, shipped.shapes) == (len(SHAPES), 0, ())
    assert 0 < shipped.shipped < 1
    more = search(table, rows, quick, len(SHAPES) + 4, tmp_path)
    assert (more.trials, more.drawn) == (len(SHAPES) + 4, 4)
    assert more.shipped == shipped.shipped
    assert len(more.shapes) <= KEPT
    assert [shape.name for shape in more.shapes] == [
        f"tuned-{place}" for place in range(1, len(more.shapes) + 1)
    ]
    assert list(more.losses) == sorted(more.losses)
    assert more.judged_by == "later cutoffs"
    told: list[float] = []
    again = tune(
        table, rows, quick, trials=more.trials, storage=tmp_path / "t.db", told=told.append
    )
    assert (again, told) == (more, [])


def test_a_shape_whose_trial_was_killed_is_tried_again(
    table: TrainingTable, rows: np.ndarray, quick: Recipe, tmp_path: Path
) -> None:
    search(table, rows, quick, 2, tmp_path)
    (name,) = optuna.get_all_study_names(storage := f"sqlite:///{tmp_path / 't.db'}")
    study = optuna.load_study(study_name=name, storage=storage)
    killed = study.ask()
    found = search(table, rows, quick, len(SHAPES), tmp_path)
    assert (found.trials, found.shapes) == (len(SHAPES), ())
    states = [trial.state.name for trial in study.get_trials()]
    assert states[killed.number] == "FAIL"
    assert "RUNNING" not in states


def test_a_search_that_is_interrupted_ends_without_noise(
    table: TrainingTable,
    rows: np.ndarray,
    quick: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tuning, "grow", interrupt)
        patch.setattr(logging.getLogger("optuna"), "propagate", True)
        with pytest.raises(KeyboardInterrupt):
            search(table, rows, quick, 2, tmp_path)

    assert caplog.messages == []
    assert search(table, rows, quick, 2, tmp_path).trials == 2


def test_another_question_shares_no_trials(
    table: TrainingTable, rows: np.ndarray, quick: Recipe, tmp_path: Path
) -> None:
    search(table, rows, quick, 2, tmp_path)
    prints = dataclasses.replace(table.fingerprints, data="e" * 64)
    other = dataclasses.replace(table, fingerprints=prints)
    assert search(other, rows, quick, 1, tmp_path).trials == 1


def test_labels_of_later_rows_change_nothing(
    table: TrainingTable, rows: np.ndarray, quick: Recipe, tmp_path: Path
) -> None:
    label = np.asarray(table.frame["label"]).copy()
    later = np.setdiff1d(np.arange(label.size), rows)
    assert later.size
    label[later] = 1 - label[later]
    place = table.frame.column_names.index("label")
    turned = dataclasses.replace(
        table, frame=table.frame.set_column(place, "label", pa.array(label))
    )
    first = search(table, rows, quick, 3, tmp_path / "a")
    assert search(turned, rows, quick, 3, tmp_path / "b") == first


def test_without_times_accounts_judge(table: TrainingTable, quick: Recipe, tmp_path: Path) -> None:
    flat = dataclasses.replace(table, frame=table.frame.drop_columns(["cutoff"]))
    found = search(flat, np.arange(table.frame.num_rows), quick, 1, tmp_path)
    assert found.judged_by == "held-out accounts"
    few = np.flatnonzero(np.isin(table.frame["account_id"].to_pylist(), ["a1", "a2"]))
    with pytest.raises(TrainingError, match=r"tuning needs 3 of each at least"):
        search(flat, few, quick, 1, tmp_path)


def test_trials_that_cannot_be_kept_are_an_error(
    table: TrainingTable, rows: np.ndarray, quick: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "t.db").write_text("no database, and long enough to be taken for none at all")
    with pytest.raises(
        TrainingError,
        match=r"t\.db: trials cannot be kept: file is not a database\. If the file is damaged, "
        r"move it away to begin anew; else grant access and free space there\.$",
    ):
        search(table, rows, quick, 1, tmp_path)


def test_trials_that_are_lost_on_the_way_are_an_error(
    table: TrainingTable, rows: np.ndarray, quick: Recipe, tmp_path: Path
) -> None:
    def lose(_: float) -> None:
        (tmp_path / "t.db").write_text("no database, and long enough to be taken for none at all")

    with pytest.raises(TrainingError, match=r"t\.db: trials cannot be kept: "):
        tune(table, rows, quick, trials=1, storage=tmp_path / "t.db", told=lose)
