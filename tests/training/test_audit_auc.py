from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from churnml.backtest.metrics import evaluate
from churnml.training.audit.auc import difference, rank, share

LABEL = np.array([True, True, False, False, False])
SCORE = np.array([0.9, 0.4, 0.4, 0.2, 0.1])
ACCOUNT = np.array([0, 1, 2, 3, 4])


def test_an_auc_counts_pairs_ranked_right_and_ties_by_half() -> None:
    assert rank(LABEL, SCORE, ACCOUNT, 5).value == pytest.approx(5.5 / 6)


def test_influences_add_to_nothing() -> None:
    found = rank(LABEL, SCORE, ACCOUNT, 7)

    assert found.influence.shape == (7,)
    assert found.influence.sum() == pytest.approx(0, abs=1e-12)
    assert found.influence[[5, 6]].tolist() == [0, 0]


def test_one_class_has_no_auc() -> None:
    assert np.isnan(rank(np.ones(5, bool), SCORE, ACCOUNT, 5).value)


def test_a_perfect_rank_of_few_is_not_sure_of_itself() -> None:
    found = rank(LABEL, LABEL.astype(float), ACCOUNT, 5).interval()

    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025**0.5)


def test_a_copied_row_of_an_account_tells_nothing_new() -> None:
    label, score, account = (np.tile(part, 10) for part in (LABEL, SCORE, ACCOUNT))

    once, often = rank(LABEL, SCORE, ACCOUNT, 5), rank(label, score, account, 5)

    assert often.value == pytest.approx(once.value)
    assert often.influence == pytest.approx(once.influence)


def test_the_interval_is_that_of_drawn_accounts() -> None:
    draw = np.random.default_rng(4)
    account = np.repeat(np.arange(300), 4)
    risk = draw.normal(size=300)[account]
    label = draw.random(1200) < 1 / (1 + np.exp(1.5 - risk))
    score = risk + draw.normal(size=1200)

    mine = rank(label, score, account, 300).interval()
    drawn = evaluate(label, score, account, metrics=["auc"], draws=2000).metrics["auc"]

    assert mine.value == pytest.approx(drawn.value)
    assert mine.low == pytest.approx(drawn.low, abs=0.006)
    assert mine.high == pytest.approx(drawn.high, abs=0.006)


def test_equal_scores_differ_by_nothing() -> None:
    found = rank(LABEL, SCORE, ACCOUNT, 5)

    assert difference(found, found) == difference(found, found).__class__(0.0, 0.0, 0.0)


@given(arrays.arrays(np.float64, 5, elements=st.floats(-5, 5)))
def test_the_opposite_score_has_the_opposite_auc(score: np.ndarray) -> None:
    one, other = rank(LABEL, score, ACCOUNT, 5), rank(LABEL, -score, ACCOUNT, 5)

    assert one.value + other.value == pytest.approx(1)


@pytest.mark.parametrize(
    ("some", "of", "low", "high"),
    [(0, 0, 0, 1), (20, 20, 0.025 ** (1 / 20), 1), (0, 20, 0, 1 - 0.025 ** (1 / 20))],
)
def test_a_share_knows_how_few_it_counts(some: int, of: int, low: float, high: float) -> None:
    found = share(some, of)

    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)


def test_a_share_of_many_is_narrow() -> None:
    few, many = share(9, 10), share(900, 1000)

    assert few.low < 0.6 < few.high
    assert 0.87 < many.low < 0.9 < many.high < 0.93
