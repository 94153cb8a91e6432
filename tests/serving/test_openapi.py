"""The OpenAPI document, and all that it allows, asked by schemathesis."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from churnml.project import Project
from churnml.serving import account_documents, documents, text_documents
from churnml.serving.keys import Scope
from churnml.serving.routes.scores import BULK


@schemathesis.serializer("application/x-ndjson")
def as_line(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n"


def test_every_route_is_documented_with_its_problems(ask: Any) -> None:
    document = ask("GET", "/v1/openapi.json").json()
    told = {
        (method.upper(), path): content
        for path, methods in document["paths"].items()
        for method, content in methods.items()
    }
    assert sorted(told) == [
        ("GET", "/healthz"),
        ("GET", "/metrics"),
        ("GET", "/readyz"),
        ("GET", "/v1/accounts"),
        ("GET", "/v1/accounts/{account_id}"),
        ("GET", "/v1/accounts/{account_id}/messages"),
        ("GET", "/v1/model"),
        ("GET", "/v1/models"),
        ("GET", "/v1/scores/{account_id}"),
        ("GET", "/v1/scores/{account_id}/history"),
        ("POST", "/v1/events"),
        ("POST", "/v1/scores/accounts"),
        ("POST", "/v1/scores/batch"),
        ("POST", "/v1/scores/bulk"),
        ("POST", "/v1/scores/features"),
        ("POST", "/v1/scores/history"),
        ("POST", "/v1/scores/what-if"),
        ("POST", "/v1/texts/read"),
        ("POST", "/v1/texts/{origin}/{key}/corrections"),
    ]
    for (_, path), content in told.items():
        if path.startswith("/v1/"):
            assert {"401", "403", "429", "503"} <= set(content["responses"])
            assert content["security"] == [{"HTTPBearer": []}]


def test_every_operation_has_a_name_of_its_own(ask: Any) -> None:
    paths = ask("GET", "/v1/openapi.json").json()["paths"]
    names = [content["operationId"] for methods in paths.values() for content in methods.values()]
    assert "by_features" in names
    assert len(set(names)) == len(names)


def test_examples_of_the_document_are_answered(serving: Any, apart: Project) -> None:
    ask = serving(apart)
    ask.key = ask.key_for(*Scope)
    text_id = ask.service.histories.now.query("FROM readings LIMIT 1")["text_id"][0].as_py()
    origin, _, key = text_id.partition("/")
    document = ask("GET", "/v1/openapi.json").json()
    shown = 0
    for path, methods in document["paths"].items():
        for method, content in methods.items():
            bodies = content.get("requestBody", {}).get("content", {})
            for body in bodies.values():
                answer = ask(
                    method.upper(), path.format(origin=origin, key=key), json=body["example"]
                )
                assert answer.status_code == 200, (path, answer.text)
                shown += 1
    assert shown == 9


def test_examples_of_answers_are_such_answers() -> None:
    shown = 0
    for module in (account_documents, documents, text_documents):
        for model in vars(module).values():
            if isinstance(model, type) and issubclass(model, documents.Document):
                extra: Any = model.model_config.get("json_schema_extra") or {}
                for example in extra.get("examples", ()):
                    model.model_validate(example, strict=True)
                    shown += 1
    assert shown >= 7


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_nothing_that_the_document_allows_or_forbids_breaks_it(
    ask: Any, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", ask.app)
    asked = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)

        @given(case=found.ok().as_strategy(mode))
        @settings(
            max_examples=10,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def one(case: Any) -> None:
            asked.add(case.operation.label)
            answer = case.call(headers={"Authorization": f"Bearer {ask.key}"})
            # Which features there are only the model knows, and bulk answers line by line.
            unasked = [positive_data_acceptance]
            if case.operation.path == BULK:
                unasked.append(negative_data_rejection)
            case.validate_response(answer, excluded_checks=unasked)

        with suppress(Unsatisfiable):  # nothing about some could be wrong
            one()
    assert "POST /v1/scores/features" in asked
