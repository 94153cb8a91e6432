from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from churnml.backtest.shift import Shift
from churnml.errors import TrainingError
from churnml.features.table import TrainingTable
from churnml.splits import apart
from churnml.training.hindcasts import Hindcast, held, hindcasts, learn
from churnml.training.recipes import CalibrationSpec, Recipe

DAY = dt.timedelta(days=1)


def silent(_step: str, _share: float) -> None:
    pass


@pytest.fixture(scope="module")
def past(table: TrainingTable, recipe: Recipe) -> tuple[Hindcast, ...]:
    return hindcasts(table, recipe, silent)


def test_tests_lie_a_horizon_apart_back_from_the_latest(
    table: TrainingTable, recipe: Recipe
) -> None:
    """61 and 62 days are apart enough for a horizon of 60; 30 and 31 are not."""
    label = recipe.label.model_copy(update={"horizon_days": 60})
    found = apart(table.frame, label, recipe.cutoffs, 9)
    assert [part.test_from for part in found] == [
        dt.datetime(2023 + month // 12, month % 12 + 1, 1) for month in range(3, 14, 2)
    ]
    assert len(apart(table.frame, recipe.label, recipe.cutoffs, 2)) == 2
    flat = table.frame.drop_columns(["cutoff"])
    assert apart(flat, recipe.label, recipe.cutoffs, 9) == ()
    assert apart(table.frame.slice(0, 0), recipe.label, recipe.cutoffs, 9) == ()


def test_each_is_made_by_a_model_that_saw_nothing_later(
    table: TrainingTable, recipe: Recipe, past: tuple[Hindcast, ...]
) -> None:
    """Whatever came after a past forecast was made does not move it."""
    early = past[0]
    times = np.asarray(table.frame["cutoff"], dtype="datetime64[us]")
    later = times + np.timedelta64(recipe.label.reach_days, "D") > np.datetime64(early.cutoff)
    labels = np.asarray(table.frame["label"])
    turned = np.where(later, 1 - labels, labels).astype(np.int8)
    place = table.frame.column_names.index("label")
    frame = table.frame.set_column(place, "label", pa.array(turned))
    again = hindcasts(replace(table, frame=frame), recipe, silent)[0]
    assert again.cutoff == early.cutoff
    assert np.array_equal(again.log_odds, early.log_odds)
    assert np.array_equal(again.label, 1 - early.label)


def test_what_came_is_known_when_the_label_is(past: tuple[Hindcast, ...]) -> None:
    for item in past:
        assert item.known_at == item.cutoff + (30 + 7) * DAY


def test_an_interval_learns_only_from_outcomes_that_were_known(
    past: tuple[Hindcast, ...],
) -> None:
    """A month before, the outcome of 37 days is not known yet; two months before, it is."""
    assert [item.quarters for item in held(past)] == [0, *range(len(past) - 1)][: len(past)]
    assert learn(past, past[0].cutoff).weights == pytest.approx(Shift.learn([]).weights)
    assert learn(past, past[1].known_at).quarters == 2
    assert learn(past, past[1].known_at - DAY / 24).quarters == 1


def test_what_came_stands_beside_what_was_said(past: tuple[Hindcast, ...]) -> None:
    for item, found in zip(past, held(past), strict=True):
        left = item.label == 1
        assert found.churned == left.sum()
        assert found.lost == pytest.approx(item.arr[left].sum())
        assert found.forecast.accounts == item.label.size


def test_when_no_model_could_be_fitted_nobody_forecast(
    table: TrainingTable, recipe: Recipe, past: tuple[Hindcast, ...]
) -> None:
    labels = np.asarray(table.frame["label"]).copy()
    times = np.asarray(table.frame["cutoff"], dtype="datetime64[us]")
    labels[times < np.datetime64("2023-05-01")] = 0
    place = table.frame.column_names.index("label")
    frame = table.frame.set_column(place, "label", pa.array(labels))
    found = hindcasts(replace(table, frame=frame), recipe, silent)
    assert 0 < len(found) < len(past)


def test_a_recipe_that_does_not_fit_is_not_taken_for_want_of_churners(
    table: TrainingTable, recipe: Recipe
) -> None:
    odd = recipe.model_copy(update={"calibration": CalibrationSpec(segments=("plam",))})
    with pytest.raises(TrainingError, match=r"segments names 'plam', none of the features"):
        hindcasts(table, odd, silent)
