from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from churnml.explain.reasons import Telling, Value, probability_shares
from churnml.serving.writer import Writer

FEATURES = ('a "quoted" name', "b\\", "c,d", "é", "last")
FAMILIES = {FEATURES[0]: 'with "all"', FEATURES[3]: 'with "all"', "last": "z"}
texts = st.text(st.sampled_from('",\\a€\n{}[]:'), max_size=8)
values = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | texts
shares = st.just(0.0) | st.floats(-30, 30, allow_subnormal=False)


def plainly(telling: Telling, told: dict[str, Any], found: Any, row: dict[str, Value]) -> bytes:
    reasons = telling.reasons(found, row)
    points = probability_shares(
        [reason.contribution for reason in reasons], told["base"]["log_odds"]
    )
    return to_json(
        {
            **told,
            "reasons": [
                {
                    "family": reason.family,
                    "title": reason.title,
                    "feature": reason.feature,
                    "sentence": reason.sentence,
                    "actionable": reason.actionable,
                    "log_odds": reason.contribution,
                    "points": 100.0 * share,
                }
                for reason, share in zip(reasons, points, strict=True)
            ],
        }
    )


@given(
    st.lists(shares, min_size=5, max_size=5),
    st.lists(values, min_size=5, max_size=5),
    shares,
    texts,
)
def test_an_answer_is_written_as_it_would_be_plainly(
    moved: list[float], held: list[Value], base: float, name: str
) -> None:
    telling = Telling.of(FEATURES, None, FAMILIES)
    told = {
        "account_id": name + '"reasons":[]',
        "base": {"log_odds": base},
        "reasons": [],
        "unseen": {name: name},
    }
    row = dict(zip(FEATURES, held, strict=True))

    written = Writer(telling).written(told, np.array(moved), row)

    assert written == plainly(telling, told, np.array(moved), row)


def test_an_answer_without_reasons_has_none() -> None:
    told = {"base": {"log_odds": 0.5}, "reasons": []}
    writer = Writer(Telling.of(("x",), None))
    assert writer.written(told, np.zeros(1), {"x": 1.0}) == to_json(told)
