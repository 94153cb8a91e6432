"""The service's routes: what they answer, and what they refuse."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pydantic_core import to_json

from churnml.history.tables import ACCOUNT_ID
from churnml.serving.documents import (
    AccountScoresDocument,
    ModelCard,
    ProblemDocument,
    Readiness,
    ScoreDocument,
    ScoreDocuments,
    ScoreHistory,
)
from churnml.serving.keys import Scope
from churnml.serving.scorer import features_of
from churnml.serving.scores import ScoreList
from churnml.serving.store.scores import ScoreRecord
from churnml.training.workflow import Trained

if TYPE_CHECKING:
    import httpx


def problem(answer: httpx.Response, status: int, kind: str) -> ProblemDocument:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = ProblemDocument.model_validate_json(answer.content)
    assert found.status == status
    assert found.type == f"urn:churnml:problem:{kind}"
    assert found.request_id == answer.headers["x-request-id"]
    return found


def adds_up(score: ScoreDocument) -> None:
    total = math.fsum([score.base.log_odds, *(r.log_odds for r in score.reasons)])
    points = math.fsum(r.points for r in score.reasons) / 100
    assert total == pytest.approx(score.log_odds, abs=1e-9)
    assert score.base.probability + points == pytest.approx(score.probability, abs=1e-9)


def as_sent(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, dt.datetime) else v for k, v in row.items()}


def test_accounts_are_scored_as_score_history_scores_them(ask: Any, scores: ScoreList) -> None:
    wanted = scores.scores[:3]
    answer = ask(
        "POST", "/v1/scores/accounts", json={"account_ids": [s.account_id for s in wanted]}
    )

    found = AccountScoresDocument.model_validate_json(answer.content).scores
    for told, item in zip(found, wanted, strict=True):
        adds_up(told)
        assert told.account_id == item.account_id
        assert told.probability == pytest.approx(item.probability, rel=1e-12)
        assert told.log_odds == pytest.approx(item.log_odds, rel=1e-12)
        assert (told.interval.low, told.interval.high) == pytest.approx((item.low, item.high))
        assert told.survival == pytest.approx(list(item.survival), rel=1e-12)
        assert told.risk_tier == item.tier
        assert told.arr == item.arr
        assert [r.sentence for r in told.reasons] == [r.sentence for r in item.reasons]


def test_features_are_scored_as_history_is(ask: Any, scores: ScoreList, trained: Trained) -> None:
    item = scores.scores[0]
    people = pa.table(
        {ACCOUNT_ID: [item.account_id], "cutoff": pa.array([item.cutoff], pa.timestamp("us"))}
    )
    assert trained.bundle.catalogue is not None
    history = ask.service.histories.now
    frame = features_of(history, trained.bundle.catalogue, people, lambda _step, _share: None)
    features = as_sent(frame.select(list(trained.bundle.features)).to_pylist()[0])

    answer = ask("POST", "/v1/scores/features", json={"features": features, "arr": 12_000})

    found = ScoreDocument.model_validate_json(answer.content)
    adds_up(found)
    assert found.probability == pytest.approx(item.probability, rel=1e-12)
    assert [r.sentence for r in found.reasons] == [r.sentence for r in item.reasons]
    assert found.account_tier == "business"
    assert found.arr_at_risk == pytest.approx(12_000 * item.probability)
    assert found.model.bundle == trained.bundle.id
    assert found.scored_at is None


def test_the_order_of_features_in_a_body_moves_nothing(ask: Any, row: dict[str, Any]) -> None:
    turned = {"features": dict(reversed(row["features"].items()))}
    first, second = (ask("POST", "/v1/scores/features", json=body) for body in (row, turned))
    assert first.content == second.content


def test_a_batch_is_scored_row_by_row(ask: Any, row: dict[str, Any]) -> None:
    one = ask("POST", "/v1/scores/features", json=row).json()
    rows = [{**row, "account_id": f"a{n}"} for n in range(1000)]
    found = ScoreDocuments.model_validate_json(
        ask("POST", "/v1/scores/batch", json={"rows": rows}).content
    ).scores
    assert [s.account_id for s in found] == [f"a{n}" for n in range(1000)]
    assert found[999].probability == pytest.approx(one["probability"], rel=1e-12)

    problem(ask("POST", "/v1/scores/batch", json={"rows": [*rows, row]}), 422, "too-many")
    problem(ask("POST", "/v1/scores/batch", json={"rows": []}), 422, "unfit")


def test_bulk_answers_faulty_lines_in_their_place(ask: Any, row: dict[str, Any]) -> None:
    good = json.dumps({**row, "account_id": "a"})
    lines = [good, "", "{", json.dumps({"features": {}}), good]
    answer = ask("POST", "/v1/scores/bulk", content="\n".join(lines))

    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [item.get("status") for item in found] == [None, 400, 422, None]
    assert found[0] == found[3]
    assert found[0]["account_id"] == "a"


def test_bulk_has_no_bound_but_its_lines_have(serving: Any, company: Any, trained: Trained) -> None:
    ask = serving(company, body_limit=100, line_limit=50)
    answer = ask("POST", "/v1/scores/bulk", content="x" * 200 + "\n" + "y\n" * 500)
    statuses = [json.loads(line)["status"] for line in answer.text.splitlines()]
    assert statuses == [413] + [400] * 500


def test_bulk_that_says_no_more_is_ended_with_a_problem(
    serving: Any, company: Any, trained: Trained
) -> None:
    ask = serving(company, time_limit=0.5)

    async def never() -> Any:
        yield b"x\n"
        await asyncio.sleep(60)

    answer = ask("POST", "/v1/scores/bulk", content=never())
    assert [json.loads(line)["status"] for line in answer.text.splitlines()] == [400, 408]


@pytest.mark.parametrize(
    ("change", "at", "why"),
    [
        ({"logins": 1}, "features.logins", "unknown."),
        ({"arr_growth": None, "FIRST": True}, "features.FIRST", "number"),
        ({"FIRST": "1"}, "features.FIRST", "number"),
        ({"FIRST": math.nan}, "features.FIRST", "finite"),
        ({"FIRST": math.inf}, "features.FIRST", "finite"),
    ],
)
def test_a_feature_that_does_not_fit_is_named(
    ask: Any, row: dict[str, Any], trained: Trained, change: dict[str, Any], at: str, why: str
) -> None:
    kinds = trained.bundle.model.encoding.kinds
    first = next(name for name, kind in kinds.items() if kind == "number")
    changed = {k.replace("FIRST", first): v for k, v in change.items()}
    body = json.dumps({"features": {**row["features"], **changed}})

    found = problem(ask("POST", "/v1/scores/features", content=body), 422, "unfit")

    faults = {fault.at: fault.why for fault in found.faults}
    assert why in faults[at.replace("FIRST", first)]


def test_a_feature_left_out_is_named(ask: Any, row: dict[str, Any]) -> None:
    features = dict(row["features"])
    name, _ = features.popitem()
    found = problem(ask("POST", "/v1/scores/features", json={"features": features}), 422, "unfit")
    assert [fault.at for fault in found.faults] == [f"features.{name}"]
    assert "null" in found.faults[0].why


def test_an_answer_does_not_grow_with_the_names_that_were_sent(ask: Any) -> None:
    body = {"account_ids": ["a"], "q" * 1_000_000: 1}

    found = problem(ask("POST", "/v1/scores/accounts", json=body), 422, "unfit")

    assert [fault.at for fault in found.faults] == [f"{'q' * 80}…"]
    assert len(found.detail) < 500


def test_a_value_that_was_never_learnt_is_told(
    ask: Any, row: dict[str, Any], trained: Trained
) -> None:
    name = next(iter(trained.bundle.model.encoding.codes))
    body = {"features": {**row["features"], name: "never seen"}}
    assert ask("POST", "/v1/scores/features", json=body).json()["unseen"] == {name: "never seen"}


def test_who_is_not_scored_is_told_why(ask: Any, scores: ScoreList) -> None:
    account = scores.scores[0].account_id
    answer = ask("POST", "/v1/scores/accounts", json={"account_ids": ["nobody", account]})
    found = AccountScoresDocument.model_validate_json(answer.content)
    assert [s.account_id for s in found.scores] == [account]
    assert [n.account_id for n in found.not_scored] == ["nobody"]
    assert "unknown" in found.not_scored[0].why


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"account_ids": ["a"], "as_of": "2999-01-01"}, "as_of"),
        ({"account_ids": ["a"], "as_of": "2024-02-31"}, "as_of"),
        ({"account_ids": ["a", "a"]}, "account_ids"),
        ({"account_ids": [1]}, "account_ids.0"),
        ({"account_ids": ["a"], "asof": None}, "asof"),
    ],
)
def test_a_faulty_request_for_accounts_is_refused(ask: Any, body: dict[str, Any], at: str) -> None:
    found = problem(ask("POST", "/v1/scores/accounts", json=body), 422, "unfit")
    assert [fault.at for fault in found.faults] == [at]


def test_answers_can_be_had_again_exactly_and_page_by_page(ask: Any, scores: ScoreList) -> None:
    account = scores.scores[1].account_id
    as_of = ["2026-01-01", "2026-02-01T00:00:00Z", "2026-03-01T01:00:00+01:00"]
    given = []
    for when in as_of:
        body = {"account_ids": [account], "as_of": when}
        given += ask("POST", "/v1/scores/accounts", json=body).json()["scores"]
    assert [g["as_of"][:10] for g in given] == ["2026-01-01", "2026-02-01", "2026-03-01"]
    assert given[2]["as_of"] == "2026-03-01T00:00:00Z"

    assert ask("GET", f"/v1/scores/{account}").json() == given[-1]
    found: list[Any] = []
    page = ask("GET", f"/v1/scores/{account}/history?limit=2").json()
    ScoreHistory.model_validate(page)
    while True:
        found += page["scores"]
        if page["next"] is None:
            break
        page = ask("GET", f"/v1/scores/{account}/history?limit=2&cursor={page['next']}").json()
    assert found[: len(given)] == given[::-1]

    problem(ask("GET", "/v1/scores/nobody"), 404, "not-scored")
    problem(ask("GET", "/v1/scores/nobody/history"), 404, "not-scored")
    problem(ask("GET", f"/v1/scores/{account}/history?limit=0"), 422, "unfit")
    problem(ask("GET", f"/v1/scores/{account}/history?cursor=x"), 422, "unfit")


def test_the_answer_that_stood_at_a_time_is_given_to_the_byte(ask: Any, scores: ScoreList) -> None:
    account = scores.scores[4].account_id
    given = [
        ask("POST", "/v1/scores/accounts", json={"account_ids": [account], "as_of": when})
        for when in ("2026-01-01", "2026-02-01")
    ]
    first, second = (answer.json()["scores"][0]["scored_at"] for answer in given)
    path = f"/v1/scores/{account}?as_of="

    stood = ask("GET", path + second)  # strictly before the second
    assert b'{"scores":[%s],"not_scored":[]}' % stood.content == given[0].content
    assert ask("GET", path + "2999-01-01").content in given[1].content
    assert ask("GET", f"/v1/scores/{account}").content in given[1].content

    found = problem(ask("GET", path + first), 404, "not-scored")
    assert f"before {first}" in found.detail
    assert "POST /v1/scores/accounts" in found.detail
    problem(ask("GET", "/v1/scores/nobody?as_of=2999-01-01"), 404, "not-scored")
    for wrong in ("yesterday", "2024-02-31", "0001-01-01T00:00:00%2B05:00"):
        faulty = problem(ask("GET", path + wrong), 422, "unfit")
        assert "as_of" in faulty.faults[0].at


def test_an_answer_tells_what_changed_since_the_last(ask: Any, scores: ScoreList) -> None:
    account = scores.scores[5].account_id

    def score(as_of: str) -> ScoreDocument:
        body = {"account_ids": [account], "as_of": as_of}
        answer = ask("POST", "/v1/scores/accounts", json=body)
        return AccountScoresDocument.model_validate_json(answer.content).scores[0]

    first, second = score("2026-01-01"), score("2026-03-01")

    assert first.changed is None
    found = second.changed
    assert found is not None
    assert (found.scored_at, found.as_of) == (first.scored_at, first.as_of)
    assert (found.bundle, found.risk_tier) == (first.model.bundle, first.risk_tier)
    assert found.probability == first.probability
    assert found.points == pytest.approx(100 * (second.probability - first.probability))
    parts = [found.base, *(family.log_odds for family in found.families)]
    assert math.fsum(parts) == pytest.approx(found.log_odds, abs=1e-9)
    assert found.log_odds == pytest.approx(second.log_odds - first.log_odds, abs=1e-12)
    told = {family.family: family.log_odds for family in found.families}
    before = {reason.family: reason.log_odds for reason in first.reasons}
    for reason in second.reasons:
        moved = reason.log_odds - before.get(reason.family, 0.0)
        assert told[reason.family] == pytest.approx(moved, abs=1e-12)


def test_an_answer_of_before_changes_were_told_stays_as_it_was(ask: Any, scores: ScoreList) -> None:
    account = scores.scores[6].account_id
    body = {"account_ids": [account]}
    now = ask("POST", "/v1/scores/accounts", json=body).json()["scores"][0]
    old = {name: value for name, value in now.items() if name != "changed"}
    at = ask.service.moment()
    recipe, bundle = now["model"]["recipe"], now["model"]["bundle"]
    ask.store.scores.add([ScoreRecord(account, recipe, bundle, None, at, old)])

    assert ask("GET", f"/v1/scores/{account}").json() == old
    ScoreDocument.model_validate(old)
    again = ask("POST", "/v1/scores/accounts", json=body).json()["scores"][0]
    assert again["changed"]["log_odds"] == pytest.approx(0.0, abs=1e-12)


def test_a_date_that_training_knew_is_marked(ask: Any, scores: ScoreList) -> None:
    body = {"account_ids": [scores.scores[0].account_id]}
    now = ask("POST", "/v1/scores/accounts", json=body).json()["scores"]
    then = ask("POST", "/v1/scores/accounts", json={**body, "as_of": "2025-12-01"}).json()
    assert [s["in_hindsight"] for s in now] == [False]
    assert all(s["in_hindsight"] for s in then["scores"])


def test_the_model_card_tells_what_the_model_is(ask: Any, trained: Trained) -> None:
    found = ModelCard.model_validate_json(ask("GET", "/v1/model").content)
    assert found.bundle == trained.bundle.id
    assert found.predicts["horizon_days"] == 90
    assert [f.name for f in found.features] == list(trained.bundle.features)
    assert all(f.description for f in found.features)
    assert found.trained.rows == trained.bundle.manifest.training.rows


def test_operations_need_no_key(ask: Any, row: dict[str, Any], trained: Trained) -> None:
    ask("POST", "/v1/scores/features", json=row)
    nobody = {"Authorization": ""}
    assert ask("GET", "/healthz", headers=nobody).json() == {"status": "alive"}
    ready = Readiness.model_validate_json(ask("GET", "/readyz", headers=nobody).content)
    assert ready.status == "ready"
    assert set(ready.checks) == {"bundle", "store", "history"}
    told = ask("GET", "/metrics", headers=nobody).text
    assert f'bundle="{trained.bundle.id}"' in told
    assert 'churnml_request_seconds_count{method="POST",route="/v1/scores/features"' in told
    assert 'churnml_scores_total{tier="low"}' in told


@pytest.mark.parametrize("shown", ["", "Basic abc", "Bearer ", "Bearer x", "Bearer churnml_a_b"])
def test_strangers_are_refused_before_their_body_is_read(ask: Any, shown: str) -> None:
    answer = ask("POST", "/v1/scores/features", content="{", headers={"Authorization": shown})
    problem(answer, 401, "no-key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_opens_what_its_scopes_name(ask: Any) -> None:
    other = ask.key_for(Scope.INGEST, Scope.ACT, Scope.ADMIN)
    answer = ask("GET", "/v1/model", headers={"Authorization": f"Bearer {other}"})
    problem(answer, 403, "forbidden")


def test_a_key_that_asks_too_often_must_wait(ask: Any) -> None:
    slow = ask.key_for(Scope.SCORE, rate=0.01)
    headers = {"Authorization": f"Bearer {slow}"}
    assert ask("GET", "/v1/model", headers=headers).status_code == 200
    answer = ask("GET", "/v1/model", headers=headers)
    problem(answer, 429, "too-often")
    assert 0 < int(answer.headers["retry-after"]) <= 100
    assert ask("GET", "/v1/model").status_code == 200


def test_every_error_is_a_problem_document(
    ask: Any, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem(ask("GET", "/nowhere"), 404, "not-found")
    refused = ask("PUT", "/v1/scores/features", json=row)
    problem(refused, 405, "method-not-allowed")
    assert refused.headers["allow"] == "POST"
    problem(ask("POST", "/v1/scores/features", content="no JSON"), 400, "not-json")

    monkeypatch.setattr(type(ask.service), "answer", lambda *_: 1 / 0)
    failed = ask("POST", "/v1/scores/features", json=row, headers={"X-Request-ID": "mine-1"})
    assert problem(failed, 500, "internal").request_id == "mine-1"
    assert "division" not in failed.text
    told = next(line for line in ask.logged() if line["event"] == "failed")
    assert told["request_id"] == "mine-1"
    assert told["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_a_body_that_is_too_long_is_refused(
    serving: Any, company: Any, trained: Trained, row: dict[str, Any]
) -> None:
    ask = serving(company, body_limit=1000)
    problem(ask("POST", "/v1/scores/features", json=row), 413, "too-long")

    async def parts() -> Any:
        for _ in range(20):
            yield b" " * 100

    problem(ask("POST", "/v1/scores/features", content=parts()), 413, "too-long")


def test_what_takes_too_long_is_given_up(
    serving: Any, company: Any, trained: Trained, row: dict[str, Any]
) -> None:
    ask = serving(company, time_limit=0.5)

    async def never() -> Any:
        yield b"{"
        await asyncio.sleep(60)

    problem(ask("POST", "/v1/scores/features", content=never()), 503, "too-slow")


def test_answers_carry_an_id_and_headers_that_secure_them(ask: Any) -> None:
    for given, taken in (("abc.DEF-1_2", True), ("a b", False), ("x" * 65, False)):
        answer = ask("GET", "/healthz", headers={"X-Request-ID": given})
        assert (answer.headers["x-request-id"] == given) is taken
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers


def test_a_line_of_the_log_tells_each_answer_and_no_secret(ask: Any) -> None:
    ask("GET", "/v1/model", headers={"X-Request-ID": "logged-1"})
    told = next(line for line in ask.logged() if line.get("request_id") == "logged-1")
    assert (told["route"], told["status"], told["method"]) == ("/v1/model", 200, "GET")
    assert told["key"] == ask.key.split("_")[1]
    assert ask.key.split("_")[2] not in ask.log.getvalue()


def test_one_row_is_answered_as_a_row_of_a_batch(ask: Any, trained: Trained) -> None:
    golden = json.loads((trained.bundle.folder / "golden.json").read_text(encoding="utf-8"))
    loaded = ask.service.bundles.now
    for values in golden["rows"]:
        body = {"features": dict(zip(golden["columns"], values, strict=True)), "arr": 1_000.0}
        read = loaded.reader.row(json.dumps(body).encode())

        (told,) = ask.service.answers(read, loaded)

        assert ask.service.answer(read, loaded) == to_json(told)
