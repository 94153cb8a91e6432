"""How routes answer, and what the OpenAPI document says of it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response
from pydantic_core import to_json

from churnml.errors import BundleError, ConfigError
from churnml.serving.edge import KEY_ID
from churnml.serving.problems import MEDIA_TYPE, Problem, request_id

if TYPE_CHECKING:
    from fastapi import Request
    from pydantic import BaseModel
    from starlette.types import Receive, Scope, Send

    from churnml.serving.service import Service

_MEANS = {
    400: "The body is no JSON.",
    401: "No good key was shown.",
    403: "The key lacks the scope.",
    404: "There is no such thing.",
    409: "It cannot be had of this model.",
    413: "The body is too long.",
    422: "The request does not fit; `faults` says where.",
    429: "The key asks too often; `Retry-After` says how long to wait.",
    503: "It cannot be had now.",
}
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
_KEPT = (401, 403, 429, 503)  # of every route that asks for a key


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the problems of a route, beside those of every one that asks for a key."""
    return {
        status: {"description": _MEANS[status], "content": _PROBLEM}
        for status in sorted({*_KEPT, *statuses})
    }


def body(model: type[BaseModel], media_type: str = "application/json") -> dict[str, dict[str, Any]]:
    """Document a body, which the route reads itself once the key was found good."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def answered(document: Mapping[str, Any]) -> Response:
    """Answer with a document."""
    return Response(to_json(document), media_type="application/json")


@contextmanager
def suited(request: Request) -> Iterator[None]:
    """Answer where history, or who reads its texts, no longer suits the model.

    What is wrong is for the log alone.
    """
    try:
        yield
    except (BundleError, ConfigError) as error:
        log = service_of(request).log
        log.warning("unsuited", request_id=request_id(request), why=str(error))
        raise Problem(
            409,
            "unsuited",
            "history no longer gives what the model learnt from; the service's log tells what. "
            "Send features, or train again.",
        ) from None


def no_history() -> Problem:
    """Say that a model of a flat table has no history to be asked about."""
    return Problem(
        409,
        "no-history",
        "the model was trained on a flat table; there is no history to score accounts from. "
        "Send their features.",
    )


class Streamed(Response):
    """An answer in parts, while the body still comes in.

    Starlette's own listens for the client to go away, and takes the body's parts for that.

    Parameters
    ----------
    parts : async iterator of bytes
        The answer.
    media_type : str
        What it is.
    """

    def __init__(self, parts: AsyncIterator[bytes], media_type: str) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send part by part."""
        del scope, receive
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def note(request: Request, action: str, subject: str) -> None:
    """Write to the audit whose key does what to whom, before it is done or answered."""
    await asyncio.to_thread(
        service_of(request).store.audit.add,
        dt.datetime.now(dt.UTC).replace(tzinfo=None),
        request.scope[KEY_ID],
        action,
        subject,
        request_id(request),
    )


def service_of(request: Request) -> Service:
    """Find the service that a request came to."""
    found: Service = request.app.state.service
    return found
