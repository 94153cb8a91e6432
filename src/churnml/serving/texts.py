"""Texts that are sent to be read: by the project's reader, loaded once, in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from churnml.text import vocabulary
from churnml.text.reading import Reader, Reading, read_reader

if TYPE_CHECKING:
    from churnml.project import Project


class Texts:
    """Reads texts.

    Parameters
    ----------
    project : Project
        Whose ``data/text.toml`` says by which words and models. It is read with the first text, so
        that a service which is never asked does without.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        # One after another: the reader's parts are not made for several at once.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="texts")

    async def read(self, texts: Sequence[str]) -> dict[str, Any]:
        """Read texts.

        Parameters
        ----------
        texts : sequence of str
            As they were received.

        Returns
        -------
        dict
            Version of the reader and a reading a text, in values that JSON knows.

        Raises
        ------
        ConfigError, BundleError
            If the project's words or models are at fault.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._readings, texts)

    def _readings(self, texts: Sequence[str]) -> dict[str, Any]:
        found = [_document(reading) for reading in self._reader.read(texts)]
        return {"version": self._reader.version, "readings": found}

    @cached_property
    def _reader(self) -> Reader:
        return read_reader(self._project.data / vocabulary.FILE)

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _document(reading: Reading) -> dict[str, Any]:
    shown = None if reading.tone is None else asdict(reading.tone.span)
    return {**reading.document(), "shown_by": shown}
