"""The edge: what holds for every request, before any route and after all of them.

An id, a bound of the body before it is read, a bound of the time, headers, a line in the log, a
measurement, and an answer where something failed.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from churnml.serving.logs import Log
from churnml.serving.metrics import Metrics
from churnml.serving.problems import REQUEST_ID, Problem, internal
from churnml.serving.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEY_ID = "churnml.key_id"  # where access leaves whose request it is, for the log
_GONE = 499  # what proxies write of a client that did not wait
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Edge:
    """Middleware of ASGI around the whole application.

    Parameters
    ----------
    app : ASGI application
        What answers.
    settings : Settings
        The bounds.
    metrics : Metrics
        Told of every answer.
    log : logger
        Told of every answer, and of what failed.
    streams : collection of str
        Paths whose bodies are read while they are answered, and have no bound.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        metrics: Metrics,
        log: Log,
        streams: Iterable[str] = (),
    ) -> None:
        self.app = app
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._streams = frozenset(streams)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = _first(scope["headers"])
        scope[REQUEST_ID] = request_id = _request_id(headers.get(b"x-request-id"))
        begun = time.perf_counter()
        exchange = _Exchange(receive, send, request_id, self._bound(scope))
        try:
            exchange.check_length(headers.get(b"content-length"))
            async with asyncio.timeout(self._settings.time_limit) as limit:
                exchange.limit = limit
                await self.app(scope, exchange.receive, exchange.send)
        except Problem as problem:
            await exchange.refuse(problem, scope)
        except ClientDisconnect:
            exchange.status = exchange.status or _GONE
        except TimeoutError:
            detail = f"no answer within {self._settings.time_limit:g} seconds. Ask for less."
            await exchange.refuse(Problem(503, "too-slow", detail), scope)
        except Exception:
            self._log.exception("failed", request_id=request_id, path=scope["path"])
            if exchange.status:
                raise  # half an answer must not look whole
            await exchange.refuse(internal(), scope)
        finally:
            self._tell(scope, exchange.status, time.perf_counter() - begun, request_id)

    def _bound(self, scope: Scope) -> int | None:
        return None if scope["path"] in self._streams else self._settings.body_limit

    def _tell(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.answered(route, method, status, seconds)
        self._log.info(
            "answered",
            request_id=request_id,
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            key=scope.get(KEY_ID),
        )


class _Exchange:
    """One request and its answer, as they pass the edge."""

    def __init__(self, receive: Receive, send: Send, request_id: str, bound: int | None) -> None:
        self._receive, self._send = receive, send
        self._id = request_id.encode()
        self._bound = bound
        self._read = 0
        self.status = 0
        self.limit: asyncio.Timeout | None = None

    def check_length(self, told: bytes | None) -> None:
        """Refuse a body that is said to be too long, before any of it is read."""
        if self._bound is not None and told is not None and told.isdigit():
            self._require(int(told[:19]))

    async def receive(self) -> Message:
        """Pass a part of the body on, and count it."""
        message = await self._receive()
        if self._bound is not None and message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            self._require(self._read)
        return message

    def _require(self, length: int) -> None:
        if self._bound is not None and length > self._bound:
            raise Problem(
                413,
                "too-long",
                f"the body has more than {self._bound:,} bytes. Send less at once, or use bulk.",
                headers={"Connection": "close"},
            )

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on, with the headers that all have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *_HEADERS, (b"x-request-id", self._id)]
            if self.limit is not None:  # from now on it is for the client to be fast
                self.limit.reschedule(None)
        await self._send(message)

    async def refuse(self, problem: Problem, scope: Scope) -> None:
        """Answer with a problem, unless an answer has begun."""
        self.limit = None
        if not self.status:
            await problem.response(self._id.decode())(scope, self._receive, self.send)


def _first(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    return dict(headers)


def _request_id(given: bytes | None) -> str:
    if given is not None:
        text = given.decode("latin-1")
        if _SANE_ID.fullmatch(text):
            return text
    return secrets.token_hex(8)
