from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from churnml.serving.spool import Spool


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def lines(*chunks: bytes, limit: int = 100) -> list[bytes | None]:
    async def read() -> list[bytes | None]:
        async with Spool(stream(*chunks), 1.0, limit) as spool:
            return [line async for line in spool.lines()]

    return asyncio.run(read())


def test_lines_are_put_together_from_any_parts() -> None:
    assert lines(b"a\nb", b"", b"c\n\nd") == [b"a", b"bc", b"", b"d"]
    assert lines(b"a\n") == [b"a"]
    assert lines() == []


def test_a_line_that_is_too_long_is_given_as_none() -> None:
    assert lines(b"abc\nabcd\nab", limit=3) == [b"abc", None, b"ab"]
    assert lines(*[b"x"] * 9, b"\nab\n", limit=3) == [None, b"ab"]
    assert lines(*[b"x"] * 9, limit=3) == [None]


def test_all_is_taken_in_though_nothing_is_read() -> None:
    async def many(taken: asyncio.Event) -> AsyncIterator[bytes]:
        for _ in range(300):  # more than is kept in memory
            yield b"x" * 100_000
        taken.set()

    async def read() -> int:
        taken = asyncio.Event()
        async with Spool(many(taken), 1.0, 10) as spool:
            await taken.wait()
            return len([line async for line in spool.lines()])

    assert asyncio.run(read()) == 1


def test_a_stream_that_says_nothing_is_given_up() -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield b"a\n"
        await asyncio.sleep(60)

    async def read() -> None:
        async with Spool(silent(), 0.01, 10) as spool:
            lines = spool.lines()
            assert await anext(lines) == b"a"
            with pytest.raises(TimeoutError):
                await anext(lines)

    asyncio.run(read())
