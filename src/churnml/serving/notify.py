"""Notices to a service manager, such as systemd, that waits for them.

References
----------
sd_notify(3): a datagram to the socket that the environment names.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

_SOCKET = "NOTIFY_SOCKET"


def notify(state: str) -> None:
    """Tell the manager of this process, if it has one that wants to know; it need not listen.

    Parameters
    ----------
    state : str
        Such as ``READY=1``.
    """
    address = os.environ.get(_SOCKET, "")
    if address[:1] not in {"/", "@"} or not hasattr(socket, "AF_UNIX"):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)
