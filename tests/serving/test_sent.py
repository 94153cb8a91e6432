"""History that is sent along: the same answer as of history that is there, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from churnml.features.engine import compute_live
from churnml.features.facts import compile_catalogue
from churnml.history.asof import History
from churnml.history.tables import ACCOUNT_ID
from churnml.serving.documents import AccountScoresDocument, ProblemDocument, ScoreDocument
from churnml.serving.scores import ScoreList
from churnml.text.archive import Archive
from churnml.training.workflow import Trained

if TYPE_CHECKING:
    import httpx

PATH = "/v1/scores/history"
TERM = {"subscription_id": "s", "started_at": "2025-11-01", "ends_at": "2026-12-01", "mrr": 100.0}
EVENT = {"occurred_at": "2026-06-01T12:00:00Z", "event": "login"}


def rows_of(history: History, account: str) -> dict[str, list[dict[str, Any]]]:
    """Give all rows of an account as they are sent."""
    sent = {}
    for name in history.contracts.keys() - history.made_by.keys():
        rows = history.hindsight(name).to_pylist()
        sent[name] = [
            {
                k: v.isoformat() if isinstance(v, dt.datetime) else v
                for k, v in row.items()
                if v is not None
            }
            for row in rows
            if row[ACCOUNT_ID] == account
        ]
    return sent


def score(answer: httpx.Response) -> ScoreDocument:
    assert answer.status_code == 200, answer.text
    (found,) = AccountScoresDocument.model_validate_json(answer.content).scores
    return found


def faults(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {
        item.at: item.why for item in ProblemDocument.model_validate_json(answer.content).faults
    }


def test_history_that_is_sent_gives_the_score_of_history_that_is_there(
    ask: Any, scores: ScoreList
) -> None:
    history = ask.service.histories.now
    until = f"{history.observed_until.isoformat()}Z"
    for item in (scores.scores[0], scores.scores[40]):
        account = item.account_id
        sent = rows_of(history, account)
        body = {"account_id": account, "as_of": until, "tables": sent}

        found = score(ask("POST", PATH, json=body))

        assert found.log_odds == pytest.approx(item.log_odds, rel=1e-12)
        assert [r.sentence for r in found.reasons] == [r.sentence for r in item.reasons]
        assert (found.arr, found.as_of, found.scored_at) == (item.arr, until, None)
        backwards = {name: rows[::-1] for name, rows in reversed(sent.items())}
        assert score(ask("POST", PATH, json={**body, "tables": backwards})) == found
    assert ask("GET", f"/v1/scores/{scores.scores[40].account_id}").status_code == 404


def test_features_of_what_is_sent_are_those_of_training_to_the_bit(
    ask: Any, scores: ScoreList, trained: Trained
) -> None:
    history, account = ask.service.histories.now, scores.scores[3].account_id
    when = dt.datetime(2026, 3, 1)
    body = {"account_id": account, "as_of": "2026-03-01", "tables": rows_of(history, account)}
    sent = ask.service.sent.read(json.dumps(body).encode(), dt.datetime(2030, 1, 1))

    catalogue = trained.bundle.catalogue
    assert catalogue is not None
    program = compile_catalogue(catalogue, history.contracts)
    there, here = (compute_live(item, program, [account], when) for item in (history, sent.history))
    assert here.equals(there)
    words = sent.history.hindsight("readings").to_pylist()
    kept = [r for r in history.hindsight("readings").to_pylist() if r[ACCOUNT_ID] == account]
    assert words == kept


def test_what_is_known_at_or_after_is_not_seen(ask: Any) -> None:
    tables = {"subscriptions": [TERM], "usage": [EVENT]}
    body = {"account_id": "x", "as_of": "2026-06-02", "tables": tables}
    late = [
        {**EVENT, "occurred_at": "2026-06-02"},
        {**EVENT, "occurred_at": "2027-01-01"},
    ]
    told_late = {**TERM, "subscription_id": "s2", "recorded_at": "2026-06-03"}

    first = score(ask("POST", PATH, json=body))
    more = {"subscriptions": [TERM, told_late], "usage": [*late, EVENT]}
    assert score(ask("POST", PATH, json={**body, "tables": more})) == first


def test_as_of_is_just_after_the_newest_time_known(ask: Any) -> None:
    booked = {"subscription_id": "s2", "started_at": "2199-01-01", "mrr": 1.0}
    tables = {"subscriptions": [TERM, booked], "usage": [EVENT]}
    found = score(ask("POST", PATH, json={"account_id": "x", "tables": tables}))
    assert found.as_of == "2026-06-01T12:00:00.000001Z"

    alone = score(ask("POST", PATH, json={"account_id": "x", "tables": {"subscriptions": [TERM]}}))
    assert alone.as_of == "2025-11-01T00:00:00.000001Z"


def test_who_is_not_scored_is_told_why(ask: Any) -> None:
    ended = {**TERM, "ends_at": "2026-01-01"}
    for tables in ({"subscriptions": [ended], "usage": [EVENT]}, {}):
        body = {"account_id": "x", "as_of": "2026-06-02", "tables": tables}
        found = AccountScoresDocument.model_validate_json(ask("POST", PATH, json=body).content)
        assert found.scores == []
        assert [item.account_id for item in found.not_scored] == ["x"]
        assert "not active" in found.not_scored[0].why


def test_nothing_that_is_known_of_a_like_named_account_is_looked_at(
    ask: Any, scores: ScoreList
) -> None:
    tables = {"subscriptions": [TERM], "usage": [EVENT]}
    own, other = (
        score(ask("POST", PATH, json={"account_id": name, "tables": tables}))
        for name in (scores.scores[0].account_id, "x")
    )
    assert own.model_copy(update={"account_id": "x"}) == other


@pytest.mark.parametrize(
    ("tables", "at", "why"),
    [
        ({"usge": []}, "tables.usge", "Did you mean 'usage'?"),
        ({"readings": []}, "tables.readings", "made of messages, tickets, surveys"),
        ({"usage": [{**EVENT, "quantiy": 1}]}, "tables.usage.0.quantiy", "'quantity'"),
        ({"usage": [EVENT, {"event": "a"}]}, "tables.usage.1.occurred_at", "missing"),
        ({"usage": [{**EVENT, "account_id": "y"}]}, "tables.usage.0.account_id", "'x' was"),
        ({"usage": [1]}, "tables.usage.0", "object"),
        ({"subscriptions": [TERM, TERM]}, "tables.subscriptions.1", "same subscription_id"),
        (
            {"subscriptions": [{**TERM, "ends_at": "2024-01-01"}]},
            "tables.subscriptions.0.ends_at",
            "before started_at",
        ),
        ({}, "as_of", "no row was known by now"),
    ],
)
def test_what_breaks_a_contract_is_named(
    ask: Any, tables: dict[str, Any], at: str, why: str
) -> None:
    found = faults(ask("POST", PATH, json={"account_id": "x", "tables": tables}))
    assert list(found) == [at]
    assert why in found[at]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"tables": {}}, "account_id"),
        ({"account_id": "", "tables": {}}, "account_id"),
        ({"account_id": "x"}, "tables"),
        ({"account_id": "x", "tables": {}, "as_of": "2024-02-31"}, "as_of"),
        ({"account_id": "x", "tables": {}, "asof": None}, "asof"),
    ],
)
def test_a_faulty_request_is_refused(ask: Any, body: dict[str, Any], at: str) -> None:
    assert list(faults(ask("POST", PATH, json=body))) == [at]


def test_texts_of_another_reader_than_the_models_are_not_guessed_at(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = {
        "message_id": "m",
        "sent_at": "2026-06-01",
        "direction": "inbound",
        "text": "Thank you.",
    }
    monkeypatch.setattr(Archive, "version", "another")
    body = {"account_id": "x", "tables": {"messages": [message]}}
    answer = ask("POST", PATH, json=body)
    assert (answer.status_code, answer.json()["type"][-8:]) == (409, "unsuited")
    assert "another" not in answer.text
    assert any("another" in line.get("why", "") for line in ask.logged())


def test_a_model_of_a_flat_table_has_no_history_to_be_asked_of(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask.service, "sent", None)
    answer = ask("POST", PATH, json={"account_id": "x", "tables": {}})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:churnml:problem:no-history")
