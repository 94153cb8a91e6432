"""Accounts with their latest scores, and what their people wrote."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from churnml.history.asof import History
from churnml.project import Project
from churnml.serving.account_documents import AccountDocument, AccountsPage, MessagesPage
from churnml.serving.cursors import write_cursor
from churnml.serving.documents import ProblemDocument
from churnml.serving.keys import Scope
from churnml.serving.messages import _rows, messages
from churnml.serving.names import Names, NamesInCharge
from churnml.serving.scores import ScoreList
from churnml.serving.store.scores import ScoreRecord
from churnml.text.corrections import read_corrections
from churnml.training.workflow import Trained

if TYPE_CHECKING:
    import httpx

AT = dt.datetime(2026, 3, 1, 12)


def problem(answer: httpx.Response, status: int, kind: str) -> ProblemDocument:
    assert answer.status_code == status, answer.text
    found = ProblemDocument.model_validate_json(answer.content)
    assert found.type == f"urn:churnml:problem:{kind}"
    return found


def told(account: str, probability: float, arr: float | None, minute: int = 0) -> ScoreRecord:
    document = {
        "probability": probability,
        "interval": {"low": 0.0, "high": 1.0, "level": 0.8},
        "risk_tier": "critical" if probability >= 0.5 else "low",
        "account_tier": None if arr is None else "business",
        "arr": arr,
        "arr_at_risk": None if arr is None else arr * probability,
    }
    at = AT + dt.timedelta(minutes=minute)
    return ScoreRecord(account, "churn_90d", "b1", AT, at, document)


@pytest.fixture
def listing(serving: Any, company: Project, trained: Trained) -> Any:
    """Give a service that has told scores of five accounts."""
    ask = serving(company)
    ask.store.scores.add(
        [
            told("a 1/x", 0.5, 40_000.0, 1),
            told("b", 0.25, 80_000.0, 2),
            told("c", 0.125, None, 3),
            told("d", 0.75, 20_000.0, 4),
            told("e", 0.625, None, 5),
        ]
    )
    return ask


def ids(answer: httpx.Response) -> list[str]:
    page = AccountsPage.model_validate_json(answer.content)
    return [item.account_id for item in page.accounts]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["b", "a 1/x", "d", "e", "c"]),
        ("order=asc", ["d", "a 1/x", "b", "c", "e"]),
        ("sort=probability", ["d", "e", "a 1/x", "b", "c"]),
        ("sort=scored_at&order=asc", ["a 1/x", "b", "c", "d", "e"]),
        ("sort=account_id", ["a 1/x", "b", "c", "d", "e"]),
        ("sort=account_id&order=desc", ["e", "d", "c", "b", "a 1/x"]),
        ("risk_tier=critical", ["a 1/x", "d", "e"]),
        ("risk_tier=critical&risk_tier=low", ["b", "a 1/x", "d", "e", "c"]),
        ("account_tier=business&min_probability=0.5", ["a 1/x", "d"]),
        ("min_arr_at_risk=20000", ["b", "a 1/x"]),
        ("search=A%201", ["a 1/x"]),
        ("search=nobody", []),
    ],
)
def test_accounts_are_listed_page_by_page(listing: Any, query: str, expected: list[str]) -> None:
    assert sorted(ids(listing("GET", f"/v1/accounts?{query}"))) == sorted(expected)
    assert ids(listing("GET", f"/v1/accounts?{query}")) == expected
    found, cursor = [], ""
    while True:
        page = listing("GET", f"/v1/accounts?{query}&limit=2{cursor}").json()
        found += [item["account_id"] for item in page["accounts"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == expected


def test_a_listed_account_is_told_as_it_was_scored(ask: Any, scores: ScoreList) -> None:
    account = scores.scores[0].account_id
    body = {"account_ids": [account]}
    (score,) = ask("POST", "/v1/scores/accounts", json=body).json()["scores"]

    listed = ask("GET", "/v1/accounts", params={"search": account}).json()["accounts"]
    one = AccountDocument.model_validate_json(ask("GET", f"/v1/accounts/{account}").content)

    assert one.model_dump(exclude={"answers", "links"}) == listed[0]
    assert listed[0]["interval"] == {k: score["interval"][k] for k in ("low", "high")}
    same = ("account_id", "as_of", "scored_at", "probability", "risk_tier", "account_tier")
    for name in (*same, "arr", "arr_at_risk"):
        assert listed[0][name] == score[name]
    assert listed[0]["bundle"] == score["model"]["bundle"]
    assert one.answers >= 1
    assert ask("GET", one.links.score).json() == score
    assert ask("GET", one.links.history).json()["scores"][0] == score
    assert ask("GET", one.links.messages).status_code == 200


def test_an_account_is_found_by_a_part_of_its_name(ask: Any, scores: ScoreList) -> None:
    account = scores.scores[2].account_id
    ask("POST", "/v1/scores/accounts", json={"account_ids": [account]})
    name = ask("GET", f"/v1/accounts/{account}").json()["name"]

    found = ask("GET", "/v1/accounts", params={"search": name[1:].upper()}).json()["accounts"]

    assert account in [item["account_id"] for item in found]
    assert all(item["name"] for item in found)


def test_names_are_the_latest_and_of_the_history_in_charge() -> None:
    def history(*names: str | None) -> History:
        times = [AT + dt.timedelta(days=n) for n in range(len(names))]
        rows = {
            "account_id": ["a"] * len(names), "created_at": [AT] * len(names),
            "recorded_at": times, "name": list(names),
        }  # fmt: skip
        table = pa.table(rows).cast(pa.schema([
            ("account_id", pa.string()), ("created_at", pa.timestamp("us")),
            ("recorded_at", pa.timestamp("us")), ("name", pa.string()),
        ]))  # fmt: skip
        return History.from_tables({"accounts": table}, observed_until=AT + dt.timedelta(days=9))

    class Histories:
        now = history("Acme", "Straße AG", None)

    names = NamesInCharge(Histories())  # type: ignore[arg-type]
    assert names.now.of == {"a": "Straße AG"}
    assert names.now.having("STRASSE") == ["a"]
    assert names.now.having("acme") == []
    assert names.now is names.now
    Histories.now = history("Other")
    assert names.now.of == {"a": "Other"}
    assert Names.read(History.from_tables({}, observed_until=AT)).of == {}
    assert NamesInCharge(None).now.having("a") == []


@pytest.mark.parametrize(
    ("query", "at", "why"),
    [
        ("risk_tiers=low", "query.risk_tiers", "unknown. Did you mean 'risk_tier'?"),
        ("risk_tier=lowest", "query.risk_tier.0", "'critical'"),
        ("account_tier=", "query.account_tier.0", "'vip'"),
        ("limit=201", "query.limit", "200"),
        ("limit=0", "query.limit", "1"),
        ("min_probability=1.5", "query.min_probability", "1"),
        ("min_arr_at_risk=nan", "query.min_arr_at_risk", "finite"),
        ("min_arr_at_risk=-1", "query.min_arr_at_risk", "0"),
        ("sort=arr", "query.sort", "'arr_at_risk'"),
        ("order=down", "query.order", "'asc'"),
        ("search=", "query.search", "1"),
        ("search=a%00", "query.search", "pattern"),
        ("cursor=x", "cursor", "earlier page"),
    ],
)
def test_a_faulty_query_is_refused(ask: Any, query: str, at: str, why: str) -> None:
    found = problem(ask("GET", f"/v1/accounts?{query}"), 422, "unfit")
    assert [fault.at for fault in found.faults] == [at]
    assert why in found.faults[0].why


@pytest.mark.parametrize(
    "place",
    [
        None, 1, [], ["arr_at_risk", "desc", 1.0], ["arr_at_risk", "desc", True, "a"],
        ["arr_at_risk", "desc", "1", "a"], ["arr_at_risk", "desc", 10**400, "a"],
        ["arr_at_risk", "desc", 1.0, "\ud800"], ["arr_at_risk", "desc", 1.0, "a\0"],
        ["arr_at_risk", "asc", 1.0, "a"], ["probability", "desc", 1.0, "a"],
        ["arr_at_risk", "desc", float("nan"), "a"], [["x"], "desc", 1.0, "a"],
    ],
)  # fmt: skip
def test_a_cursor_that_no_page_had_is_refused(ask: Any, place: Any) -> None:
    query = {"cursor": write_cursor(place)}
    problem(ask("GET", "/v1/accounts", params=query), 422, "unfit")


@pytest.mark.parametrize("value", ["x", "2026-03-01T00:00:00Z", 1.0, None])
def test_a_cursor_by_time_holds_a_time(ask: Any, value: Any) -> None:
    query = {"sort": "scored_at", "cursor": write_cursor(["scored_at", "desc", value, "a"])}
    problem(ask("GET", "/v1/accounts", params=query), 422, "unfit")


def test_an_account_that_was_never_scored_is_told(ask: Any) -> None:
    problem(ask("GET", "/v1/accounts/nobody"), 404, "not-scored")
    found = problem(ask("GET", "/v1/accounts/nobody?limit=1"), 422, "unfit")
    assert found.faults[0].why == "unknown. There are none."


def speaking(ask: Any) -> tuple[str, list[str]]:
    """Find an account that wrote a good deal, and its texts, the latest first."""
    history = ask.service.histories.now
    rows = history.query(
        "SELECT account_id, list(text_id ORDER BY said_at DESC, text_id DESC) AS texts "
        "FROM readings GROUP BY account_id ORDER BY count(*) DESC, account_id LIMIT 1"
    )
    return rows["account_id"][0].as_py(), rows["texts"][0].as_py()


def test_what_people_wrote_is_told_page_by_page_with_its_reading(ask: Any) -> None:
    account, texts = speaking(ask)
    found: list[Any] = []
    query: dict[str, Any] = {"limit": 7}
    while True:
        answer = ask("GET", f"/v1/accounts/{account}/messages", params=query)
        page = MessagesPage.model_validate_json(answer.content)
        found += page.messages
        if page.next is None:
            break
        query["cursor"] = page.next

    assert [item.text_id for item in found] == texts
    history = ask.service.histories.now
    texts_of = history.query("SELECT 'messages/' || message_id AS id, text FROM messages")
    said = {row["id"]: row["text"] for row in texts_of.to_pylist()}
    own = [item for item in found if item.text_id in said]
    assert own
    assert all(item.text == said[item.text_id] for item in own)
    rows = {row["text_id"]: row for row in _rows(history, account, 9999, None)}
    for item in found:
        row, reading = rows[item.text_id], item.reading
        assert (reading.reader, reading.sentiment) == (row["reader"], row["sentiment"])
        assert ("support" in reading.themes) == bool(row["about_support"])
        assert ("cancel_request" in reading.intents) == bool(row["cancel_request"])


def test_every_reading_of_messages_is_in_the_audit_before_it_is_answered(
    serving: Any, company: Project, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = serving(company)
    account, _ = speaking(ask)
    acting = ask.key_for(Scope.ACT)
    headers = {"Authorization": f"Bearer {acting}", "X-Request-ID": "mine-1"}
    path = f"/v1/accounts/{account}/messages"

    problem(ask("GET", path), 403, "forbidden")  # scope score alone
    assert list(ask.store.audit.records()) == []
    assert ask("GET", path, headers=headers).status_code == 200
    (record,) = ask.store.audit.records(account=account)
    assert (record.key_id, record.action, record.subject, record.request_id) == (
        acting.split("_")[1], "messages.read", account, "mine-1",
    )  # fmt: skip

    problem(ask("GET", "/v1/accounts/nobody/messages", headers=headers), 404, "unknown-account")
    assert [item.subject for item in ask.store.audit.records()] == [account, "nobody"]
    problem(ask("GET", path + "?cursor=x", headers=headers), 422, "unfit")
    problem(ask("GET", path + "?limits=1", headers=headers), 422, "unfit")
    assert len(list(ask.store.audit.records())) == 2

    def failing(*_: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(ask.store.audit, "add", failing)
    failed = ask("GET", path, headers=headers)
    problem(failed, 500, "internal")


def test_what_a_person_says_of_a_text_wins_and_is_audited(serving: Any, apart: Project) -> None:
    ask = serving(apart)
    ask.key = ask.key_for(Scope.ACT)
    account, (text_id, *_) = speaking(ask)
    body = {
        "sentiment": "hostile", "refund": True, "cancel_request": False,
        "competitor": "Zendesk", "competitor_level": "switching",
    }  # fmt: skip

    answer = ask("POST", f"/v1/texts/{text_id}/corrections", json=body)

    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["text_id"], said["account_id"], said["by"]) == (text_id, account, "test")
    assert said["corrections"] == body
    kept = {c.part: c.value for c in read_corrections(apart.data / "corrections.csv")}
    assert kept == {
        "sentiment": "hostile", "refund": "yes", "cancel_request": "no",
        "competitor": "Zendesk", "competitor_level": "switching",
    }  # fmt: skip
    (record,) = ask.store.audit.records(account=account)
    assert (record.action, record.subject) == ("texts.correct", f"{account} {text_id}")
    assert record.request_id == answer.headers["x-request-id"]

    ask.service.histories.look()  # as the watch does
    page = MessagesPage.model_validate_json(
        ask("GET", f"/v1/accounts/{account}/messages?limit=1").content
    )
    (message,) = page.messages
    assert message.text_id == text_id
    assert (message.reading.reader, message.reading.version) == ("person", "test")
    assert message.reading.sentiment == "hostile"
    assert "refund" in message.reading.intents
    assert "cancel_request" not in message.reading.intents
    assert message.reading.competitor is not None
    assert message.reading.competitor.model_dump() == {"name": "Zendesk", "level": "switching"}
    assert not {"sentiment", "refund"} & set(message.reading.evidence)

    ask("POST", f"/v1/texts/{text_id}/corrections", json={"competitor": None})
    ask.service.histories.look()
    again = ask("GET", f"/v1/accounts/{account}/messages?limit=1").json()["messages"][0]
    assert again["reading"]["competitor"] is None
    assert again["reading"]["sentiment"] == "hostile"


@pytest.mark.parametrize(
    ("body", "at", "why"),
    [
        ('{"sentimen": "hostile"}', "sentimen", "unknown. Did you mean 'sentiment'?"),
        ('{"sentiment": "angry"}', "sentiment", "'hostile'"),
        ('{"sentiment": null}', "sentiment", "'hostile'"),
        ('{"refund": "yes"}', "refund", "boolean"),
        ('{"competitor": " Acme"}', "competitor", "pattern"),
        ('{"competitor": "A\\nB"}', "competitor", "pattern"),
        ('{"competitor_level": ""}', "competitor_level", "'switched'"),
    ],
)
def test_a_faulty_correction_is_refused(ask: Any, body: str, at: str, why: str) -> None:
    _, (text_id, *_) = speaking(ask)
    answer = ask("POST", f"/v1/texts/{text_id}/corrections", content=body)
    found = problem(answer, 422, "unfit")
    assert [fault.at for fault in found.faults] == [at]
    assert why in found.faults[0].why


def test_what_is_no_text_or_says_nothing_is_not_corrected(ask: Any, company: Project) -> None:
    _, (text_id, *_) = speaking(ask)
    path = f"/v1/texts/{text_id}/corrections"
    problem(ask("POST", path, json={}), 422, "unfit")
    problem(ask("POST", path, content="{"), 400, "not-json")
    for name in ("messages/none", "nowhere/m-1", "messages/a/b"):
        answer = ask("POST", f"/v1/texts/{name}/corrections", json={"sentiment": "hostile"})
        problem(answer, 404, "no-text")
    reading = {"Authorization": f"Bearer {ask.key_for(Scope.SCORE)}"}
    problem(ask("POST", path, json={"refund": True}, headers=reading), 403, "forbidden")
    assert not (company.data / "corrections.csv").exists()


def test_without_history_there_is_nothing_to_read_or_to_correct(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, (text_id, *_) = speaking(ask)
    path = f"/v1/texts/{text_id}/corrections"
    with monkeypatch.context() as patch:
        patch.setattr(ask.service, "histories", None)
        problem(ask("GET", f"/v1/accounts/{account}/messages"), 409, "no-history")
        problem(ask("POST", path, json={"refund": True}), 404, "no-text")

    sources = ask.service.project.sources
    given = {**sources.tables, "readings": sources.tables["messages"]}
    project = replace(ask.service.project, sources=sources.model_copy(update={"tables": given}))
    monkeypatch.setattr(ask.service, "project", project)
    problem(ask("POST", path, json={"refund": True}), 409, "given")


def test_history_without_words_tells_nothing_of_whom_it_knows(
    company: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pa.table({"account_id": ["a"], "created_at": pa.array([AT], pa.timestamp("us"))})

    class Histories:
        now = History.from_tables({"accounts": rows}, observed_until=AT)
        looked = 0

        def look(self) -> None:
            self.looked += 1

    histories: Any = Histories()
    assert messages(company, histories, "a", 9) == []
    assert histories.looked == 1  # it is not the one on disk, and so was asked for again
    assert messages(company, histories, "b", 9) is None
    histories.now = History.from_tables({}, observed_until=AT)
    assert messages(company, histories, "a", 9) is None
