"""Every method of the client, asked of the application."""

from __future__ import annotations

import datetime as dt
import inspect
from typing import Any

import httpx
import pytest

from churnml.client import Client, Conflict, Event, NotFound, Refused, Row, Unfit
from churnml.serving.keys import Scope
from churnml.serving.scores import ScoreList


class Telling(Client):
    """A client that tells which of its methods were asked."""

    asked: set[str]

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name not in {"asked", "close"}:
            self.asked.add(name)
        return super().__getattribute__(name)


@pytest.fixture
def client(ask: Any) -> Telling:
    def answer(request: httpx.Request) -> httpx.Response:
        how = {"content": request.read(), "headers": dict(request.headers)}
        found: httpx.Response = ask(request.method, request.url.raw_path.decode(), **how)
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    key = ask.key_for(Scope.SCORE, Scope.ACT, Scope.INGEST)
    Telling.asked = set()
    return Telling("http://test", key, transport=httpx.MockTransport(answer))


def test_every_method_is_answered(
    client: Telling, scores: ScoreList, row: dict[str, Any], ask: Any
) -> None:
    account = scores.scores[0].account_id
    features = row["features"]
    before = dt.datetime(2000, 1, 1)

    score = client.score([account, "nobody"]).scores[0]
    assert client.latest(account) == score
    assert next(client.history(account, page=1)) == score
    with pytest.raises(NotFound) as never:
        client.latest(account, as_of=before)
    assert never.value.kind == "not-scored"

    one = client.score_features(features, account_id="a", arr=12_000)
    assert one.account_tier == "business"
    assert client.score_batch([Row(features)] * 2)[1].probability == pytest.approx(one.probability)
    good, bad = client.score_bulk([Row(features), Row({**features, "seets": 1.0})])
    assert not isinstance(good, Refused)
    assert isinstance(bad, Unfit)

    subscription = {"subscription_id": "s", "started_at": before, "mrr": 100.0}
    sent = client.score_history("new", {"subscriptions": [subscription]}, as_of=before)
    assert sent.not_scored[0].account_id == "new"
    what = client.what_if({"tone_91d": 1.0}, account_id=account)
    assert what.after.log_odds == pytest.approx(what.before.log_odds + what.difference.log_odds)

    listed = list(client.accounts(search=account, sort="account_id"))
    assert [item.account_id for item in listed] == [account]
    assert client.account(account).probability == score.probability
    said = list(client.messages(account, page=50))
    assert len({message.text_id for message in said}) == len(said) > 0
    assert client.read_texts(["Please cancel our subscription."]).readings[0].intents
    with pytest.raises(NotFound):
        client.correct("messages/none", {"sentiment": "negative"})

    with pytest.raises(Unfit) as unfit:
        client.post_events("app", [Event("1", "usage", {"account_id": account})])
    assert unfit.value.faults[0].at.startswith("events.0.row")

    assert client.model().bundle == ask.service.bundles.now.bundle.id
    assert client.models().models[0].answers
    assert client.ready().status == "ready"

    methods = {n for n, _ in inspect.getmembers(Client, inspect.isfunction) if n[0] != "_"}
    assert client.asked == methods - {"close"}


def test_what_the_model_cannot_be_asked_is_a_conflict(
    client: Telling, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask.service, "accounts", None)
    with pytest.raises(Conflict) as raised:
        client.score(["a"])
    assert raised.value.kind == "no-history"
