"""Notices to a service manager."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import pytest

from churnml.serving.notify import notify


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_is_told(monkeypatch: pytest.MonkeyPatch, *, abstract: bool) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="notify") as folder,  # a socket's path must be short
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        name = str(Path(folder) / "socket")
        manager.bind(f"\0{name}" if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
        manager.settimeout(10)
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("place", ["", "nowhere", "/nowhere/at/all", "@nobody-listens-here"])
def test_nobody_need_listen(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    notify("READY=1")
