from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from churnml.errors import TrainingError
from churnml.training.calibration import LEAST_SLOPE, Calibrator, fit_platt, probability

Rows = tuple[np.ndarray, np.ndarray]


def draw(slope: float, intercept: float, n: int, scale: float = 1.0) -> Rows:
    generator = np.random.default_rng(0)
    margin = generator.normal(-1, 1, n) * scale
    chance = 1 / (1 + np.exp(-(slope * margin + intercept)))
    return margin, (generator.random(n) < chance).astype(float)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.3, -1.0), (2.5, 1.0)])
def test_slope_and_intercept_are_recovered(slope: float, intercept: float) -> None:
    found = fit_platt(*draw(slope, intercept, 200_000))
    assert found.slope == pytest.approx(slope, rel=0.03)
    assert found.intercept == pytest.approx(intercept, abs=0.04)
    assert not found.guarded


def test_it_is_a_logistic_regression_on_smoothed_labels() -> None:
    margin, label = draw(0.7, -0.5, 500)
    churned = label.sum()
    target = np.where(label == 1, (churned + 1) / (churned + 2), 1 / (500 - churned + 2))
    # scikit-learn takes no soft labels, so each row stands twice with its share as weight.
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
        np.tile(margin, 2)[:, None],
        np.repeat([1, 0], 500),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    found = fit_platt(margin, label)
    assert found.slope == pytest.approx(reference.coef_[0, 0], abs=1e-5)
    assert found.intercept == pytest.approx(reference.intercept_[0], abs=1e-5)


def test_the_scale_of_margins_does_not_matter() -> None:
    small, large = fit_platt(*draw(1.0, 0.0, 2000)), fit_platt(*draw(0.05, 0.0, 2000, 20))
    assert large.slope * 20 == pytest.approx(small.slope, rel=1e-6)
    assert large.intercept == pytest.approx(small.intercept, abs=1e-6)


def test_perfect_ranks_do_not_claim_certainty() -> None:
    margin = np.arange(-5.0, 5.0) + 0.5
    found = fit_platt(margin, (margin > 0).astype(float))
    risk = probability(found.log_odds(margin))
    assert 0.005 < risk[0] < 0.2
    assert 0.8 < risk[-1] < 0.995


def test_a_model_that_ranks_the_wrong_way_round_is_guarded() -> None:
    margin, label = draw(-1.0, 0.0, 1000)
    found = fit_platt(margin, label)
    assert (found.slope, found.guarded) == (LEAST_SLOPE, True)
    assert probability(found.log_odds(margin)).mean() == pytest.approx(label.mean(), abs=0.002)


def test_a_model_that_says_the_same_of_everyone_is_guarded() -> None:
    label = np.array([1.0, 0.0, 0.0, 0.0])
    found = fit_platt(np.full(4, -3.0), label)
    assert found.guarded
    assert probability(found.log_odds(np.array([-3.0])))[0] == pytest.approx((2 / 3 + 3 / 5) / 4)


def test_what_cannot_be_calibrated_is_an_error() -> None:
    with pytest.raises(TrainingError, match="0 of 2 rows to calibrate on churned"):
        fit_platt(np.zeros(2), np.zeros(2))
    with pytest.raises(TrainingError, match="2 of 2 rows to calibrate on churned"):
        fit_platt(np.zeros(2), np.ones(2))
    with pytest.raises(TrainingError, match="not finite"):
        fit_platt(np.array([0.0, np.nan]), np.array([0.0, 1.0]))


@given(st.floats(-1e6, 1e6))
def test_probabilities_do_not_overflow(log_odds: float) -> None:
    risk, rest = probability(np.array([log_odds, -log_odds]))
    assert 0 <= risk <= 1
    assert risk + rest == pytest.approx(1)


@given(st.lists(st.tuples(st.floats(-50, 50), st.booleans()), min_size=2, max_size=40))
def test_the_slope_is_always_positive(rows: list[tuple[float, bool]]) -> None:
    label = np.array([float(churned) for _, churned in rows])
    if 0 < label.sum() < label.size:
        found = fit_platt(np.array([margin for margin, _ in rows]), label)
        assert found.slope > 0
        assert np.isfinite([found.slope, found.intercept]).all()


def test_without_calibration_margins_are_log_odds() -> None:
    assert Calibrator().log_odds(np.array([1.5, -2.0])).tolist() == [1.5, -2.0]
