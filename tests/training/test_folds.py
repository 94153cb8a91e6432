from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.training.folds import account_folds

Rows = list[tuple[str, bool]]

ROWS = st.lists(
    st.tuples(st.sampled_from([f"a{n}" for n in range(12)]), st.booleans()), min_size=1, max_size=60
)


def dealt(rows: Rows, n_folds: int, seed: int = 0) -> list[int]:
    accounts = np.array([name for name, _ in rows], dtype=object)
    label = np.array([float(churned) for _, churned in rows])
    return [int(fold) for fold in account_folds(accounts, label, n_folds, seed)]


def test_six_accounts_in_two_folds() -> None:
    """By SHA-256 of "0:name" the stayers stand as d, a, c, b, the churned as f, e."""
    rows = [("a", False), ("b", False), ("c", False), ("d", False), ("e", True), ("f", True)]
    assert dealt(rows, 2) == [1, 1, 0, 0, 1, 0]


@pytest.mark.parametrize("seed", range(10))
def test_accounts_of_both_outcomes_count_as_either(seed: int) -> None:
    """One stayed, one left, and one did both: with two folds both outcomes are in each."""
    rows = [("left", True), ("both", False), ("both", True), ("stayed", False)]
    left, both, _, stayed = dealt(rows, 2, seed)
    assert left != both != stayed


def test_another_seed_deals_otherwise() -> None:
    rows = [(f"a{n}", n % 3 == 0) for n in range(60)]
    assert dealt(rows, 5, seed=1) == dealt(rows, 5, seed=1)
    assert dealt(rows, 5, seed=1) != dealt(rows, 5, seed=2)


@given(ROWS, st.integers(2, 6), st.integers(0, 9))
def test_an_account_is_in_one_fold_and_classes_are_even(
    rows: Rows, n_folds: int, seed: int
) -> None:
    fold = dealt(rows, n_folds, seed)
    of_account = dict(zip([name for name, _ in rows], fold, strict=True))
    assert fold == [of_account[name] for name, _ in rows]
    churned = {name for name, left in rows if left}
    stayed = {name for name, left in rows if not left}
    for group in (churned, stayed, churned - stayed, stayed - churned, churned & stayed):
        sizes = [sum(of_account[name] == n for name in group) for n in range(n_folds)]
        assert max(sizes) - min(sizes) <= 1


@given(ROWS, st.integers(2, 6), st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(rows: Rows, n_folds: int, random: Random) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)
    turned = dealt([rows[n] for n in order], n_folds)
    assert turned == [dealt(rows, n_folds)[n] for n in order]


@given(ROWS, st.integers(2, 6))
def test_with_enough_accounts_every_fold_has_rows_of_both_outcomes(
    rows: Rows, n_folds: int
) -> None:
    fold = dealt(rows, n_folds)
    for outcome in (False, True):
        accounts = {name for name, left in rows if left is outcome}
        reached = {number for number, (_, left) in zip(fold, rows, strict=True) if left is outcome}
        if len(accounts) >= n_folds:
            assert reached == set(range(n_folds))
