from types import MappingProxyType

import numpy as np
import pytest

from churnml.errors import TrainingError
from churnml.training.calibration import probability
from churnml.training.encoding import Encoding, FeatureKind
from churnml.training.thin import Thin, ThinSpec, applicable, is_thin, learn_thin

ENCODING = Encoding(
    MappingProxyType(
        {
            "account_age_days": FeatureKind.NUMBER,
            "plan": FeatureKind.CATEGORY,
            "events": FeatureKind.NUMBER,
            "seats": FeatureKind.NUMBER,
        }
    ),
    MappingProxyType({"plan": ("basic", "pro")}),
)
NAN = np.nan
MATRIX = np.array(
    [[400, 0, 3, 2], [61, 1, 0, 1], [60, 1, 9, 9], [NAN, 0, 1, 1], [90, NAN, NAN, NAN]], dtype=float
)


def thin(**changes: object) -> Thin:
    content = {"least": {"account_age_days": 61.0}, "known": 0.3, "weight": 0.5, "rates": (-3.0,)}
    return Thin.model_validate(content | changes)


def test_it_says_why() -> None:
    assert thin().why(ENCODING, MATRIX) == (
        "",
        "",
        "account_age_days 60, under 61",
        "account_age_days missing, under 61",
        "25% of features known, under 30%",
    )
    assert thin(known=0.0).why(ENCODING, MATRIX[4:]) == ("",)
    both = thin(least={"events": 4.0, "seats": 2.0}, known=0.0).why(ENCODING, MATRIX[1:2])
    assert both == ("events 0, under 4; seats 1, under 2",)


def test_the_rule_and_its_reasons_agree() -> None:
    spec = ThinSpec(known=0.3)
    found = is_thin(spec, ENCODING, MATRIX)
    assert found.tolist() == [bool(why) for why in thin().why(ENCODING, MATRIX)]


def test_the_default_asks_only_for_what_there_is() -> None:
    flat = Encoding(MappingProxyType({"events": FeatureKind.NUMBER}), MappingProxyType({}))
    assert applicable(ThinSpec(), flat) == {}
    assert applicable(ThinSpec(), ENCODING) == {"account_age_days": 61.0}


@pytest.mark.parametrize(
    ("name", "message"),
    [("event", "none of the features. Did you mean 'events'"), ("plan", "a category")],
)
def test_what_is_named_must_be_a_number_there(name: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        applicable(ThinSpec(least={name: 1.0}), ENCODING)


def learnt(truth: float, rows: int = 20_000) -> Thin:
    """Learn from thin accounts, of whose scores so much is true."""
    generator = np.random.default_rng(0)
    matrix = np.tile([10.0, 0.0, 1.0, 1.0], (rows, 1))
    log_odds = generator.normal(-2, 1.5, rows)
    label = (generator.random(rows) < probability(-2 + truth * (log_odds + 2))).astype(float)
    segment = np.zeros(rows, dtype=np.intp)
    return learn_thin(ThinSpec(), ENCODING, matrix, log_odds, label, segment, 1)


def test_scores_are_believed_as_far_as_they_proved_true() -> None:
    assert learnt(1.0).weight == pytest.approx(1.0, abs=0.1)
    assert learnt(0.3).weight == pytest.approx(0.3, abs=0.08)
    assert learnt(-0.5).weight == 0.0
    assert learnt(0.3).rows == 20_000


def test_without_thin_rows_half_is_believed() -> None:
    rows = np.tile([400.0, 0.0, 1.0, 1.0], (10, 1))
    label = np.array([1.0, 0.0] * 5)
    segment = np.zeros(10, dtype=np.intp)
    found = learn_thin(ThinSpec(), ENCODING, rows, np.zeros(10), label, segment, 1)
    assert (found.weight, found.rows, found.churned) == (0.5, 0, 0)
    assert found.rates == (0.0,)


def test_rates_of_small_segments_are_drawn_to_the_mean() -> None:
    """A segment of 200 rows without churners, beside one of 200 that has all 40."""
    label = np.concatenate([np.zeros(200), np.ones(40), np.zeros(160)])
    segment = np.repeat([0, 1], 200)
    matrix = np.tile([400.0, 0.0, 1.0, 1.0], (400, 1))
    found = learn_thin(ThinSpec(), ENCODING, matrix, np.zeros(400), label, segment, 3)
    np.testing.assert_allclose(probability(np.array(found.rates)), [0.05, 0.15, 0.1])
