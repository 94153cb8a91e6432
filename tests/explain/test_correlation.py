from __future__ import annotations

import numpy as np
import pytest

from churnml.explain.correlation import correlations, told_together

NAN = float("nan")


def test_numbers_by_ranks() -> None:
    one = np.arange(100.0)
    other = np.random.default_rng(0).normal(size=100)
    found = correlations(np.column_stack([one, -np.exp(one / 9), other]), [False] * 3)
    assert found[0, 1] == pytest.approx(1.0)  # in size, whatever the scale
    assert found[0, 2] < 0.3
    np.testing.assert_allclose(found, found.T)


def test_missing_ranks_below_all() -> None:
    one = np.array([NAN, NAN, 1.0, 2.0, 3.0, 4.0])
    found = correlations(np.column_stack([one, np.arange(6.0)]), [False, False])
    # Ranks 1.5 1.5 3 4 5 6 beside 1 to 6: sqrt(17 / 17.5).
    assert found[0, 1] == pytest.approx(np.sqrt(17 / 17.5))


def test_a_category_that_a_number_follows() -> None:
    plan = np.repeat([2.0, 0.0, 1.0], 50)
    price = np.repeat([30.0, 10.0, 20.0], 50)
    chance = np.random.default_rng(0).normal(size=150)
    found = correlations(np.column_stack([plan, price, chance]), [True, False, False])
    assert found[0, 1] == pytest.approx(1.0)
    assert found[0, 2] < 0.3


def test_two_categories() -> None:
    plan = np.repeat([2.0, 0.0, 1.0, NAN], 50)
    twin = np.repeat([0.0, 1.0, 2.0, 3.0], 50)
    chance = np.random.default_rng(0).integers(0, 4, 200).astype(float)
    found = correlations(np.column_stack([plan, twin, chance]), [True] * 3)
    assert found[0, 1] == pytest.approx(1.0)
    assert found[0, 2] < 0.3


def test_two_categories_by_hand() -> None:
    one = np.array([0.0, 0, 0, 1, 1, 1, 1, 1])
    two = np.array([0.0, 0, 1, 1, 1, 1, 1, 0])
    # Cells 2 1 / 1 4; chi-square over the rows is corrected by 1/7, and so is each width of 2.
    phi = 4 / 9 + 1 / 15 + 1 / 15 + 16 / 25 - 1
    wanted = np.sqrt((phi - 1 / 7) / (1 - 1 / 7))
    found = correlations(np.column_stack([one, two]), [True, True])
    assert found[0, 1] == pytest.approx(wanted)


def test_two_categories_of_very_many_values_need_no_table_of_all() -> None:
    place = np.repeat(np.arange(10_000.0), 2)
    found = correlations(np.column_stack([place, place[::-1]]), [True, True])
    assert found[0, 1] == pytest.approx(1.0)


def test_many_values_by_chance_are_like_nothing() -> None:
    rng = np.random.default_rng(0)
    many = rng.permutation(200.0 * np.arange(200.0) % 190)
    found = correlations(np.column_stack([many, rng.normal(size=200)]), [True, False])
    assert found[0, 1] < 0.6  # uncorrected it would be above 0.95


def test_what_never_varies_is_like_nothing() -> None:
    fixed, empty = np.ones(10), np.full(10, NAN)
    found = correlations(
        np.column_stack([fixed, np.arange(10.0), empty, fixed]), [False, False, False, True]
    )
    np.testing.assert_array_equal(found, np.eye(4))


def test_a_group_is_told_under_its_heaviest() -> None:
    one = np.arange(50.0)
    matrix = np.column_stack([one, one**2, -one, np.random.default_rng(1).normal(size=50)])
    features = ["a", "b", "c", "d"]
    weight = np.array([0.1, 0.1, 0.5, 0.9])
    told = told_together(features, features, matrix, [False] * 4, weight)
    assert told == {"a": "c", "b": "c", "c": "c", "d": "d"}


def test_missing_together_is_not_saying_the_same() -> None:
    """Three of four never answered a survey: of those who did, score and day are unrelated."""
    rng = np.random.default_rng(0)
    known = np.where(np.arange(400)[:, None] < 300, NAN, rng.normal(size=(400, 2)))
    score, day = known.T
    plan = np.where(np.isnan(score), NAN, rng.integers(0, 3, 400))
    matrix = np.column_stack([score, -(score**3), day, plan])
    categories = [False, False, False, True]
    assert correlations(matrix, categories)[0, 2:].min() > 0.9
    features = ["score", "grade", "day", "plan"]
    told = told_together(features, features, matrix, categories, np.array([4.0, 3.0, 2.0, 1.0]))
    assert told == {"score": "score", "grade": "score", "day": "day", "plan": "plan"}


def test_flags_that_are_known_for_the_same_rows_say_no_more_than_that() -> None:
    answered = np.repeat([NAN, 1.0], 50)
    day = np.where(np.isnan(answered), NAN, np.arange(100.0))
    matrix = np.column_stack([answered, 2 * answered, day])
    features = ["answered", "asked", "day"]
    told = told_together(features, features, matrix, [False] * 3, np.array([2.0, 1.0, 3.0]))
    assert told == {"answered": "answered", "asked": "answered", "day": "day"}


def test_two_features_of_one_family_stay_in_it() -> None:
    one = np.arange(50.0)
    told = told_together(
        ["a", "b"], ["use", "use"], np.column_stack([one, one]), [False] * 2, np.ones(2)
    )
    assert told == {"a": "use", "b": "use"}


@pytest.mark.parametrize("width", [0, 1])
def test_few_features(width: int) -> None:
    names = ["a"][:width]
    told = told_together(names, names, np.ones((3, width)), [False] * width, np.ones(width))
    assert told == dict(zip(names, names, strict=True))
