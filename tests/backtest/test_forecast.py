from __future__ import annotations

import numpy as np
import pytest

from churnml.backtest.forecast import ALL, Range, forecast
from churnml.backtest.shift import Shift

NONE = Shift(np.array([0.0]), np.array([1.0]), 0)
NAN = float("nan")


def log_odds(*chances: float) -> np.ndarray:
    p = np.array(chances)
    return np.asarray(np.log(p / (1 - p)))


def test_without_a_shift_expected_is_what_scores_say() -> None:
    found = forecast(log_odds(0.1, 0.2, 0.5), np.array([100.0, 10.0, 1000.0]), NONE)[ALL]
    assert (found.accounts, found.arr, found.unpriced) == (3, 1110.0, 0)
    assert found.churned.scores == pytest.approx(0.8)
    assert found.churned.expected == pytest.approx(0.8)
    assert found.lost is not None
    assert found.lost.scores == found.lost.expected == pytest.approx(512.0)


def test_ends_are_the_quantiles_of_the_exact_distribution() -> None:
    """Of a hundred with a chance of 0.1: binomial, 6 to 14 holds 88 %, 5 to 16 holds 95 %."""
    found = forecast(np.full(100, log_odds(0.1)[0]), np.full(100, 5.0), NONE)[ALL]
    assert [(x.level, x.low, x.high) for x in found.churned.ranges] == [
        (0.8, 6.0, 14.0),
        (0.95, 5.0, 16.0),
    ]
    assert found.lost is not None
    assert [(x.low, x.high) for x in found.lost.ranges] == [(30.0, 70.0), (25.0, 80.0)]


def test_one_large_account_makes_two_humps_that_no_bell_curve_has() -> None:
    chances = log_odds(0.3, *([0.001] * 50))
    found = forecast(chances, np.array([1e6, *([1.0] * 50)]), NONE)[ALL]
    assert found.lost is not None
    assert found.lost.ranges[0].low == 0.0
    assert found.lost.ranges[0].high == pytest.approx(1e6, rel=1e-4)


def test_a_shift_widens_and_moves() -> None:
    many = np.full(2000, log_odds(0.05)[0])
    wide = Shift(np.array([-0.5, 0.5]), np.array([0.5, 0.5]), 3)
    up = Shift(np.array([0.2]), np.array([1.0]), 3)
    plain, uncertain, worse = (
        forecast(many, np.full(2000, NAN), shift)[ALL].churned for shift in (NONE, wide, up)
    )
    assert uncertain.ranges[1].high - uncertain.ranges[1].low > 1.5 * (
        plain.ranges[1].high - plain.ranges[1].low
    )
    assert plain.scores == uncertain.scores == worse.scores == pytest.approx(100.0)
    assert worse.expected == pytest.approx(2000 / (1 + 19 * np.exp(-0.2)))


def test_revenue_that_is_not_known_is_counted_and_left_out() -> None:
    found = forecast(log_odds(0.5, 0.5), np.array([NAN, 80.0]), NONE)[ALL]
    assert (found.arr, found.unpriced) == (80.0, 1)
    assert found.lost is not None
    assert found.lost.expected == pytest.approx(40.0)
    nothing = forecast(log_odds(0.5), np.array([NAN]), NONE)[ALL]
    assert (nothing.arr, nothing.lost, nothing.unpriced) == (None, None, 1)


def test_groups_are_parts_of_the_same_draws() -> None:
    odds, arr = log_odds(0.2, 0.4, 0.6), np.array([1.0, 2.0, 4.0])
    masks = {"small": np.array([True, True, False]), "none": np.zeros(3, bool)}
    found = forecast(odds, arr, NONE, masks)
    assert list(found) == [ALL, "small", "none"]
    assert found["small"].churned.expected == pytest.approx(0.6)
    assert found["none"].churned.ranges[1] == Range(0.95, 0.0, 0.0)
    assert found["none"].arr is None


def test_equal_arguments_give_equal_intervals_and_nobody_gives_nothing() -> None:
    odds = log_odds(*np.linspace(0.01, 0.5, 40))
    one, two = (forecast(odds, np.arange(40.0), NONE, seed=4)[ALL] for _ in range(2))
    assert one == two
    nobody = forecast(np.empty(0), np.empty(0), NONE)[ALL]
    assert (nobody.accounts, nobody.churned.expected) == (0, 0.0)
    assert nobody.churned.ranges[0] == Range(0.8, 0.0, 0.0)


def test_ends_belong_to_the_range() -> None:
    assert Range(0.8, 0.1 + 0.2, 1.0).holds(0.3)
    assert Range(0.8, 0.0, 1.0).holds(1.0)
    assert not Range(0.8, 0.0, 1.0).holds(1.01)
