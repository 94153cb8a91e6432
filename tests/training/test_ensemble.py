from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as reference_log_loss
from sklearn.metrics import roc_auc_score

from churnml.training.calibration import probability
from churnml.training.ensemble import (
    LEAST_WEIGHT,
    Ensemble,
    Problem,
    greedy_weights,
    grow,
    log_loss,
    race,
)
from churnml.training.folds import account_folds
from churnml.training.merging import cut
from churnml.training.shapes import Shape
from churnml.training.trees import check

Floats = npt.NDArray[np.float64]

PLAIN = Shape(name="plain", num_leaves=7, learning_rate=0.2)
STUMP = Shape(name="stump", num_leaves=2, learning_rate=0.2)
# Leaves of single rows: what it has seen it knows by heart.
PARROT = Shape(
    name="parrot",
    num_leaves=1000,
    min_data_in_leaf=1,
    min_sum_hessian_in_leaf=0.0,
    feature_fraction=1.0,
    bagging_fraction=1.0,
    learning_rate=0.5,
)
# Its one split would need more rows than there are.
MUTE = Shape(name="mute", min_data_in_leaf=100_000)


def silent(_share: float) -> None:
    pass


def fixed(threads: int = 1, max_bin: int = 255) -> MappingProxyType[str, object]:
    return MappingProxyType(
        {
            "objective": "binary",
            "metric": "binary_logloss",
            "max_bin": max_bin,
            "num_threads": threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
    )


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Two hundred accounts of four rows; two numbers and a category say something of the label."""
    generator = np.random.default_rng(1)
    n = 800
    x = generator.normal(size=(n, 3))
    x[:, 2] = generator.integers(0, 6, n)
    risk = 1.2 * x[:, 0] - x[:, 1] ** 2 + 1.5 * (x[:, 2] == 4)
    label = (generator.random(n) < 1 / (1 + np.exp(-risk))).astype(float)
    accounts = np.array([f"a{row // 4}" for row in range(n)], dtype=object)
    return Problem(
        matrix=x,
        label=label,
        fold=account_folds(accounts, label, 4, seed=0),
        categorical=(2,),
        fixed=fixed(),
        max_rounds=40,
        patience=10,
    )


def run(problem: Problem, *shapes: Shape, most: int = 3, seed: int = 0) -> Ensemble:
    return race(problem, shapes, most=most, seed=seed, told=silent)


def margin(text: str, matrix: Floats) -> Floats:
    return np.asarray(lgb.Booster(model_str=text).predict(matrix, raw_score=True))


def test_all_rows_cut_the_same_bins_as_no_choice_of_rows(problem: Problem) -> None:
    inside, outside = np.arange(600), np.arange(600, 800)
    every = replace(problem, cutting=np.arange(800))
    text, said = grow(every, PLAIN, inside, outside, seed=3)
    plain, also = grow(problem, PLAIN, inside, outside, seed=3)
    assert text == plain
    assert said.tolist() == also.tolist()


def test_rows_that_only_judge_move_no_split(problem: Problem) -> None:
    """Other values there would cut other bins, and the trees would part the rest elsewhere."""
    inside, outside = np.arange(600), np.arange(600, 800)
    moved = problem.matrix.copy()
    moved[outside, :2] = np.random.default_rng(5).uniform(-0.1, 0.1, (200, 2))
    trees = {
        name: grow(
            replace(problem, matrix=matrix, max_rounds=1, cutting=cutting, fixed=fixed(max_bin=15)),
            PLAIN,
            inside,
            outside,
            seed=3,
        )[0]
        for name, matrix, cutting in [
            ("as it was", problem.matrix, inside),
            ("moved", moved, inside),
            ("moved, all cutting", moved, None),
        ]
    }
    thresholds = {
        name: re.search(r"^threshold=(.*)$", text, re.MULTILINE) for name, text in trees.items()
    }
    split = {name: found and found[1] for name, found in thresholds.items()}
    assert split["as it was"] == split["moved"] != split["moved, all cutting"]


def test_a_model_alone_gets_everything() -> None:
    assert greedy_weights(np.array([[3.0, -3.0]]), np.array([1.0, 0.0])).tolist() == [1.0]


def test_of_equals_the_first_is_enough() -> None:
    margins = np.array([[1.0, -1.0], [1.0, -1.0]])
    assert greedy_weights(margins, np.array([1.0, 0.0])).tolist() == [1.0, 0.0]


def test_two_that_err_in_opposite_ways_share() -> None:
    """Their mean is (1, -1); by symmetry no other mix of the two is as good."""
    margins = np.array([[3.0, 1.0], [-1.0, -3.0]])
    assert greedy_weights(margins, np.array([1.0, 0.0])).tolist() == [0.5, 0.5]


def test_one_that_only_harms_gets_nothing() -> None:
    margins = np.array([[3.0, 1.0], [-5.0, 5.0], [-1.0, -3.0]])
    assert greedy_weights(margins, np.array([1.0, 0.0])).tolist() == [0.5, 0.0, 0.5]


def test_a_quarter_is_found() -> None:
    """Where half of the rows are 1, the best margin of all is 0: 0.75 · 1 - 0.25 · 3."""
    label = np.array([1.0, 0.0])
    margins = np.array([[1.0, 1.0], [-3.0, -3.0]])
    assert greedy_weights(margins, label).tolist() == [0.75, 0.25]


def test_crumbs_are_swept_up() -> None:
    """The best mix has 0.97 · 0.03 - 0.03 · 0.97 = 0, but a model is not scored for 3 %."""
    label = np.array([1.0, 0.0])
    margins = np.array([[0.03, 0.03], [-0.97, -0.97]])
    assert greedy_weights(margins, label).tolist() == [1.0, 0.0]


def test_where_sweeping_would_harm_the_best_is_left_alone() -> None:
    """The third is right beyond measure of the first row: a crumb of it mends what others spoil."""
    label = np.array([1.0, 1.0, 0.0, 0.0])
    margins = np.array(
        [
            [-95.0, -2.0, 57.0, -65.0],
            [-36.0, -8.0, 45.0, -42.0],
            [2610.0, -88.0, -14.0, -121.0],
        ]
    )
    assert [log_loss(row, label) for row in margins] == pytest.approx(
        [38.53, 22.25, 22.0], abs=0.01
    )
    assert greedy_weights(margins, label).tolist() == [0.0, 0.0, 1.0]


@st.composite
def judged(draw: st.DrawFn) -> tuple[Floats, Floats]:
    n_models, n = draw(st.integers(1, 5)), draw(st.integers(2, 12))
    row = st.lists(st.floats(-400, 400), min_size=n, max_size=n)
    margins = np.array(draw(st.lists(row, min_size=n_models, max_size=n_models)))
    return margins, np.array(draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n)))


@given(judged())
def test_a_mix_is_no_worse_than_its_best_and_has_no_crumbs(rows: tuple[Floats, Floats]) -> None:
    margins, label = rows
    weights = greedy_weights(margins, label)
    assert weights.shape == (len(margins),)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert all(weight == 0 or weight >= LEAST_WEIGHT for weight in weights)
    best = min(log_loss(row, label) for row in margins)
    assert log_loss(weights @ margins, label) <= best + 1e-9


def test_log_loss_is_that_of_the_probability() -> None:
    margins, label = np.array([-2.0, 0.5, 3.0, -0.1]), np.array([0.0, 1.0, 0.0, 1.0])
    wanted = reference_log_loss(label, probability(margins))
    assert log_loss(margins, label) == pytest.approx(wanted, abs=1e-12)
    assert log_loss(np.zeros(4), label) == pytest.approx(np.log(2), abs=1e-15)
    assert log_loss(np.array([-1000.0, 1000.0]), np.array([1.0, 1.0])) == 500.0


def test_the_worst_fall_out_after_the_first_fold(problem: Problem) -> None:
    shares: list[float] = []
    found = race(problem, (MUTE, PLAIN), (STUMP,), most=2, seed=0, told=shares.append)
    assert list(found.losses) == ["plain", "mute", "stump"]
    assert set(found.weights) <= {"plain", "stump"}
    # Three members for the first fold, two for each of the others.
    np.testing.assert_allclose(shares, np.arange(9) / 9)
    first = problem.fold == 0
    rate = problem.label[~first].mean()
    silence = np.full(int(first.sum()), np.log(rate / (1 - rate)))
    assert found.losses["mute"] == pytest.approx(log_loss(silence, problem.label[first]), abs=1e-9)
    assert found.losses["mute"] > found.losses["plain"]


def sized(name: str, num_leaves: int, **more: Any) -> Shape:
    return Shape(name=name, num_leaves=num_leaves, learning_rate=0.2, **more)


@pytest.mark.parametrize(
    ("dull", "tried"),
    [
        # Two in a row that are no better end the climb, and the order given makes no difference.
        ({3, 4}, ["2", "3", "4"]),
        ({3, 5}, ["2", "3", "4", "5", "6"]),
        ({5, 6}, ["2", "3", "4", "5", "6"]),
    ],
)
def test_the_climb_ends_where_larger_trees_are_no_better(
    problem: Problem, monkeypatch: pytest.MonkeyPatch, dull: set[int], tried: list[str]
) -> None:
    """Each shape is a step better than all smaller ones, but for the dull."""

    def pretend(
        problem: Problem, shape: Shape, inside: Any, outside: Any, seed: int
    ) -> tuple[str, Floats]:
        text, _ = grow(problem, STUMP, inside, outside, seed)
        sure = 0.0 if shape.num_leaves in dull else 0.1 * shape.num_leaves
        return text, np.where(problem.label[outside] == 1, sure, -sure)

    monkeypatch.setattr("churnml.training.ensemble.grow", pretend)
    ladder = [sized(str(leaves), leaves) for leaves in (6, 4, 2, 3, 5)]
    own = [sized("own", 999)]
    assert list(race(problem, ladder, own, most=1, seed=0, told=silent).losses) == [*tried, "own"]


def test_losses_of_finalists_are_over_all_folds(problem: Problem) -> None:
    alone = run(problem, PLAIN)
    assert alone.weights == {"plain": 1.0}
    assert alone.losses == {"plain": log_loss(alone.held_out, problem.label)}
    both = run(problem, PLAIN, STUMP)
    assert both.losses["plain"] == alone.losses["plain"]


def test_a_mix_is_at_least_as_good_as_each_that_ran(problem: Problem) -> None:
    found = run(problem, PLAIN, STUMP, PARROT)
    assert sum(found.weights.values()) == pytest.approx(1, abs=1e-12)
    assert log_loss(found.held_out, problem.label) <= min(found.losses.values()) + 1e-9


def test_the_text_is_the_mean_of_all_members(problem: Problem) -> None:
    """Each fold's trees are its members', weighted; and held out is what they say of the fold."""
    found = run(problem, PLAIN, STUMP)
    assert len(found.weights) == 2
    n_folds = problem.n_folds
    check(found.text, 3, sum(found.fold_trees))
    parts = cut(found.text, found.fold_trees)
    assert len(parts) == n_folds
    for fold, part in enumerate(parts):
        rows = problem.fold == fold
        told = n_folds * margin(part, problem.matrix[rows])
        np.testing.assert_allclose(told, found.held_out[rows], rtol=0, atol=1e-12)
    each = [margin(part, problem.matrix) for part in parts]
    np.testing.assert_allclose(sum(each), margin(found.text, problem.matrix), rtol=0, atol=1e-12)


def test_no_member_is_longer_than_allowed_nor_than_helps(problem: Problem) -> None:
    assert run(replace(problem, max_rounds=3), STUMP).fold_trees == (3, 3, 3, 3)
    endless = run(replace(problem, max_rounds=5000, patience=5), PLAIN)
    assert max(endless.fold_trees) < 500


def test_what_an_account_did_does_not_reach_the_margin_that_judges_it(problem: Problem) -> None:
    """With the number of trees fixed, a fold's own labels cannot move its own margins by a bit."""
    one = replace(problem, max_rounds=1)
    flipped = np.where(problem.fold == 2, 1 - problem.label, problem.label)
    before, after = run(one, PLAIN), run(replace(one, label=flipped), PLAIN)
    own = problem.fold == 2
    assert np.array_equal(before.held_out[own], after.held_out[own])
    assert (before.held_out[~own] != after.held_out[~own]).all()


def memories() -> Problem:
    """Make accounts that are known by their features alone, and leave by the toss of a coin."""
    generator = np.random.default_rng(5)
    of_row = np.repeat(np.arange(200), 6)
    x = generator.normal(size=(200, 4))[of_row]
    label = (generator.random(200) < 0.5).astype(float)[of_row]
    accounts = np.array([f"a{number}" for number in of_row], dtype=object)
    return Problem(
        matrix=x,
        label=label,
        fold=account_folds(accounts, label, 5, seed=0),
        categorical=(),
        fixed=fixed(),
        max_rounds=30,
        patience=30,
    )


def test_what_is_known_by_heart_does_not_count_as_skill() -> None:
    problem = memories()
    found = run(problem, PARROT)
    assert 0.4 < roc_auc_score(problem.label, found.held_out) < 0.6
    inside = margin(found.text, problem.matrix)
    assert roc_auc_score(problem.label, inside) > 0.95
    # And that is what folds of accounts are for: with rows dealt singly it would look like skill.
    singly = replace(problem, fold=np.arange(problem.label.size) % 5)
    assert roc_auc_score(problem.label, run(singly, PARROT).held_out) > 0.95


def test_a_fold_where_nobody_left_is_judged_all_the_same(problem: Problem) -> None:
    label = np.where(problem.fold == 1, 0.0, problem.label)
    found = run(replace(problem, label=label), PLAIN, STUMP)
    assert np.isfinite(found.held_out).all()
    assert np.isfinite([*found.losses.values()]).all()


def test_where_nothing_can_be_learnt_the_rate_is_left(problem: Problem) -> None:
    found = run(problem, MUTE)
    assert found.fold_trees == (1, 1, 1, 1)
    rates = [problem.label[problem.fold != fold].mean() for fold in range(4)]
    wanted = np.mean([np.log(rate / (1 - rate)) for rate in rates])
    np.testing.assert_allclose(margin(found.text, problem.matrix), wanted, atol=1e-12)


def test_threads_make_no_difference_and_the_seed_does(problem: Problem) -> None:
    shapes = (PLAIN, STUMP)
    once = run(problem, *shapes)
    again = run(replace(problem, fixed=fixed(threads=2)), *shapes)
    assert again.text == once.text
    assert np.array_equal(again.held_out, once.held_out)
    assert again.weights == once.weights
    assert run(problem, *shapes, seed=1).text != once.text


def test_without_sampling_the_order_of_rows_makes_no_difference(problem: Problem) -> None:
    whole = PLAIN.model_copy(update={"bagging_fraction": 1.0, "feature_fraction": 1.0})
    order = np.random.default_rng(0).permutation(problem.label.size)
    turned = replace(
        problem,
        matrix=problem.matrix[order],
        label=problem.label[order],
        fold=problem.fold[order],
    )
    here, there = run(problem, whole), run(turned, whole)
    np.testing.assert_allclose(there.held_out, here.held_out[order], rtol=0, atol=1e-9)


def leaves(found: Ensemble) -> list[int]:
    return [int(number) for number in re.findall(r"^num_leaves=(\d+)", found.text, re.MULTILINE)]


@pytest.mark.parametrize("bound", [2, 5, 12])
def test_trees_have_no_more_leaves_than_their_shape(problem: Problem, bound: int) -> None:
    assert max(leaves(run(problem, PLAIN.model_copy(update={"num_leaves": bound})))) == bound


def test_depth_and_rows_in_a_leaf_are_held(problem: Problem) -> None:
    flat = PLAIN.model_copy(update={"num_leaves": 31, "max_depth": 2})
    assert max(leaves(run(problem, flat))) == 4


def test_leaves_hold_the_rows_that_their_shape_asks_for(problem: Problem) -> None:
    """About so many: LightGBM reckons the rows of a leaf from their weight."""

    def fewest(asked: int) -> int:
        text = run(problem, PLAIN.model_copy(update={"min_data_in_leaf": asked})).text
        counts = re.findall(r"^leaf_count=(.+)$", text, re.MULTILINE)
        return min(int(count) for line in counts for count in line.split())

    assert fewest(1) < 20
    assert fewest(60) > 30


def test_every_member_gets_its_shape_its_fold_and_its_seed(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    train = lgb.train

    def spy(parameters: dict[str, Any], data: lgb.Dataset, **more: Any) -> lgb.Booster:
        calls.append({**parameters, "rows": data.construct().num_data()})
        return train(parameters, data, **more)

    monkeypatch.setattr(lgb, "train", spy)
    run(replace(problem, fixed=fixed(max_bin=33)), PLAIN, STUMP, seed=100)
    ran = [(call["num_leaves"], call["seed"]) for call in calls]
    assert ran[:2] == [(2, 100), (7, 100)]
    assert sorted(ran[2:]) == [(n, 100 + fold) for n in (2, 7) for fold in (1, 2, 3)]
    assert {call["max_bin"] for call in calls} == {33}
    assert {call["bagging_freq"] for call in calls} == {1}
    for call in calls:
        assert call["rows"] == int((problem.fold != call["seed"] - 100).sum())
    assert "name" not in calls[0]
