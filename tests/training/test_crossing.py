from __future__ import annotations

import math
from types import MappingProxyType

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pytest

from churnml.errors import BundleError
from churnml.explain.change import Change
from churnml.training.calibration import Calibrator
from churnml.training.calibrators import Curve
from churnml.training.crossing import change_between
from churnml.training.curves import BetaCurve
from churnml.training.encoding import Encoding, FeatureKind
from churnml.training.estimator import Model
from churnml.training.judgement import Judgement
from churnml.training.segments import Segmentation, SegmentCheck
from churnml.training.thin import Thin


def model(features: tuple[str, ...], seed: int, curve: Curve, judgement: Judgement) -> Model:
    rows = np.random.default_rng(seed).integers(0, 100, (60, len(features))).astype(float)
    parameters = {
        "objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 3,
    }  # fmt: skip
    label = (rows.sum(axis=1) > 50 * len(features)).astype(float)
    booster = lgb.train(parameters, lgb.Dataset(rows, label), 3)
    kinds = MappingProxyType(dict.fromkeys(features, FeatureKind.NUMBER))
    encoding = Encoding(kinds, MappingProxyType({}))
    return Model(encoding, curve, booster.model_to_string(), (3,), judgement)


def band(pooled: float) -> SegmentCheck:
    return SegmentCheck(
        value="", rows=9, observed=1, expected=1, offset=0, pooled=pooled, low=-1, high=1
    )


BANDS = Segmentation(
    feature="seats",
    bounds=(50.0,),
    gain=2.0,
    error=1.0,
    applied=True,
    segments=(band(0.25), band(-0.5), band(0.0)),
)
THIN = Thin(least={"age": 30.0}, known=0.0, weight=0.25, rates=(-3.0, -2.0, -1.0))


@pytest.fixture(scope="module")
def old() -> Model:
    return model(("age", "logins"), 1, Calibrator(1.5, -0.5), Judgement())


@pytest.fixture(scope="module")
def new() -> Model:
    judgement = Judgement(segments=(BANDS,), thin=THIN)
    return model(("seats", "logins", "age"), 2, BetaCurve(1.4, 0.6, 0.1), judgement)


ROWS = pa.table({"age": [20.0, 90.0], "logins": [80.0, 10.0], "seats": [40.0, 60.0]})


def total(found: Change) -> float:
    moved = [reason.contribution for reason in found.behaviour]
    return math.fsum([*moved, found.thinness, found.model, found.calibration])


def test_one_model_tells_the_difference_of_its_own_reasons(new: Model) -> None:
    scores = new.score(ROWS, contributions=True)
    found = change_between((new, new), (ROWS, ROWS), None)
    assert scores.thin == ("age 20, under 30", "")
    assert (found.earlier, found.later) == pytest.approx(tuple(scores.log_odds), abs=1e-12)
    shares = np.asarray(scores.contributions)
    told = {reason.feature: reason.contribution for reason in found.behaviour}
    expected = dict(zip(new.encoding.features, shares[1] - shares[0], strict=True))
    assert told == pytest.approx(expected, abs=1e-12)
    assert found.thinness == pytest.approx(scores.base[1] - scores.base[0], abs=1e-12)
    assert (found.model, found.calibration) == (0.0, 0.0)
    assert total(found) == pytest.approx(found.difference, abs=1e-9)


def test_two_models_tell_the_difference_of_their_scores(old: Model, new: Model) -> None:
    frames = ROWS.select(["age", "logins"]), ROWS
    found = change_between((old, new), frames, None)
    assert found.earlier == pytest.approx(old.score(frames[0], contributions=True).log_odds[0])
    assert found.later == pytest.approx(new.score(frames[1], contributions=True).log_odds[1])
    assert {reason.feature for reason in found.behaviour} == {"age", "logins"}
    sentences = {reason.sentence for reason in found.behaviour}
    assert sentences == {"age is 90 (was 20)", "logins is 10 (was 80)"}
    assert found.model != 0
    assert found.calibration != 0
    assert total(found) == pytest.approx(found.difference, abs=1e-9)


def test_a_feature_that_says_something_else_is_the_models(old: Model) -> None:
    again = ROWS.select(["age"]).append_column("logins", pa.array([8.0, 1.0]))
    found = change_between((old, old), (ROWS, again), None)
    assert [reason.feature for reason in found.behaviour] == ["age"]
    assert total(found) == pytest.approx(found.difference, abs=1e-9)


def test_values_that_are_not_known_are_alike(old: Model) -> None:
    blank = pa.table({"age": [20.0, 90.0], "logins": [80.0, float("nan")]})
    found = change_between((old, old), (blank, blank), None)
    assert found.model == 0
    assert {reason.sentence for reason in found.behaviour} == {
        "age is 90 (was 20)",
        "logins is unknown; before: logins is 80",
    }


def test_rows_that_do_not_fit_are_refused(old: Model, new: Model) -> None:
    with pytest.raises(BundleError, match="1 of 3 features are missing: seats"):
        change_between((old, new), (ROWS, ROWS.select(["age", "logins"])), None)


def test_a_change_is_told_by_two_rows(old: Model) -> None:
    with pytest.raises(
        BundleError, match="1 rows to tell a change by; expected two, the earlier one"
    ):
        change_between((old, old), (ROWS, ROWS.slice(1)), None)
