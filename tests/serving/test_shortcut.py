"""What goes the short way is answered as what goes the long way, which any query takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from churnml.errors import StoreError
from churnml.serving.keys import Scope
from churnml.serving.scores import ScoreList

if TYPE_CHECKING:
    import httpx

LONG = "?the=long-way"


@pytest.fixture
def scored(ask: Any, scores: ScoreList) -> str:
    """Give an account that was scored."""
    account = scores.scores[0].account_id
    assert ask("POST", "/v1/scores/accounts", json={"account_ids": [account]}).status_code == 200
    return account


def same(short: httpx.Response, long: httpx.Response) -> None:
    own = {"x-request-id", "content-length"}
    assert short.status_code == long.status_code
    assert {k: v for k, v in short.headers.items() if k not in own} == {
        k: v for k, v in long.headers.items() if k not in own
    }
    if short.status_code == 200:
        assert short.content == long.content
    else:
        told = [{**answer.json(), "request_id": ""} for answer in (short, long)]
        assert told[0] == told[1]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer no"}, {"Authorization": ""}])
def test_features_are_answered_alike(
    ask: Any, row: dict[str, Any], headers: dict[str, str]
) -> None:
    bodies: list[dict[str, Any]] = [row, {"features": {}}, {**row, "arr": True}]
    for body in bodies:
        short = ask("POST", "/v1/scores/features", json=body, headers=headers)
        same(short, ask("POST", "/v1/scores/features" + LONG, json=body, headers=headers))


@pytest.mark.parametrize("account", ["", "nobody", "a/b", "n" * 256, "n" * 257, "batch", "%2F"])
def test_accounts_are_answered_alike(ask: Any, account: str) -> None:
    same(ask("GET", f"/v1/scores/{account}"), ask("GET", f"/v1/scores/{account}{LONG}"))


def test_the_last_answer_is_given_alike(ask: Any, scored: str) -> None:
    short = ask("GET", f"/v1/scores/{scored}")
    assert short.status_code == 200
    same(short, ask("GET", f"/v1/scores/{scored}{LONG}"))


def test_a_key_needs_the_scope_and_its_rate_counts(ask: Any, scored: str) -> None:
    for key in (ask.key_for(Scope.ACT), ask.key_for(Scope.SCORE, rate=0.01)):
        headers = {"Authorization": f"Bearer {key}"}
        ask("GET", "/v1/model", headers=headers)
        answer = ask("GET", f"/v1/scores/{scored}", headers=headers)
        assert answer.status_code == (429 if "retry-after" in answer.headers else 403)
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_store_that_fails_is_told_and_logged(
    ask: Any, scored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(type(ask.service.store.scores), "at_hand", broken)
    answer = ask("GET", f"/v1/scores/{scored}")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:churnml:problem:unavailable")
    assert "disk" not in answer.text
    told = [line for line in ask.logged() if line["event"] == "unavailable"][-1]
    assert told["why"] == "the disk is gone"
    assert told["request_id"] == answer.json()["request_id"]


def test_it_is_measured_and_logged_under_its_route(ask: Any, scored: str) -> None:
    ask("GET", f"/v1/scores/{scored}")
    told = ask.logged()[-1]
    assert (told["route"], told["status"]) == ("/v1/scores/{account_id}", 200)
    assert told["key"] is not None
    assert f'route="{told["route"]}",status="200"' in ask("GET", "/metrics").text
