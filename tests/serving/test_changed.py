"""The difference of two answers, family by family."""

from __future__ import annotations

from typing import Any

import pytest

from churnml.serving.changed import difference, since
from churnml.serving.documents import ChangedDocument


def told(base: float, probability: float, bundle: str = "b1", **families: float) -> dict[str, Any]:
    """Give an answer, as far as differences are told of it."""
    return {
        "scored_at": "2026-01-02T00:00:00Z",
        "as_of": "2026-01-01T00:00:00Z",
        "probability": probability,
        "risk_tier": "low",
        "log_odds": base + sum(families.values()),
        "base": {"log_odds": base, "probability": 0.05},
        "reasons": [
            {"family": name, "title": name.title(), "log_odds": value}
            for name, value in families.items()
        ],
        "model": {"bundle": bundle},
    }


def test_each_family_says_what_it_gained_or_lost_the_heaviest_first() -> None:
    earlier = told(-3.0, 0.10, usage=0.5, billing=-0.25, voice=0.125)
    later = told(-2.5, 0.30, usage=-0.5, billing=-0.25, support=0.25)

    assert difference(earlier, later) == {
        "points": pytest.approx(20.0),
        "log_odds": pytest.approx(-0.375),
        "base": 0.5,
        "families": [
            {"family": "usage", "title": "Usage", "log_odds": -1.0},
            {"family": "support", "title": "Support", "log_odds": 0.25},
            {"family": "voice", "title": "Voice", "log_odds": -0.125},
            {"family": "billing", "title": "Billing", "log_odds": 0.0},
        ],
    }


def test_what_changed_names_the_earlier_answer() -> None:
    found = since(told(-3.0, 0.1, bundle="old", usage=0.5), told(-3.0, 0.2, usage=1.0))
    assert found is not None
    ChangedDocument.model_validate(found)
    assert (found["bundle"], found["probability"], found["risk_tier"]) == ("old", 0.1, "low")
    assert (found["scored_at"], found["as_of"]) == ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z")
    assert since(None, told(-3.0, 0.1)) is None
