"""The service on a socket, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from churnml.serving.app import create_app

if TYPE_CHECKING:
    from churnml.serving.service import Service

_LAST_CALL = 0.3  # seconds in which who has come may still say what for


def listen(service: Service, there: socket.socket, ready: Callable[[], None]) -> bool:
    """Answer until SIGTERM or SIGINT; what was begun by then is ended first.

    Parameters
    ----------
    service : Service
        What answers.
    there : socket
        Bound; closed at the end.
    ready : callable
        Told once whoever comes is answered.

    Returns
    -------
    bool
        Whether all that was begun had been ended in time.
    """
    config = uvicorn.Config(
        create_app(service),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody asks from where a request came
        timeout_graceful_shutdown=service.settings.grace,
    )
    server = _Server(config, ready)
    try:
        with _signals_end_no_process():
            server.run(sockets=[there])
    finally:
        service.close()
    return server.in_time


class _Server(uvicorn.Server):
    """Uvicorn's, which tells when it answers, and ends without failing whoever has come."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self.in_time = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in any more, hear those who are in, and end.

        Uvicorn's own would close connections whose request is on its way.
        """
        come = _in_queue(sockets or ())
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        protocol: Any = self.config.http_protocol_class
        heard = partial(
            protocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        for connection in come:
            with suppress(OSError):  # it is gone by now
                await loop.connect_accepted_socket(heard, connection)
        # Answers from now on, also those that were begun, tell that the connection ends.
        self.server_state.default_headers.append((b"connection", b"close"))
        await asyncio.sleep(_LAST_CALL)
        begun = loop.time()
        await super().shutdown(sockets)
        grace = self.config.timeout_graceful_shutdown or 0
        self.in_time = not self.force_exit and loop.time() - begun < grace


def _in_queue(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """Accept who waits to be let in: whoever is left when the socket is closed is cut off."""
    found = []
    with suppress(OSError):
        for there in sockets:
            with suppress(BlockingIOError):
                while True:
                    found.append(there.accept()[0])
                    found[-1].setblocking(False)
    return found


@contextmanager
def _signals_end_no_process() -> Iterator[None]:
    """Let a signal do no more than what it did already: to end the service, gracefully.

    Uvicorn raises it again at its end.
    """
    told = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in told}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
