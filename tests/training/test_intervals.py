from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from churnml.training.calibration import probability
from churnml.training.intervals import Intervals, IntervalSpec, centre

PLAIN = Intervals(away=(0.0,), unseen=(0.0,))


def test_without_spread_the_centre_is_the_score() -> None:
    at = np.array([-6.0, 0.0, 3.0])
    np.testing.assert_allclose(centre(at, np.zeros(3)), at, atol=1e-9)
    assert centre(np.empty(0), np.empty(0)).size == 0


@given(log_odds=st.floats(-9, 9), deviation=st.floats(0, 2.5))
def test_accounts_about_the_centre_have_the_score_in_the_mean(
    log_odds: float, deviation: float
) -> None:
    middle = float(centre(np.array([log_odds]), np.array([deviation]))[0])
    normal = np.linspace(-8, 8, 4001)
    weight = np.exp(-(normal**2) / 2)
    mean = weight @ probability(middle + deviation * normal) / weight.sum()
    assert mean == pytest.approx(probability(np.array([log_odds]))[0], rel=2e-3)


def test_an_interval_by_hand() -> None:
    """At even odds there is no shift: half of all within 0.6745 standard deviations."""
    low, high = PLAIN.about(np.zeros(1), np.array([2.0]), 0.5)
    assert low[0] == pytest.approx(1 / (1 + np.exp(2 * 0.67449)), abs=1e-6)
    assert high[0] == pytest.approx(1 - low[0])


def test_want_of_data_and_what_is_unseen_add_as_squares() -> None:
    spec = Intervals(away=(-1.0, 1.0), unseen=(3.0, 5.0), rate=-2.0)
    np.testing.assert_allclose(
        spec.deviation(np.array([-9.0, -2.0, 4.0]), np.array([4.0, 3.0, 0.0])), [5.0, 5.0, 5.0]
    )


def test_what_is_told_from_none_by_nobody_is_nil() -> None:
    spec = Intervals(away=(0.0,), unseen=(1.0,), least=0.01)
    log_odds = np.array([-4.0, 0.0])
    low, high = spec.about(log_odds, np.zeros(2), 0.8)
    assert low[0] == 0.0
    assert low[1] > 0.1
    middle = centre(log_odds[:1], np.ones(1))
    assert high[0] == pytest.approx(float(probability(middle + 0.84162)[0]), rel=1e-4)


def test_an_interval_that_would_leave_out_the_score_ends_there() -> None:
    """A mean of 3.5 % lies above four fifths of so skewed probabilities, hence above their end."""
    spec = Intervals(away=(0.0,), unseen=(2.5,), least=0.001)
    log_odds = np.array([-3.3, 3.3])
    low, high = spec.about(log_odds, np.zeros(2), 0.5)
    middle = float(centre(log_odds[:1], np.array([2.5]))[0])
    share = NormalDist().cdf((-3.3 - middle) / 2.5)
    assert share == pytest.approx(0.8186, abs=0.0005)
    by_hand = middle + 2.5 * NormalDist().inv_cdf(share - 0.5)
    assert low[0] == pytest.approx(1 / (1 + np.exp(-by_hand)))
    assert high[0] == pytest.approx(1 / (1 + np.exp(3.3)))
    np.testing.assert_allclose([low[1], high[1]], [1 - high[0], 1 - low[0]])


@given(log_odds=st.floats(-12, 12), error=st.floats(0, 3), level=st.floats(0.5, 0.99))
def test_the_score_lies_within(log_odds: float, error: float, level: float) -> None:
    spec = Intervals(rate=-3.0, least=0.001)
    low, high = spec.about(np.array([log_odds]), np.array([error]), level)
    score = probability(np.array([log_odds]))[0]
    assert low[0] <= score * (1 + 1e-12)
    assert score <= high[0] * (1 + 1e-12)


@given(
    log_odds=st.floats(-12, 12),
    error=st.floats(0, 3),
    levels=st.tuples(st.floats(0.5, 0.98), st.floats(0.5, 0.98)).map(sorted),
)
def test_intervals_nest(log_odds: float, error: float, levels: list[float]) -> None:
    spec = Intervals(rate=-3.0, least=0.001)
    narrow, wide = (spec.about(np.array([log_odds]), np.array([error]), v) for v in levels)
    assert 0 <= wide[0][0] <= narrow[0][0] <= narrow[1][0] <= 1
    # A low end that falls to 0 makes the upper end one-sided, and may draw it in.
    assert wide[1][0] >= narrow[1][0] or wide[0][0] == 0


def test_coverage_is_the_level_where_the_assumption_holds() -> None:
    generator = np.random.default_rng(0)
    spec = Intervals(away=(-2.0, 0.0, 2.0), unseen=(1.2, 0.5, 0.9), rate=-3.0, least=0.002)
    log_odds = generator.normal(-3, 1.5, 20_000)
    error = generator.uniform(0.1, 0.8, log_odds.size)
    deviation = spec.deviation(log_odds, error)
    own = probability(centre(log_odds, deviation) + deviation * generator.normal(size=error.size))
    for level in (0.5, 0.8, 0.95):
        low, high = spec.about(log_odds, error, level)
        assert np.mean((low <= own) & (own <= high)) == pytest.approx(level, abs=0.012)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"away": (), "unseen": ()}, "one at least"),
        ({"away": (0.0, 1.0), "unseen": (1.0,)}, "away has 2 numbers and unseen 1"),
        ({"away": (1.0, 0.0), "unseen": (1.0, 1.0)}, "ascend"),
        ({"away": (0.0,), "unseen": (-1.0,)}, "0 or more"),
        ({"level": 1.0}, "less than or equal to 0.99"),
    ],
)
def test_what_does_not_fit_is_refused(content: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        IntervalSpec.model_validate(content)
