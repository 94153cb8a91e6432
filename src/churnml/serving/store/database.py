"""The database that a store lies in: SQLite, durable and shared by processes, or PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from churnml import urls
from churnml.errors import StoreError, cause
from churnml.serving.store.schema import HEAD, REVISIONS, VERSIONS

_ASK_AGAIN = 0.02  # seconds
BUSY_SECONDS = 30.0  # that a writer waits for others, in other processes too
_WRITES = "churnml_writes"
_DAMAGED = (
    " Move that file and those beside it, -wal and -shm, away; `churnml store restore FILE` brings "
    "back what a backup has."
)
_REACH_SECONDS = 10  # for a server that does not answer


class Database:
    """Connections to a store, whatever its schema is.

    Parameters
    ----------
    url : str or sqlalchemy.URL
        ``sqlite:///…`` or ``postgresql+psycopg://…``.

    Raises
    ------
    ConfigError
        If the URL is malformed.
    StoreError
        If it leads to no database that a store can lie in, or its driver is missing.
    """

    def __init__(self, url: str | sa.URL) -> None:
        self.url = urls.parse_url(url, "the store") if isinstance(url, str) else url
        self.label = urls.label(self.url)
        self.path = self._path()
        self.engine = self._engine()
        # What SQLite does in any transaction, PostgreSQL does when it is asked to.
        self._at_one_instant = (
            {} if self.path is not None else {"isolation_level": "REPEATABLE READ"}
        )
        self._own = threading.local()
        # Threads of one process take turns here, where waiting is fair, and not by polling a file.
        self._turn = threading.Lock() if self.path is not None else nullcontext()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection that sees the store as it is at one instant.

        Raises
        ------
        StoreError
            In place of whatever the database refuses.
        """
        self.must_be_there()
        with self._told(), self.engine.connect() as connected:
            connection = connected.execution_options(**self._at_one_instant)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give a connection whose changes are on disk when this ends, all or none.

        Raises
        ------
        StoreError
            In place of whatever the database refuses.
        """
        with self._told(), self._turn, self.engine.connect() as connected:
            connection = connected.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def at_hand(self, sql: str, values: tuple[str, ...]) -> list[tuple[Any, ...]] | None:
        """Read a little of a file at once, waiting for nobody; None where that cannot be.

        In SQLite a reader waits for no writer, and what was read lately lies in memory: handing
        the work to a thread takes longer. This is for where nothing may wait, and says nothing of
        what went wrong: `reading` does.

        Parameters
        ----------
        sql : str
            What to ask, in SQLite's words.
        values : tuple of str
            Bound to it.
        """
        if self.path is None:
            return None
        try:
            found = self.path.stat()
            here = found.st_dev, found.st_ino
            if getattr(self._own, "here", None) != here:  # not open yet, or another file by now
                self._let_go()
                self._own.reader, self._own.here = _reader(self.path), here
            return list(self._own.reader.execute(sql, values))
        except (OSError, sqlite3.Error):
            return None

    def revision(self) -> str | None:
        """Tell which schema the store has; None where there is none yet.

        Raises
        ------
        StoreError
            If the database cannot be reached or read.
        """
        if self.path is not None and not self.path.is_file():
            return None
        with self.reading() as connection:
            return revision_of(connection)

    def check_known(self, revision: str | None) -> None:
        """Refuse a schema that this version of churnml knows nothing of.

        Raises
        ------
        StoreError
            If it is one of a newer version.
        """
        if revision is not None and revision not in REVISIONS:
            raise StoreError(
                f"{self.label}: its schema {revision!r} is unknown to this version of churnml, "
                f"which has {HEAD}: a newer one made it. Install that one. Nothing was changed."
            )

    def must_be_there(self) -> None:
        """Refuse a file that is not there, which SQLite would make.

        Raises
        ------
        StoreError
            If it is not there.
        """
        if self.path is not None and not self.path.is_file():
            raise StoreError(
                f"{self.label}: there is no store here yet. `churnml store upgrade` makes one."
            )

    def close(self) -> None:
        """Let go of all connections; of those of `at_hand`, of this thread's."""
        self.engine.dispose()
        self._let_go()

    def _let_go(self) -> None:
        own = vars(self._own)
        if "reader" in own:
            own["reader"].close()
        own.clear()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            said = urls.without_secrets(cause(error), self.url)
            damaged = _code(error) in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
            raise StoreError(f"{self.label}: {said}.{_DAMAGED if damaged else ''}") from None

    def _path(self) -> Path | None:
        if self.url.get_backend_name() != "sqlite":
            return None
        if self.url.database in {None, "", ":memory:"} or self.url.query:
            raise StoreError(
                f"{self.label}: a store is kept; expected a file and no options, such as "
                "sqlite:///var/service.db."
            )
        return Path(str(self.url.database))

    def _engine(self) -> sa.Engine:
        backend = self.url.get_backend_name()
        try:
            if self.path is not None:
                engine = sa.create_engine(self.url, connect_args={"timeout": BUSY_SECONDS})
                sa.event.listen(engine, "connect", _prepare)
                sa.event.listen(engine, "begin", _begin)
                return engine
            if backend == "postgresql":
                reach = {"connect_timeout": _REACH_SECONDS, **self.url.query}
                return sa.create_engine(self.url, connect_args=reach, pool_pre_ping=True)
        except (sa.exc.ArgumentError, ImportError) as error:
            said = urls.without_secrets(cause(error), self.url)
            raise StoreError(
                f"{self.label}: {said}. Install its driver: pip install 'churnml[postgresql]'."
            ) from None
        raise StoreError(
            f"{self.label}: a store lies in SQLite or PostgreSQL, not in {backend!r}; expected "
            "such as sqlite:///var/service.db or postgresql+psycopg://user@host/churnml."
        )


def _code(error: Exception) -> int | None:
    return getattr(getattr(error, "orig", error), "sqlite_errorcode", None)


def revision_of(connection: sa.Connection) -> str | None:
    """Tell which schema the store has; None where there is none yet."""
    if not sa.inspect(connection).has_table(VERSIONS):
        return None
    found: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {VERSIONS}"))
    return found


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    """Make a connection durable: a commit that was acknowledged outlives a loss of power.

    Python's own transactions, which begin late and leave out the schema, are switched off.
    """
    connection.isolation_level = None
    _keep_log(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _reader(path: Path) -> sqlite3.Connection:
    """Open a file that is there to read it; whatever is locked is refused at once."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


def _keep_log(connection: sqlite3.Connection) -> None:
    """Let writers not wait for readers: changes go to a log beside the file (WAL).

    Of two processes that turn a new file to it at once, SQLite refuses one without waiting.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_ASK_AGAIN)
        else:
            return


def _begin(connection: sa.Connection) -> None:
    """Begin a transaction; one that will write takes its turn now, and waits for it.

    One that only turned writer later would be refused at once where another wrote in between.
    """
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
