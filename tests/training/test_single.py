from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from churnml.training.calibration import Calibrator, probability
from churnml.training.calibrators import Curve, Doubt
from churnml.training.curves import BetaCurve, IsotonicCurve
from churnml.training.encoding import Encoding, FeatureKind
from churnml.training.intervals import Intervals
from churnml.training.judgement import Judgement
from churnml.training.segments import Segmentation, SegmentCheck
from churnml.training.single import Single
from churnml.training.thin import Thin

ENCODING = Encoding(
    MappingProxyType({"age": FeatureKind.NUMBER, "b": FeatureKind.NUMBER}), MappingProxyType({})
)
THIN = Thin(least={"age": 61.0}, known=0.25, weight=0.4, rates=(-2.5,))
KNOWN = np.array([[100.0, np.nan]])
BASE = -1.25
CURVES: dict[str, Curve] = {
    "line": Calibrator(0.9, -0.3),
    "beta": BetaCurve(0.7, 1.1, 0.2),
    "steps": IsotonicCurve((-3.0, -1.0, 0.5, 2.0), (-4.0, -1.5, 0.1, 3.0)),
}
JUDGEMENT = Judgement(
    doubt=Doubt(centre=-0.5, level=0.01, both=0.002, slope=0.005),
    thin=THIN,
    intervals=Intervals(rate=-1.5, least=0.01),
)


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
def test_one_row_is_judged_as_many_are_to_the_last_bit(curve: Curve) -> None:
    rng = np.random.default_rng(5)
    single = Single(curve, ENCODING, JUDGEMENT, BASE)
    plain = 0
    for margin, spread in zip(
        [*rng.normal(-1, 3, 400), BASE, BASE + 1e-10], [*rng.exponential(0.3, 400), 0.0, 0.0],
        strict=True,
    ):  # fmt: skip
        found = single.judge(KNOWN, margin, spread, 0.8)

        at = np.array([margin])
        judged = JUDGEMENT.judge(curve, ENCODING, KNOWN, at, np.array([spread]))
        low, high = JUDGEMENT.intervals.about(judged.log_odds, judged.error, 0.8)
        base, shares = JUDGEMENT.explain(curve, at, BASE, np.array([[0.5, -0.125]]), judged)
        if found is None:
            continue
        plain += 1
        assert [found.log_odds, found.error, found.low, found.high, found.base] == [
            value.item() for value in (judged.log_odds, judged.error, low, high, base)
        ]
        assert found.probability == probability(judged.log_odds).item()
        assert [0.5 * found.stretch, -0.125 * found.stretch] == shares[0].tolist()
    assert plain > 300


def test_what_is_not_plain_is_left_to_others() -> None:
    check = SegmentCheck(
        value="x", rows=9, observed=1, expected=1.0, offset=0.5, pooled=0.5, low=0.0, high=1.0
    )
    parted = Segmentation(
        feature="b", bounds=(), gain=1.0, error=0.1, applied=True, segments=(check,)
    )
    segmented = JUDGEMENT.model_copy(update={"segments": (parted,)})
    line = CURVES["line"]
    assert Single(line, ENCODING, segmented, BASE).judge(KNOWN, 0.0, 0.1, 0.8) is None
    single = Single(line, ENCODING, JUDGEMENT, BASE)
    assert single.judge(np.array([[60.0, 1.0]]), 0.0, 0.1, 0.8) is None
    assert single.judge(KNOWN, 0.0, 0.1, 0.8) is not None
