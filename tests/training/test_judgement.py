"""What follows the calibrator; `tests/training/test_estimator.py` tests the whole."""

from types import MappingProxyType

import numpy as np
import pytest

from churnml.training.calibration import Calibrator, probability
from churnml.training.calibrators import Curve, Doubt
from churnml.training.curves import BetaCurve, IsotonicCurve
from churnml.training.encoding import Encoding, FeatureKind
from churnml.training.judgement import FAIR, Judgement
from churnml.training.segments import Segmentation, SegmentCheck
from churnml.training.thin import Thin

ENCODING = Encoding(
    MappingProxyType({"age": FeatureKind.NUMBER, "plan": FeatureKind.CATEGORY}),
    MappingProxyType({"plan": ("basic", "pro")}),
)
MATRIX = np.array([[90.0, 0.0], [90.0, 1.0], [9.0, 1.0], [np.nan, np.nan]])
MARGIN = np.array([-2.0, 1.0, 1.0, 0.25])
SPREAD = np.array([0.3, 0.0, 0.4, 0.2])
CURVES: list[Curve] = [
    Calibrator(1.5, -0.5),
    BetaCurve(1.4, 0.6, 0.1),
    IsotonicCurve((-1.0, 0.5), (-2.0, 1.0)),
]


def segment(value: str, pooled: float) -> SegmentCheck:
    return SegmentCheck(
        value=value, rows=9, observed=1, expected=1, offset=0, pooled=pooled, low=-1, high=1
    )


PLAN = Segmentation(
    feature="plan",
    bounds=(),
    gain=2.0,
    error=1.0,
    applied=True,
    segments=(segment("basic", 0.2), segment("pro", -0.1), segment("(missing)", 0.0)),
)
THIN = Thin(least={"age": 30.0}, known=0.0, weight=0.25, rates=(-3.0, -2.0, -1.0))
WHOLE = Judgement(
    doubt=Doubt(centre=0.0, level=0.09, both=0.0, slope=0.0), segments=(PLAN,), thin=THIN
)


def test_by_itself_it_is_the_calibrator() -> None:
    judged = Judgement().judge(CURVES[0], ENCODING, MATRIX, MARGIN, SPREAD)
    np.testing.assert_allclose(judged.log_odds, 1.5 * MARGIN - 0.5)
    np.testing.assert_allclose(judged.error, FAIR * 1.5 * SPREAD)
    assert judged.thin == ("", "", "", "")


def test_segments_move_and_thin_accounts_are_drawn_to_their_segment() -> None:
    judged = WHOLE.judge(CURVES[0], ENCODING, MATRIX, MARGIN, SPREAD)
    # Calibrated: −3.5, 1, 1, −0.125; moved by 0.2, −0.1, −0.1, 0; the last two are thin.
    drawn = [-3.3, 0.9, -2 + 0.25 * 2.9, -1 + 0.25 * 0.875]
    np.testing.assert_allclose(judged.log_odds, drawn)
    assert judged.thin == ("", "", "age 9, under 30", "age missing, under 30")


def test_errors_add_as_squares_and_being_drawn_is_no_certainty() -> None:
    judged = WHOLE.judge(CURVES[0], ENCODING, MATRIX, MARGIN, SPREAD)
    squares = (FAIR * 1.5 * SPREAD) ** 2 + 0.09
    squares[2:] = 0.25**2 * squares[2:] + (0.75 * np.array([2.9, 0.875])) ** 2
    np.testing.assert_allclose(judged.error, np.sqrt(squares))


@pytest.mark.parametrize("curve", CURVES, ids=["platt", "beta", "isotonic"])
def test_shares_add_up_whatever_the_curve(curve: Curve) -> None:
    judged = WHOLE.judge(curve, ENCODING, MATRIX, MARGIN, SPREAD)
    # The last row's shares take it back to where it began.
    values = np.array([[-1.0, -1.25], [0.5, 0.25], [2.0, -1.25], [0.5, -0.5]])
    base, shares = WHOLE.explain(curve, MARGIN, 0.25, values, judged)
    np.testing.assert_allclose(base + shares.sum(axis=1), judged.log_odds, atol=1e-12)
    assert base[0] == base[1] == pytest.approx(float(curve.log_odds(np.array([0.25]))[0]))


def test_a_line_stretches_all_shares_by_its_slope() -> None:
    judged = Judgement().judge(CURVES[0], ENCODING, MATRIX, MARGIN, SPREAD)
    values = np.array([[-1.0, -1.25], [0.5, 0.25], [2.0, -1.25], [0.5, -0.5]])
    _, shares = Judgement().explain(CURVES[0], MARGIN, 0.25, values, judged)
    np.testing.assert_allclose(shares, 1.5 * values)


def test_a_thin_account_is_never_surer_than_its_segment() -> None:
    sure = WHOLE.judge(CURVES[0], ENCODING, MATRIX[2:3], np.array([6.0]), np.zeros(1))
    low, high = WHOLE.intervals.about(sure.log_odds, sure.error, 0.8)
    assert low[0] < probability(np.array(THIN.rates))[1] < high[0]
