from __future__ import annotations

import numpy as np
import pytest

from churnml.backtest.shift import BIAS, SPREAD, Matured, Shift
from churnml.training.calibration import probability


def quarter(shift: float, n: int = 4000, seed: int = 0) -> Matured:
    generator = np.random.default_rng(seed)
    log_odds = generator.normal(-3, 1, n)
    return Matured(log_odds, (generator.random(n) < probability(log_odds + shift)).astype(float))


def test_before_any_quarter_there_is_the_prior() -> None:
    prior = Shift.learn([])
    assert prior.quarters == 0
    assert prior.weights.sum() == pytest.approx(1)
    assert prior.mean == pytest.approx(0, abs=1e-9)
    # Var δ = Var μ + E τ², and E τ² of a half-normal is its scale squared.
    assert prior.spread == pytest.approx(np.sqrt(BIAS**2 + SPREAD**2), rel=0.03)


def test_quarters_that_held_make_it_narrow_and_few_of_them_less_so() -> None:
    seen = [quarter(0.0, 20_000, seed) for seed in range(8)]
    eight, two, none = (Shift.learn(seen[:count]) for count in (8, 2, 0))
    assert eight.spread < two.spread < none.spread
    assert eight.spread < 0.1
    assert abs(eight.mean) < 0.05


def test_a_lasting_bias_is_taken_over_in_part() -> None:
    mean = Shift.learn([quarter(0.3, seed=seed) for seed in range(6)]).mean
    assert 0.2 < mean < 0.4
    once = Shift.learn([quarter(0.3)]).mean
    assert 0.0 < once < mean


def test_quarters_that_differ_make_it_wide() -> None:
    wild = Shift.learn([quarter(x, seed=9) for x in (-0.5, 0.5, -0.4, 0.6)])
    calm = Shift.learn([quarter(0.0, seed=seed) for seed in range(4)])
    assert wild.spread > 2 * calm.spread


def test_a_quarter_in_which_nobody_left_is_possible() -> None:
    nobody = Shift.learn([Matured(np.full(50, -3.0), np.zeros(50))])
    assert nobody.mean < 0
    assert np.isfinite(nobody.weights).all()
    assert Shift.learn([Matured(np.empty(0), np.empty(0))]).spread == pytest.approx(
        Shift.learn([]).spread
    )
