from types import MappingProxyType

import numpy as np
import pytest

from churnml.errors import TrainingError
from churnml.training.calibration import probability
from churnml.training.encoding import Encoding, FeatureKind
from churnml.training.segments import MISSING, Segmentation, check_segments

ENCODING = Encoding(
    MappingProxyType({"plan": FeatureKind.CATEGORY, "seats": FeatureKind.NUMBER}),
    MappingProxyType({"plan": ("basic", "pro", "team")}),
)


def checked(
    shift: tuple[float, float, float], count: int = 9000, features: tuple[str, ...] = ("plan",)
) -> tuple[Segmentation, ...]:
    """Check a company whose plans are riskier than their scores by as much."""
    generator = np.random.default_rng(0)
    plan = generator.choice(3, count, p=[0.6, 0.38, 0.02]).astype(float)
    matrix = np.column_stack([plan, generator.uniform(0, 100, count)])
    log_odds = generator.normal(-1.5, 1, count)
    own = probability(log_odds + np.array(shift)[plan.astype(int)])
    label = (generator.random(count) < own).astype(float)
    names = np.array([f"a{row}" for row in range(count)], dtype=object)
    return check_segments(features, ENCODING, matrix, log_odds, label, names, np.arange(count) % 5)


def test_scores_that_are_right_are_left_alone() -> None:
    (plan,) = checked((0.0, 0.0, 0.0))
    assert not plan.applied
    np.testing.assert_array_equal(plan.offsets(np.array([0.0, 1.0, np.nan])), 0.0)
    assert [part.value for part in plan.segments] == ["basic", "pro", "team", MISSING]


def test_what_is_wrong_is_corrected_by_as_much() -> None:
    (plan,) = checked((0.4, -0.5, 0.0))
    assert plan.applied
    assert plan.gain > plan.error > 0
    basic, pro, _, missing = plan.segments
    assert basic.pooled == pytest.approx(0.4, abs=0.1)
    assert pro.pooled == pytest.approx(-0.5, abs=0.12)
    assert basic.low < basic.pooled < basic.high
    assert basic.observed > basic.expected
    assert (missing.rows, missing.observed, missing.pooled) == (0, 0.0, 0.0)
    np.testing.assert_array_equal(
        plan.offsets(np.array([1.0, 0.0, np.nan])), [pro.pooled, basic.pooled, 0.0]
    )


def test_small_segments_are_drawn_in_more() -> None:
    (plan,) = checked((0.2, -0.2, 0.2))
    large, _, small, _ = plan.segments
    assert small.rows < 250 < large.rows
    assert abs(small.pooled / small.offset) < abs(large.pooled / large.offset) <= 1
    assert small.high - small.low > large.high - large.low


def test_numbers_are_cut_into_quarters() -> None:
    plan, seats = checked((0.0, 0.0, 0.0), features=("plan", "seats"))
    assert (plan.feature, seats.feature) == ("plan", "seats")
    assert len(seats.bounds) == 3
    assert seats.segments[0].value.startswith("under 2")
    assert seats.segments[3].value.endswith("or more")
    np.testing.assert_array_equal(
        seats.of(np.array([-1.0, seats.bounds[0], 1e9, np.nan])), [0, 1, 3, 4]
    )
    assert [part.rows for part in seats.segments] == [2250, 2250, 2250, 2250, 0]


def test_a_number_that_is_never_known_has_one_band() -> None:
    label = np.array([0.0, 1.0] * 10)
    names = np.array([f"a{row}" for row in range(20)], dtype=object)
    matrix = np.full((20, 2), np.nan)
    (seats,) = check_segments(
        ("seats",), ENCODING, matrix, np.zeros(20), label, names, np.arange(20) % 2
    )
    assert [part.rows for part in seats.segments] == [0, 0, 20]
    assert not seats.applied


def test_a_segment_that_is_no_feature_is_an_error() -> None:
    with pytest.raises(TrainingError, match=r"'plam', none of the features\. Did you mean 'plan'"):
        checked((0.0, 0.0, 0.0), count=50, features=("plam",))
