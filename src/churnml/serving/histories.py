"""The history that answers come from: opened once, and again when it was replaced or corrected."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from churnml.errors import ChurnMLError
from churnml.history.asof import History
from churnml.history.freshness import stale
from churnml.history.manifest import MANIFEST
from churnml.locks import locked
from churnml.serving.bundles import Signature, stamp
from churnml.text.corrections import FILE as CORRECTIONS
from churnml.training.tables import open_history, readings

if TYPE_CHECKING:
    from churnml.project import Project


class Histories:
    """The history that answers come from; what began with one ends with it.

    Parameters
    ----------
    project : Project
        Whose history. Sources that changed are read before the start, and never after: that is
        what ``churnml check`` is for.
    opened : callable
        Told of each history that takes over.
    refused : callable
        Told of one that cannot be read, and why; the old one goes on.

    Raises
    ------
    ChurnMLError
        If there is none to begin with.
    """

    def __init__(
        self,
        project: Project,
        *,
        opened: Callable[[History], None],
        refused: Callable[[ChurnMLError], None],
    ) -> None:
        self._project = project
        self._opened, self._refused = opened, refused
        self._alone = threading.Lock()
        self._seen = self._stamp()
        self.now = open_history(project, _silent)
        self.stale = _stale(self.now)
        opened(self.now)

    def look(self) -> None:
        """Take over what was read since, if anything was."""
        with self._alone:
            found = self._stamp()
            if found == self._seen:
                return
            self._seen = found
            try:
                with locked(self._project.var / ".history.lock"):
                    clean = History.open(self._project.history)
                    history = readings(self._project).joined(clean, _silent)
                stale_tables = _stale(history)
            except ChurnMLError as error:
                self._refused(error)
                return
            self.now, self.stale = history, stale_tables
            self._opened(history)

    def _stamp(self) -> Signature:
        """Tell what history is made of: what was read, and what people corrected."""
        files = self._project.history / MANIFEST, self._project.data / CORRECTIONS
        return tuple(map(stamp, files))


def _stale(history: History) -> tuple[str, ...]:
    """Name the tables that had gone quiet before observation ended."""
    return tuple(item.table for item in stale(history, history.contracts, history.observed_until))


def _silent(_step: str, _share: float) -> None:
    """Tell nobody."""
