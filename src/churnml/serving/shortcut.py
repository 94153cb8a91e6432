"""The shortcut: what is asked most goes to its route without what the framework does for all.

FastAPI looks through every route, and solves what the one it finds depends on, anew for each
request: that takes as long as the answer itself. The routes named here are asked directly, with the
same key, bounds and answers; whatever does not plainly belong to one of them goes the long way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from churnml.errors import ChurnMLError
from churnml.serving.edge import KEY_ID
from churnml.serving.keys import Scope as KeyScope
from churnml.serving.problems import Problem, unavailable

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from churnml.serving.service import Service


@dataclass(frozen=True)
class Way:
    """A route that is asked directly.

    Parameters
    ----------
    method, path : str
        As FastAPI has them; the path may end with the one parameter that it has.
    opened_by : Scope
        The scope that a key needs.
    route : callable
        Answers, given the request and the parameter if the path has one.
    longest : int
        Characters of the parameter; longer ones go the long way, to be refused.
    """

    method: str
    path: str
    opened_by: KeyScope
    route: Callable[..., Awaitable[Response]]
    longest: int = 0

    @property
    def prefix(self) -> str:
        """The path without its parameter."""
        return self.path.partition("{")[0]

    def parameters(self, path: str) -> tuple[str, ...] | None:
        """Give the parameters that a path holds; none where it is not one of this way."""
        if not self.longest:
            return () if path == self.path else None
        name = path.removeprefix(self.prefix)
        plain = path.startswith(self.prefix) and 0 < len(name) <= self.longest and "/" not in name
        return (name,) if plain else None


class Shortcut:
    """Middleware of ASGI before the framework, behind the edge.

    Parameters
    ----------
    app : ASGI application
        The long way.
    service : Service
        Knows the keys.
    ways : sequence of Way
        What is asked directly.
    """

    def __init__(self, app: ASGIApp, service: Service, ways: Sequence[Way]) -> None:
        self.app = app
        self._service = service
        self._ways = tuple(ways)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and not scope["query_string"]:
            for way in self._ways:
                if way.method == scope["method"]:
                    parameters = way.parameters(scope["path"])
                    if parameters is not None:
                        await self._answer(way, parameters, Request(scope, receive), send)
                        return
        await self.app(scope, receive, send)

    async def _answer(
        self, way: Way, parameters: tuple[str, ...], request: Request, send: Send
    ) -> None:
        scope = request.scope
        scope["route"] = way
        shown = request.headers.get("authorization")
        try:
            key = await self._service.access.admit(shown, way.opened_by)
            scope[KEY_ID] = key.id
            response = await way.route(request, *parameters)
        except Problem:
            raise  # the edge answers with it
        except ChurnMLError as error:
            raise unavailable(error, scope, self._service.log) from None
        await response(scope, request.receive, send)
