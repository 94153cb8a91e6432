"""The store, opened once by a process that serves or writes."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from churnml.errors import StoreError
from churnml.serving.store.audit import Audit
from churnml.serving.store.database import Database
from churnml.serving.store.events import Events
from churnml.serving.store.keys import Keys
from churnml.serving.store.schema import HEAD
from churnml.serving.store.scores import Scores
from churnml.serving.store.standings import Standings

if TYPE_CHECKING:
    import sqlalchemy as sa


class Store:
    """What is kept of one service. Threads may share it; a forked process opens its own.

    Parameters
    ----------
    database : Database
        Whose schema is the one that this version of churnml reads and writes; `open` checks it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.keys = Keys(database)
        self.scores = Scores(database)
        self.standings = Standings(database)
        self.audit = Audit(database)
        self.events = Events(database)

    @classmethod
    def open(cls, url: str | sa.URL) -> Store:
        """Open the store that a URL leads to.

        Parameters
        ----------
        url : str or sqlalchemy.URL
            ``sqlite:///…`` or ``postgresql+psycopg://…``.

        Raises
        ------
        ConfigError
            If the URL is malformed.
        StoreError
            If there is no store, it cannot be reached, or it has another schema.
        """
        database = Database(url)
        try:
            check_revision(database, database.revision())
        except StoreError:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Let go of all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def check_revision(database: Database, revision: str | None) -> None:
    """Refuse a schema that is not the one this version of churnml reads and writes.

    Raises
    ------
    StoreError
        Saying which it is, and what to do.
    """
    database.check_known(revision)
    if revision == HEAD:
        return
    if revision is None:
        raise StoreError(
            f"{database.label}: there is no store here yet. `churnml store upgrade` makes one."
        )
    raise StoreError(
        f"{database.label}: its schema is {revision}, expected {HEAD}. `churnml store upgrade` "
        "brings it there, and `churnml store backup FILE` keeps it as it is beforehand."
    )
