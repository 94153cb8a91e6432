"""The service on a socket, until it is told to stop."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn

from churnml.errors import ConfigError
from churnml.serving.app import create_app

if TYPE_CHECKING:
    from churnml.serving.service import Service

_GRACE = 20  # seconds in which what was begun is ended
_BACKLOG = 2048


def listen(service: Service, host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT; what was begun by then is ended first.

    Parameters
    ----------
    service : Service
        What answers.
    host, port : str and int
        Where; 0 for any port that is free.

    Raises
    ------
    ConfigError
        If nothing can listen there.
    """
    with _bound(host, port) as there:
        shown = f"[{host}]" if ":" in host else host
        service.log.info("listening", url=f"http://{shown}:{there.getsockname()[1]}")
        config = uvicorn.Config(
            create_app(service),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
        try:
            uvicorn.Server(config).run(sockets=[there])
        finally:
            service.close()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port}: nothing can listen there: {error.strerror or error}. Name another "
            "place with --host or --port; 0 is any port that is free."
        ) from error
