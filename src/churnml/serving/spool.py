"""A spool: what comes in while answers go out, so that neither waits for the other.

Many clients send all of a body before they read any of the answer. Were no more read while they do
not read, both ends would wait for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from typing import Self

_IN_MEMORY = 16 * 2**20  # bytes; the rest goes to the system's folder for temporary files
_AT_ONCE = 2**18


class Spool:
    """Takes in all of a stream at its own pace, and gives its lines at that of the reader.

    Parameters
    ----------
    chunks : async iterator of bytes
        The stream.
    pause : float
        Seconds after which a stream that says nothing is given up.
    line_limit : int
        Bytes of a line; longer ones are given as None.
    """

    def __init__(self, chunks: AsyncIterator[bytes], pause: float, line_limit: int) -> None:
        self._chunks = chunks
        self._pause = pause
        self._limit = line_limit
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - see aclose
        self._written = self._read = 0
        self._more = asyncio.Event()
        self._ended = False
        self._failed: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to take in."""
        self._task = asyncio.create_task(self._take_in())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of all of it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._file.close()

    async def _take_in(self) -> None:
        try:
            while True:
                async with asyncio.timeout(self._pause):
                    chunk = await anext(self._chunks, None)
                if chunk is None:
                    break
                self._file.seek(self._written)
                self._file.write(chunk)
                self._written += len(chunk)
                self._more.set()
        except Exception as error:  # noqa: BLE001 - it is raised where lines are read
            self._failed = error
        finally:
            self._ended = True
            self._more.set()

    async def lines(self) -> AsyncIterator[bytes | None]:
        """Give line by line, without its end; blank ones too.

        Raises
        ------
        TimeoutError
            If the stream said nothing for too long.
        """
        rest, skipping = b"", False
        while part := await self._next():
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                yield None if skipping or len(line) > self._limit else line
                skipping = False
            if len(rest) > self._limit:
                rest, skipping = b"", True
        if skipping:
            yield None
        elif rest:
            yield rest

    async def _next(self) -> bytes:
        while self._read == self._written:
            if self._failed is not None:
                raise self._failed
            if self._ended:
                return b""
            self._more.clear()
            await self._more.wait()
        self._file.seek(self._read)
        part = self._file.read(_AT_ONCE)
        self._read += len(part)
        return part
