"""The application: every route of the service, and what holds for all of them.

::

    GET  /healthz  /readyz  /metrics           without a key
    GET  /v1/openapi.json                      without a key
    GET  /v1/model                             the model card
    GET  /v1/models                            the versions of the model
    POST /v1/scores/features                   one row of features
    POST /v1/scores/batch                      up to 1,000 rows
    POST /v1/scores/bulk                       any number, line by line
    POST /v1/scores/accounts                   accounts, from history
    POST /v1/scores/history                    an account, from history that is sent
    POST /v1/scores/what-if                    an account, and what would be another of it
    POST /v1/events                            rows of history, as they happen
    GET  /v1/scores/{account_id}               the last answer again, or one of before
    GET  /v1/scores/{account_id}/history       all answers again
    GET  /v1/accounts                          accounts with their latest scores
    GET  /v1/accounts/{account_id}             one of them
    GET  /v1/accounts/{account_id}/messages    what its people wrote
    POST /v1/texts/read                        texts, as they are sent
    POST /v1/texts/{origin}/{key}/corrections  what a person says of a text
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

import churnml
from churnml.errors import ChurnMLError
from churnml.serving import text_documents
from churnml.serving.documents import BODIES
from churnml.serving.edge import Edge
from churnml.serving.problems import Problem, of_http, request_id, unavailable, unfit
from churnml.serving.routes import (
    accounts,
    events,
    model,
    operations,
    scores,
    sent,
    texts,
    what_if,
)
from churnml.serving.sent import EXAMPLE
from churnml.serving.shortcut import Shortcut
from churnml.serving.watch import watch
from churnml.serving.what_if import example

if TYPE_CHECKING:
    from starlette.responses import Response

    from churnml.serving.bundles import Loaded
    from churnml.serving.service import Service

_REF = "#/components/schemas/{model}"


def create_app(service: Service) -> FastAPI:
    """Make the application around a service.

    Parameters
    ----------
    service : Service
        What its routes share.
    """
    app = FastAPI(
        title="churnml",
        version=churnml.__version__,
        description="Which customers will leave, and why.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=_lifespan,
        # /metrics tells what is measured; looking for a collector takes each request some time.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = service
    app.state.access = service.access
    for router in (
        operations.router,
        model.router,
        scores.router,
        what_if.router,
        sent.router,
        events.router,
        accounts.router,
        accounts.personal,
        texts.router,
        texts.corrections,
    ):
        app.include_router(router)
    app.add_middleware(Shortcut, service=service, ways=scores.WAYS)
    app.add_middleware(
        Edge,
        settings=service.settings,
        metrics=service.metrics,
        log=service.log,
        streams=[scores.BULK],
    )
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(ChurnMLError, _unavailable)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    watching = asyncio.create_task(watch(service))
    yield
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - it is registered for these
    return error.response(request_id(request))


async def _unavailable(request: Request, error: Exception) -> Response:
    assert isinstance(error, ChurnMLError)  # noqa: S101 - it is registered for these
    service: Service = request.app.state.service
    return unavailable(error, request.scope, service.log).response(request_id(request))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
    return of_http(error).response(request_id(request))


async def _unfit(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these
    return unfit(error.errors()).response(request_id(request))


def _openapi(app: FastAPI) -> dict[str, Any]:
    service: Service = app.state.service
    loaded = service.bundles.now
    if app.openapi_schema is None or app.openapi_schema["info"]["x-bundle"] != loaded.bundle.id:
        found = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        sent = (*BODIES, *text_documents.BODIES)
        _, bodies = models_json_schema([(item, "validation") for item in sent], ref_template=_REF)
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(bodies["$defs"])
        found["info"]["x-bundle"] = loaded.bundle.id
        _show(found, loaded)
        app.openapi_schema = found
    return app.openapi_schema


def _show(document: dict[str, Any], loaded: Loaded) -> None:
    """Show with each body an example that the model answers."""
    row = loaded.example
    examples = {
        "FeatureRow": row,
        "FeatureRows": {"rows": [row]},
        "AccountsToScore": {"account_ids": ["A000608"], "as_of": None},
        "HistoryToScore": dict(EXAMPLE),
        "WhatIf": example(loaded),
        "EventsToKeep": {
            "source": "product",
            "events": [
                {
                    "id": "e-1",
                    "table": "usage",
                    "row": {
                        "account_id": "A000001",
                        "occurred_at": "2026-06-30T09:30:00Z",
                        "event": "login",
                        "quantity": 1.0,
                    },
                }
            ],
        },
        **text_documents.EXAMPLES,
    }
    for methods in document["paths"].values():
        for operation in methods.values():
            for body in operation.get("requestBody", {}).get("content", {}).values():
                body["example"] = examples[body["schema"]["$ref"].rpartition("/")[2]]
