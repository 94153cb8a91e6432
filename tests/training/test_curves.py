import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.training.calibration import LEAST_SLOPE, probability
from churnml.training.curves import BetaCurve, IsotonicCurve, fit_beta, fit_isotonic

MARGIN = np.linspace(-8, 4, 4001)


def drawn(log_odds: np.ndarray) -> np.ndarray:
    return (np.random.default_rng(1).random(log_odds.size) < probability(log_odds)).astype(float)


def test_a_beta_curve_of_ones_changes_nothing() -> None:
    curve = BetaCurve(1.0, 1.0, 0.0)
    np.testing.assert_allclose(curve.log_odds(MARGIN), MARGIN, atol=1e-12)
    np.testing.assert_allclose(curve.steepness(MARGIN), 1.0)


def test_a_beta_curve_is_its_formula() -> None:
    at = np.array([0.0])  # p = 1/2
    assert BetaCurve(2.0, 0.5, 0.3).log_odds(at) == pytest.approx(-1.5 * np.log(2) + 0.3)
    assert BetaCurve(2.0, 0.5, 0.3).steepness(at) == pytest.approx(1.25)


@pytest.mark.parametrize(
    "curve", [BetaCurve(1.7, 0.4, -0.2), IsotonicCurve((-3.0, 0.0, 1.0), (-5.0, -1.0, 2.0))]
)
def test_steepness_is_the_derivative(curve: BetaCurve | IsotonicCurve) -> None:
    at = np.array([-7.3, -2.2, -0.4, 0.6, 3.1])
    step = 1e-6
    slope = (curve.log_odds(at + step) - curve.log_odds(at - step)) / (2 * step)
    np.testing.assert_allclose(curve.steepness(at), slope, rtol=1e-4)


def test_a_bend_is_found() -> None:
    margin = np.random.default_rng(0).uniform(-6, 6, 20_000)
    truth = BetaCurve(1.5, 0.6, 0.4)
    found = fit_beta(margin, drawn(truth.log_odds(margin)))
    assert found.low == pytest.approx(1.5, abs=0.15)
    assert found.high == pytest.approx(0.6, abs=0.1)
    assert found.intercept == pytest.approx(0.4, abs=0.15)


def test_scores_the_wrong_way_round_keep_their_order() -> None:
    curve = fit_beta(MARGIN, drawn(-MARGIN))
    assert curve.low == LEAST_SLOPE
    assert curve.high == LEAST_SLOPE


def test_blocks_have_the_rates_of_their_rows() -> None:
    margin = np.array([1.0, 2.0, 3.0, 4.0])
    curve = fit_isotonic(margin, np.array([0.0, 1.0, 0.0, 1.0]))
    assert curve.margins == (1.0, 2.5, 4.0)
    # (0 + ½)/2, (1 + ½)/3 and (1 + ½)/2
    np.testing.assert_allclose(probability(np.array(curve.values)), [0.25, 0.5, 0.75])


def test_rows_of_one_margin_stay_together() -> None:
    curve = fit_isotonic(np.array([1.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0]))
    assert curve.margins == (1.0,)
    np.testing.assert_allclose(probability(np.array(curve.values)), [0.625])


@given(
    rows=st.lists(
        st.tuples(st.floats(-20, 20), st.booleans()),
        min_size=4,
        max_size=60,
        unique_by=lambda x: x[0],
    ).filter(lambda rows: 0 < sum(churned for _, churned in rows) < len(rows))
)
def test_curves_rise(rows: list[tuple[float, bool]]) -> None:
    margin = np.array([row[0] for row in rows])
    label = np.array([float(row[1]) for row in rows])
    grid = np.linspace(-25, 25, 401)
    for curve in (fit_beta(margin, label), fit_isotonic(margin, label)):
        log_odds = curve.log_odds(grid)
        assert np.isfinite(log_odds).all()
        assert (np.diff(log_odds) > 0).all()
        assert (curve.steepness(grid) > 0).all()
