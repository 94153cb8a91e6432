"""How far what is scored lies from training."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from churnml.serving.drift import LEAST, Drift, psi
from churnml.training.reference import Bins, Reference

REFERENCE = Reference(
    score=Bins(edges=(0.1, 0.2), counts=(500, 300, 200, 0)),
    features={
        "count": Bins(edges=(0.0,), counts=(500, 400, 100)),
        "plan": Bins(edges=(0.0,), counts=(700, 300, 0)),
    },
    ranks={"plan": (1, 0)},
)


def test_the_index_is_that_of_its_formula() -> None:
    p, q = np.array([100.5, 300.5]) / 401, np.array([30.5, 10.5]) / 41
    expected = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    found = psi(np.array([100, 300, 0]), np.array([30, 10, 0]))
    assert found == pytest.approx(expected, rel=1e-12)
    assert found == pytest.approx(1.0663, abs=1e-4)
    assert psi(np.array([5, 0, 7]), np.array([5, 0, 7])) == 0


def test_an_empty_bin_makes_it_large_and_not_infinite() -> None:
    assert 5 < psi(np.array([1000, 0]), np.array([0, 1000])) < 20


def test_where_nothing_drifts_it_is_as_small_as_chance_makes_it() -> None:
    generator = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    many, few = (generator.multinomial(n, shares, size=400) for n in (20_000, 1000))
    mean = np.mean([psi(a, b) for a, b in zip(many, few, strict=True)])
    assert mean == pytest.approx(9 * (1 / 20_000 + 1 / 1000), rel=0.1)


def test_too_few_rows_tell_nothing() -> None:
    drift = Drift(REFERENCE)
    assert drift.expected == [0.5, 0.3, 0.2]
    assert drift.add(np.zeros((3, 2)), [0.05, 0.1, 0.25]) == [0, 0, 2]
    assert drift.measure() is None
    drift.add(np.zeros((LEAST - 3, 2)), [0.0] * (LEAST - 3))
    found = drift.measure()
    assert found is not None
    assert found.rows == LEAST


def test_the_last_rows_are_held_against_training() -> None:
    drift = Drift(REFERENCE, rows=1000)
    drift.add(np.full((900, 2), np.nan), [0.9] * 900)
    # As training was: a code of 1 is the more frequent plan.
    count = np.repeat([0.0, 5.0, np.nan], [500, 400, 100])
    plan = np.repeat([1.0, 0.0], [700, 300])
    score = np.repeat([0.1, 0.2, 0.3], [500, 300, 200])
    for rows in np.array_split(np.arange(1000), 7):
        drift.add(np.column_stack([count, plan])[rows], score[rows].tolist())

    found = drift.measure()
    assert found is not None
    assert (found.rows, found.score) == (1000, 0)
    assert found.features == {"count": 0, "plan": 0}

    # More at once than is remembered: the last of them are.
    drift.add(np.zeros((1500, 2)), [0.3] * 500 + [0.1] * 1000)
    found = drift.measure()
    assert found is not None
    assert found.score == pytest.approx(
        psi(np.array([500, 300, 200]), np.array([1000, 0, 0])), rel=1e-12
    )
    assert found.features["plan"] > 2


def test_metrics_tell_of_drift_once_there_is_enough(
    serving: Any, company: Any, trained: Any, row: dict[str, Any]
) -> None:
    ask = serving(company)

    def told() -> str:
        ask.service.look_for_drift()
        return str(ask("GET", "/metrics").text)

    before = told()
    assert "churnml_drift_rows 0.0" in before
    assert "churnml_score_psi NaN" in before
    shares = re.findall(r'^churnml_score_bin_share\{bin="\d+"\} (\S+)$', before, re.MULTILINE)
    assert math.fsum(map(float, shares)) == pytest.approx(1)

    ask("POST", "/v1/scores/batch", json={"rows": [row] * 300})
    assert "churnml_drift_rows 0.0" in told()  # not so soon again
    ask.service._drift_due = 0.0
    after = told()

    assert "churnml_drift_rows 300.0" in after
    assert (
        sum(map(float, re.findall(r"^churnml_score_bin_total.* (\S+)$", after, re.MULTILINE)))
        == 300
    )
    found = dict(re.findall(r'^churnml_feature_psi\{feature="(\w+)"\} (\S+)$', after, re.MULTILINE))
    assert set(found) == set(trained.bundle.features)
    assert float(re.findall(r"^churnml_score_psi (\S+)$", after, re.MULTILINE)[0]) > 1

    ask.service.metrics.expected([1.0])
    assert "churnml_score_psi NaN" in told()


def test_what_was_scored_of_the_past_is_no_drift(
    serving: Any, company: Any, trained: Any, scores: Any
) -> None:
    ask = serving(company)
    body = {"account_ids": [scores.scores[0].account_id]}
    ask("POST", "/v1/scores/accounts", json={**body, "as_of": "2024-06-01"})
    assert "churnml_score_bin_total{" not in ask("GET", "/metrics").text
    ask("POST", "/v1/scores/accounts", json=body)
    assert "churnml_score_bin_total{" in ask("GET", "/metrics").text


def test_the_lag_of_events_is_told(ask: Any) -> None:
    ask.service.metrics.event_lag(0.25)
    assert "churnml_event_lag_seconds 0.25" in ask("GET", "/metrics").text
