"""Events that are posted: kept once, checked by their contracts, and in the next score."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from churnml.project import Project
from churnml.serving.keys import Scope
from churnml.serving.scores import ScoreList


@pytest.fixture
def own(elsewhere: Project, company: Project) -> Project:
    import shutil

    shutil.copytree(company.bundles, elsewhere.bundles)
    return elsewhere


class Sender:
    """Posts events to a service, and asks it for scores."""

    def __init__(self, ask: Any) -> None:
        self.ask = ask
        self.key = {"Authorization": f"Bearer {ask.key_for(Scope.INGEST)}"}
        self.until = ask.service.histories.now.observed_until

    def later(self, seconds: float) -> str:
        return f"{(self.until + dt.timedelta(seconds=seconds)).isoformat()}Z"

    def __call__(self, *events: dict[str, Any], source: str = "app", **how: Any) -> Any:
        body = {"source": source, "events": list(events)}
        return self.ask("POST", "/v1/events", json=body, headers=self.key, **how)

    def login(self, event_id: str, account: str, seconds: float = 60, **row: Any) -> dict[str, Any]:
        told = {"account_id": account, "occurred_at": self.later(seconds), "event": "login", **row}
        return {"id": event_id, "table": "usage", "row": told}

    def score(self, account: str) -> dict[str, Any]:
        answer = self.ask("POST", "/v1/scores/accounts", json={"account_ids": [account]}).json()
        found: dict[str, Any] = answer["scores"][0]
        return found


@pytest.fixture
def send(serving: Any, own: Project) -> Sender:
    return Sender(serving(own))


@pytest.fixture
def account(scores: ScoreList) -> str:
    return scores.scores[0].account_id


def refused(answer: Any, status: int = 422) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    return {fault["at"]: fault["why"] for fault in answer.json()["faults"]}


def test_the_next_score_tells_of_an_event(send: Sender, account: str) -> None:
    before = send.score(account)
    said = {
        "message_id": "m-new", "account_id": account, "sent_at": send.later(60),
        "direction": "inbound", "text": "Please cancel our subscription, we are leaving.",
    }  # fmt: skip

    answer = send({"id": "1", "table": "messages", "row": said})

    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "repeated": 0})
    after = send.score(account)
    assert after["as_of"] == send.later(60.000001)
    assert after["as_of"] > before["as_of"]
    assert after["log_odds"] != before["log_odds"]
    told = send.ask("GET", "/metrics").text
    (lag,) = re.findall(r"^churnml_event_lag_seconds (\S+)$", told, re.MULTILINE)
    assert 0 < float(lag) < 60


def test_what_was_posted_is_among_the_messages_of_its_account(send: Sender, account: str) -> None:
    said = {
        "message_id": "m-new", "account_id": account, "sent_at": send.later(60),
        "direction": "inbound", "text": "Please cancel our subscription.",
    }  # fmt: skip
    send({"id": "1", "table": "messages", "row": said})

    key = {"Authorization": f"Bearer {send.ask.key_for(Scope.ACT)}"}
    (found,) = send.ask("GET", f"/v1/accounts/{account}/messages?limit=1", headers=key).json()[
        "messages"
    ]
    assert (found["text_id"], found["text"]) == (
        "messages/m-new",
        "Please cancel our subscription.",
    )
    assert found["reading"]["intents"] == ["cancel_request"]


def test_an_event_is_kept_once(send: Sender, account: str) -> None:
    event = send.login("1", account)
    assert send(event, event).json() == {"accepted": 1, "repeated": 1}
    assert send(event, send.login("2", account)).json() == {"accepted": 1, "repeated": 1}
    # A zone or an explicit null makes it no other event.
    same = send.login("1", account, quantity=None)
    same["row"]["occurred_at"] = same["row"]["occurred_at"].replace("Z", "+00:00")
    assert send(same).json() == {"accepted": 0, "repeated": 1}

    other = send.login("1", account, quantity=5.0)
    assert "another event was posted under this id" in refused(send(other), 409)["events.0.id"]
    assert refused(send(send.login("9", account), other), 409).keys() == {"events.1.id"}
    assert send(other, source="crm").json() == {"accepted": 1, "repeated": 0}
    assert send.ask.store.events.last() == 3


def test_events_are_kept_all_or_none(send: Sender, account: str) -> None:
    faults = refused(
        send(
            send.login("1", account),
            send.login("2", "nobody"),
            send.login("3", account, quantity=-1.0),
            {"id": "4", "table": "usages", "row": {}},
            {"id": "5", "table": "usage", "row": {"account_id": account, "evnt": "login"}},
            send.login("6", account, quantity="1"),
        )
    )

    assert faults["events.2.row.quantity"] == "Input should be greater than or equal to 0."
    assert faults["events.3.table"].endswith("Did you mean 'usage'?")
    assert faults["events.4.row.evnt"] == "unknown. Did you mean 'event'?"
    assert "occurred_at" in " ".join(faults)
    assert "events.5.row.quantity" in faults
    assert send.ask.store.events.last() == 0


def test_an_account_that_nobody_told_of_is_refused_until_somebody_does(
    send: Sender, account: str
) -> None:
    assert refused(send(send.login("1", account), send.login("2", "brand-new"))) == {
        "events.1.row.account_id": (
            "an account that is unknown. Post a row of `accounts` for it, here or before."
        )
    }
    row = {"account_id": "brand-new", "created_at": send.later(1)}

    told = send(send.login("2", "brand-new"), {"id": "3", "table": "accounts", "row": row})
    assert told.json() == {"accepted": 2, "repeated": 0}
    assert send(send.login("4", "brand-new")).json() == {"accepted": 1, "repeated": 0}


def test_what_lies_ahead_is_refused(send: Sender, account: str) -> None:
    ahead = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)).isoformat()
    event = send.login("1", account)
    event["row"]["occurred_at"] = ahead

    assert "lies ahead of the service's clock" in refused(send(event))["events.0.row.occurred_at"]


def test_what_features_do_not_read_cannot_be_posted(send: Sender, account: str) -> None:
    """Readings are made, and a column that no source gives would change what features mean."""
    assert (
        "no table 'readings'"
        in refused(send({"id": "1", "table": "readings", "row": {}}))["events.0.table"]
    )
    names = send.ask.service.histories.now.contracts["usage"].names
    assert "recorded_at" not in names
    event = send.login("1", account, recorded_at=send.later(60))
    assert refused(send(event))["events.0.row.recorded_at"].startswith("unknown.")


def test_a_body_is_read_strictly(send: Sender, account: str) -> None:
    assert refused(send())["events"]
    assert refused(send({**send.login("1", account), "more": 1}))["events.0.more"].startswith("unk")
    many = [send.login(str(number), account) for number in range(1001)]
    assert send(*many).status_code == 422
    assert send(*many[:1000]).json() == {"accepted": 1000, "repeated": 0}
    answer = send.ask("POST", "/v1/events", json={"source": "app", "events": [many[0]]})
    assert answer.status_code == 403


def test_posted_events_say_who_sent_them(send: Sender, account: str) -> None:
    answer = send(send.login("1", account))

    (event,) = send.ask.store.events.of_accounts([account], 0)
    (key,) = (key for key in send.ask.store.keys.all() if Scope.INGEST in key.scopes)
    assert (event.key_id, event.request_id) == (key.id, answer.headers["x-request-id"])
    assert event.known_at == send.until + dt.timedelta(seconds=60)
