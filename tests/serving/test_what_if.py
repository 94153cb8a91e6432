"""What if: two answers, what is between them, and what nobody can ask."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from churnml.serving.documents import ProblemDocument, ScoreDocument, WhatIfDocument
from churnml.serving.scores import ScoreList
from churnml.training.workflow import Trained

if TYPE_CHECKING:
    import httpx

PATH = "/v1/scores/what-if"


def faults(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {
        item.at: item.why for item in ProblemDocument.model_validate_json(answer.content).faults
    }


def told(answer: httpx.Response) -> WhatIfDocument:
    assert answer.status_code == 200, answer.text
    return WhatIfDocument.model_validate_json(answer.content)


@pytest.fixture(scope="module")
def counted(trained: Trained) -> str:
    """Name a count that somebody can act on, over a window and a longer one."""
    assert "unhappy_messages_28d" in trained.bundle.features
    assert "unhappy_messages_91d" in trained.bundle.features
    return "unhappy_messages_28d"


def test_an_account_is_scored_before_and_after(ask: Any, scores: ScoreList, counted: str) -> None:
    account = scores.scores[0].account_id
    found = told(ask("POST", PATH, json={"account_id": account, "changes": {counted: 3}}))
    plain = ask("POST", "/v1/scores/accounts", json={"account_ids": [account]}).json()["scores"][0]

    before = ScoreDocument.model_validate(plain)
    assert found.before.log_odds == pytest.approx(before.log_odds, rel=1e-12)
    assert [r.sentence for r in found.before.reasons] == [r.sentence for r in before.reasons]
    assert (found.before.arr, found.before.risk_tier) == (before.arr, before.risk_tier)
    assert (found.before.scored_at, found.after.scored_at) == (None, None)
    assert (found.after.account_id, found.after.as_of) == (account, before.as_of)
    parts = [found.difference.base, *(item.log_odds for item in found.difference.families)]
    assert math.fsum(parts) == pytest.approx(found.difference.log_odds, abs=1e-9)
    moved = found.after.log_odds - found.before.log_odds
    assert found.difference.log_odds == pytest.approx(moved, abs=1e-12)
    assert [item.after for item in found.moved if item.given] == [3.0]
    assert any("unhappy_messages_91d" in item for item in found.warnings)


def test_nothing_is_kept(ask: Any, scores: ScoreList, counted: str) -> None:
    account = scores.scores[-1].account_id
    told(ask("POST", PATH, json={"account_id": account, "changes": {counted: 0}}))
    assert ask("GET", f"/v1/scores/{account}").status_code == 404


def test_features_are_scored_as_a_row_with_other_values_is(
    ask: Any, row: dict[str, Any], counted: str
) -> None:
    body = {"features": row["features"], "arr": 1200, "changes": {counted: 2}}
    found = told(ask("POST", PATH, json=body))

    after = {item.feature: item.after for item in found.moved}
    changed = {"features": {**row["features"], **after}, "arr": 1200}
    for document, features in ((found.before, {**row, "arr": 1200}), (found.after, changed)):
        plain = ask("POST", "/v1/scores/features", json=features).json()
        assert document.log_odds == pytest.approx(plain["log_odds"], abs=1e-12)
        assert document.arr == 1200.0


def test_what_follows_from_a_change_is_computed(ask: Any, row: dict[str, Any]) -> None:
    features = {**row["features"], "tone_91d": -1.0, "tone_prev_91d": 0.5, "tone_change_91d": -1.5}
    found = told(ask("POST", PATH, json={"features": features, "changes": {"tone_91d": 1.0}}))
    moved = {item.feature: (item.before, item.after, item.given) for item in found.moved}
    assert moved == {
        "tone_91d": (-1.0, 1.0, True),
        "tone_change_91d": (-1.5, 0.5, False),
    }

    both = {"tone_91d": 1.0, "tone_change_91d": -2.0}
    set_apart = told(ask("POST", PATH, json={"features": features, "changes": both}))
    assert {item.feature: item.after for item in set_apart.moved} == both
    assert any("'tone_change_91d' is computed from" in item for item in set_apart.warnings)


def test_a_change_to_what_is_already_so_changes_nothing(ask: Any, row: dict[str, Any]) -> None:
    features = {**row["features"], "tone_91d": 1.0}
    found = told(ask("POST", PATH, json={"features": features, "changes": {"tone_91d": 1}}))
    assert found.before == found.after
    assert (found.moved, found.warnings, found.difference.points) == ([], [], 0.0)


@pytest.mark.parametrize(
    ("changes", "at", "why"),
    [
        ({"tone_91": 1}, "changes.tone_91", "Did you mean 'tone_91d'?"),
        ({"account_age_days": 1}, "changes.account_age_days", "nobody can act on it"),
        ({"tone_91d": "1"}, "changes.tone_91d", "valid number"),
        ({"tone_91d": True}, "changes.tone_91d", "valid number"),
        ({"tone_91d": None}, "changes.tone_91d", "a value was expected"),
        ({"opened_share_91d": 1.5}, "changes.opened_share_91d", "at least 0 and at most 1"),
        ({}, "changes", "at least 1"),
    ],
)
def test_what_nobody_can_do_is_refused(
    ask: Any, row: dict[str, Any], changes: dict[str, Any], at: str, why: str
) -> None:
    found = faults(ask("POST", PATH, json={**row, "changes": changes}))
    assert list(found) == [at]
    assert why in found[at]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "account_id"),
        ({"account_id": "a", "features": {}}, "account_id"),
        ({"account_id": "a", "arr": 1.0}, "arr"),
        ({"account_id": "a", "as_of": "2999-01-01"}, "as_of"),
        ({"account_id": "a", "as_of": "2024-02-31"}, "as_of"),
        ({"account_id": "a", "asof": None}, "asof"),
    ],
)
def test_a_faulty_question_is_refused(ask: Any, body: dict[str, Any], at: str) -> None:
    assert list(faults(ask("POST", PATH, json={"changes": {"tone_91d": 1}, **body}))) == [at]


def test_features_that_do_not_fit_are_named(ask: Any, row: dict[str, Any]) -> None:
    features = {**row["features"], "tone_91d": "x"}
    body = {"features": features, "changes": {"tone_91d": 1}}
    assert list(faults(ask("POST", PATH, json=body))) == ["features.tone_91d"]


def test_an_account_that_is_not_scored_is_said_to_be_so(ask: Any) -> None:
    answer = ask("POST", PATH, json={"account_id": "nobody", "changes": {"tone_91d": 1}})
    assert answer.status_code == 404
    assert "unknown" in answer.json()["detail"]


def test_nothing_says_what_can_be_acted_on_of_a_flat_table(
    ask: Any, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ask.service.bundles.now.__dict__, "levers", None)
    answer = ask("POST", PATH, json={**row, "changes": {"tone_91d": 1}})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:churnml:problem:no-catalogue")
