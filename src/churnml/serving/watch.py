"""The watch: it looks every second, or when told to, for a new bundle or new history."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from churnml.serving.service import Service


async def watch(service: Service) -> None:
    """Look for new bundles, new history and drift until cancelled.

    SIGHUP has the bundle read again at once, also where nothing seems to have changed.
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Some systems have no such signal, and only the main thread hears any.
    with suppress(NotImplementedError, RuntimeError, ValueError, AttributeError):
        loop.add_signal_handler(signal.SIGHUP, told.set)
    while True:
        again = told.is_set()
        told.clear()
        try:
            await asyncio.to_thread(_look, service, again)
        except Exception:  # a fault of the watch must not end it
            service.log.exception("watch")
        try:
            async with asyncio.timeout(service.settings.watch_seconds):
                await told.wait()
        except TimeoutError:
            continue


def _look(service: Service, again: bool) -> None:
    service.bundles.look(again=again)
    if service.histories is not None:
        service.histories.look()
    service.look_for_drift()
