"""What the client sends, when it asks again, and what it makes of answers."""

from __future__ import annotations

import datetime as dt
import json
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from churnml import client as public
from churnml.client import (
    Client,
    ClientError,
    Conflict,
    Event,
    Forbidden,
    NotFound,
    Refused,
    Row,
    TooOften,
    Unavailable,
    Unfit,
    Unreachable,
)
from churnml.client.asking import Patience
from churnml.errors import ChurnMLError, ConfigError

SCORE = {
    "account_id": "a",
    "as_of": None,
    "scored_at": None,
    "probability": 0.25,
    "interval": {"low": 0.1, "high": 0.5, "level": 0.8},
    "risk_tier": "high",
    "account_tier": None,
    "arr": None,
    "arr_at_risk": None,
    "survival": [0.75],
    "log_odds": -1.0986122886681098,
    "base": {"log_odds": -2.0, "probability": 0.1192},
    "reasons": [],
    "thin": None,
    "in_hindsight": False,
    "unseen": {},
    "stale": [],
    "model": {"recipe": "churn", "bundle": "b", "role": "latest", "catalogue": None},
}
Answers = Callable[[httpx.Request], httpx.Response]


def problem(status: int, kind: str = "some", **headers: str) -> httpx.Response:
    document = {
        "type": f"urn:churnml:problem:{kind}",
        "title": "Some",
        "status": status,
        "detail": "it was not to be.",
        "request_id": "r1",
        "faults": [{"at": "rows.0", "why": "missing."}],
    }
    return httpx.Response(status, json=document, headers=headers)


def asking(answers: Answers, **how: Any) -> Client:
    return Client("http://test/", "churnml_1_2", transport=httpx.MockTransport(answers), **how)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("churnml.client.asking.time.sleep", found.append)
    return found


def one_after_another(*answers: httpx.Response | Exception) -> tuple[Answers, list[httpx.Request]]:
    rest, seen = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        seen.append(request)
        found = rest.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return answer, seen


def test_a_row_is_sent_as_the_service_reads_it(slept: list[float]) -> None:
    answer, seen = one_after_another(httpx.Response(200, json=SCORE))
    features = {
        "count": np.int64(3),
        "share": np.float32(0.5),
        "unknown": math.nan,
        "never": pd.NaT,
        "renews": np.bool_(True),
        "plan": "pro",
        "since": dt.datetime(2025, 3, 1, 12, tzinfo=dt.UTC),
        "day": dt.date(2025, 3, 1),
        "nothing": None,
    }

    with asking(answer) as client:
        score = client.score_features(features, account_id="a", arr=np.float64(12.5))

    assert score.probability == 0.25
    assert seen[0].headers["authorization"] == "Bearer churnml_1_2"
    assert (seen[0].method, str(seen[0].url)) == ("POST", "http://test/v1/scores/features")
    assert json.loads(seen[0].content) == {
        "features": {
            "count": 3,
            "share": 0.5,
            "unknown": None,
            "never": None,
            "renews": True,
            "plan": "pro",
            "since": "2025-03-01T12:00:00+00:00",
            "day": "2025-03-01",
            "nothing": None,
        },
        "account_id": "a",
        "arr": 12.5,
    }


def test_what_later_versions_add_is_passed_over() -> None:
    more = {**SCORE, "playbook": {"name": "renewal"}, "base": {**SCORE["base"], "of": 3}}  # type: ignore[dict-item]
    client = asking(lambda _: httpx.Response(200, json=more))
    assert client.latest("a").base.log_odds == -2.0


def test_too_often_waits_as_it_is_told_to(slept: list[float]) -> None:
    answer, seen = one_after_another(
        problem(429, "too-often", **{"Retry-After": "2"}),
        problem(429, "too-often", **{"Retry-After": "1"}),
        httpx.Response(200, json={"scores": [SCORE], "not_scored": []}),
    )
    assert asking(answer).score(["a"]).scores[0].account_id == "a"
    assert slept == [2.0, 1.0]
    assert [json.loads(request.content) for request in seen] == 3 * [
        {"account_ids": ["a"], "as_of": None}
    ]


def test_too_long_a_wait_is_raised(slept: list[float]) -> None:
    client = asking(lambda _: problem(429, "too-often", **{"Retry-After": "31"}))
    with pytest.raises(TooOften, match=r"429 it was not to be\. \(request r1\)"):
        client.model()
    assert slept == []


def test_pauses_grow_and_end(slept: list[float]) -> None:
    client = asking(lambda _: problem(503, "unavailable"), retries=7)
    with pytest.raises(Unavailable):
        client.latest("a")
    assert len(slept) == 7
    most = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert all(m / 2 <= s <= m for s, m in zip(slept, most, strict=True))


def test_a_date_to_wait_for_is_no_number_of_seconds() -> None:
    pause = Patience().pause(1, "Wed, 21 Oct 2026 07:28:00 GMT")
    assert pause is not None
    assert 0.125 <= pause <= 0.25


def test_what_would_be_kept_twice_is_not_sent_again(slept: list[float]) -> None:
    for failed in (problem(503, "too-slow"), httpx.ReadTimeout("slow")):
        answer, seen = one_after_another(failed)
        with pytest.raises((Unavailable, Unreachable)):
            asking(answer).score(["a"])
        assert len(seen) == 1
    assert slept == []


def test_what_never_arrived_is_sent_again(slept: list[float]) -> None:
    done = httpx.Response(200, json={"scores": [], "not_scored": []})
    answer, seen = one_after_another(httpx.ConnectError("refused"), done)
    assert asking(answer).score(["a"]).scores == []
    assert len(seen) == 2
    assert len(slept) == 1


def test_no_answer_names_the_url(slept: list[float]) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    client = asking(refuse, retries=0)
    with pytest.raises(Unreachable, match=r"http://test: no answer: connection refused\."):
        client.model()
    with pytest.raises(Unreachable):
        list(client.score_bulk([]))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Unfit),
        (401, Forbidden),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, Unfit),
        (422, Unfit),
        (429, TooOften),
        (500, Unavailable),
    ],
)
def test_each_problem_has_its_error(status: int, error: type[Refused]) -> None:
    client = asking(lambda _: problem(status, "kind"), retries=0)
    with pytest.raises(error) as raised:
        client.model()
    assert type(raised.value) is error
    assert raised.value.kind == "kind"
    assert raised.value.problem.request_id == "r1"
    assert raised.value.faults[0].at == "rows.0"
    assert isinstance(raised.value, ClientError)
    assert isinstance(raised.value, ChurnMLError)


@pytest.mark.parametrize("status", [200, 404, 502])
def test_what_is_no_churnml_is_said_to_be_none(status: int) -> None:
    client = asking(lambda _: httpx.Response(status, text="<html>Bad gateway</html>"))
    with pytest.raises(Unreachable, match="Bad gateway"):
        client.model()


def test_bulk_takes_rows_one_by_one_and_gives_problems_in_their_place() -> None:
    taken: list[str] = []

    def rows() -> Any:
        for name in "ab":
            taken.append(name)
            yield Row({"x": 1.0}, account_id=name)

    unfit = json.loads(problem(422, "unfit").content)
    odd = {**SCORE, "thin": "two\u2028lines\x85"}
    told = b"".join(
        json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        for item in (unfit, odd)
    )

    def answer(request: httpx.Request) -> httpx.Response:
        lines = request.read().splitlines()
        assert [json.loads(line)["account_id"] for line in lines] == ["a", "b"]
        parts = iter([told[:5], told[5:900], told[900:]])
        return httpx.Response(200, content=parts)

    first, second = asking(answer).score_bulk(rows())

    assert taken == ["a", "b"]
    assert isinstance(first, Unfit)
    assert not isinstance(second, Refused)
    assert second.thin == "two\u2028lines\x85"


def test_history_goes_from_page_to_page() -> None:
    answer, seen = one_after_another(
        httpx.Response(200, json={"scores": [SCORE, SCORE], "next": "c 1"}),
        httpx.Response(200, json={"scores": [SCORE], "next": None}),
    )
    found = asking(answer).history("a/b c", page=2)

    next(found)
    assert len(seen) == 1
    assert len(list(found)) == 2
    assert [request.url.raw_path for request in seen] == [
        b"/v1/scores/a%2Fb%20c/history?limit=2",
        b"/v1/scores/a%2Fb%20c/history?limit=2&cursor=c+1",
    ]


def test_events_are_posted_a_thousand_at_a_time(slept: list[float]) -> None:
    answer, seen = one_after_another(
        httpx.Response(200, json={"accepted": 999, "repeated": 1}),
        httpx.ReadTimeout("slow"),
        httpx.Response(200, json={"accepted": 0, "repeated": 200}),
    )
    at = dt.datetime(2025, 3, 1, 12)
    events = (
        Event(str(n), "usage", {"occurred_at": at, "quantity": np.int64(n)}) for n in range(1200)
    )

    kept = asking(answer).post_events("app", events)

    assert (kept.accepted, kept.repeated) == (999, 201)
    sent = [json.loads(request.content) for request in seen]
    assert [len(body["events"]) for body in sent] == [1000, 200, 200]
    assert sent[1] == sent[2]
    assert sent[1]["source"] == "app"
    assert sent[1]["events"][0] == {
        "id": "1000",
        "table": "usage",
        "row": {"occurred_at": "2025-03-01T12:00:00", "quantity": 1000},
    }


def test_history_and_changes_are_sent_as_the_service_reads_them() -> None:
    found = {"scores": [SCORE], "not_scored": []}
    difference = {"points": 1.0, "log_odds": 0.5, "base": 0.0, "families": []}
    what = {"before": SCORE, "after": SCORE, "difference": difference, "moved": [], "warnings": []}
    answer, seen = one_after_another(
        httpx.Response(200, json=found),
        httpx.Response(200, json=what),
        httpx.Response(200, json=SCORE),
    )
    client = asking(answer)
    at = dt.datetime(2025, 3, 1)

    client.score_history("a", {"usage": [{"occurred_at": at, "quantity": math.nan}]}, as_of=at)
    assert client.what_if({"tone": np.float64(1)}, account_id="a").difference.points == 1
    client.latest("a", as_of=dt.datetime(2025, 3, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))))

    assert json.loads(seen[0].content) == {
        "account_id": "a",
        "as_of": "2025-03-01T00:00:00",
        "tables": {"usage": [{"occurred_at": "2025-03-01T00:00:00", "quantity": None}]},
    }
    assert json.loads(seen[1].content) == {
        "account_id": "a", "features": None, "as_of": None, "arr": None, "changes": {"tone": 1.0},
    }  # fmt: skip
    assert seen[2].url.params["as_of"] == "2025-03-01T00:00:00+02:00"
    assert b"%2B02" in seen[2].url.raw_path


def test_accounts_are_asked_for_by_what_is_given_alone() -> None:
    standing = {
        **{name: SCORE[name] for name in ("account_id", "as_of", "probability", "risk_tier")},
        "account_tier": None,
        "arr": None,
        "arr_at_risk": None,
        "name": "Acme",
        "scored_at": "2025-03-01T00:00:00Z",
        "bundle": "b",
        "interval": {"low": 0, "high": 1},
    }
    answer, seen = one_after_another(
        httpx.Response(200, json={"accounts": [standing], "next": "c1"}),
        httpx.Response(200, json={"accounts": [standing], "next": None}),
    )

    found = list(asking(answer).accounts(risk_tiers=["high", "critical"], min_probability=0.0))

    assert [item.name for item in found] == ["Acme", "Acme"]
    assert seen[0].url.params.multi_items() == [
        ("risk_tier", "high"),
        ("risk_tier", "critical"),
        ("min_probability", "0.0"),
        ("sort", "arr_at_risk"),
        ("limit", "200"),
    ]
    assert seen[1].url.params["cursor"] == "c1"


def test_a_correction_names_its_text_and_is_not_sent_twice(slept: list[float]) -> None:
    answer, seen = one_after_another(httpx.ReadTimeout("slow"))
    with pytest.raises(Unreachable):
        asking(answer).correct("messages/m/7 a", {"sentiment": "negative", "competitor": None})
    assert seen[0].url.raw_path == b"/v1/texts/messages/m%2F7%20a/corrections"
    assert json.loads(seen[0].content) == {"sentiment": "negative", "competitor": None}
    assert slept == []


def test_a_service_that_is_not_ready_is_told_and_not_raised() -> None:
    document = {"status": "not ready", "checks": {"store": {"ok": False, "says": {}}}}
    ready = asking(lambda _: httpx.Response(503, json=document)).ready()
    assert ready.status == "not ready"
    assert not ready.checks["store"].ok


def test_the_key_is_shown_nowhere() -> None:
    client = Client("https://test/", "churnml_1_secret")
    assert repr(client) == "Client('https://test')"
    client.close()


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("test:80", "k", "expected one that begins with http"),
        ("http://test", "", "expected what `churnml keys create` printed"),
        ("http://test", "two\nlines", "expected what `churnml keys create` printed"),
    ],
)
def test_what_cannot_be_a_url_or_a_key_is_refused(url: str, key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Client(url, key)


def test_the_public_names_are_there() -> None:
    assert all(getattr(public, name).__doc__ for name in public.__all__)


def test_it_imports_nothing_heavy() -> None:
    heavy = ("fastapi", "lightgbm", "mlflow", "numpy", "pandas", "pyarrow", "sqlalchemy")
    code = f"import churnml.client, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
