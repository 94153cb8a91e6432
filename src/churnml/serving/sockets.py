"""The socket that the service listens at."""

from __future__ import annotations

import socket

from churnml.errors import ConfigError

_BACKLOG = 2048


def bound(host: str, port: int) -> socket.socket:
    """Take a place to listen at.

    Parameters
    ----------
    host, port : str and int
        Where; 0 for any port that is free.

    Raises
    ------
    ConfigError
        If nothing can listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port}: nothing can listen there: {error.strerror or error}. Name another "
            "place with --host or --port; 0 is any port that is free."
        ) from error


def url_of(there: socket.socket) -> str:
    """Tell by which URL whoever listens is reached."""
    host, port = there.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
