"""Turns: one process at a time where two would get in each other's way.

SQLite holds the lock, on every platform; the operating system takes it back when its holder dies.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from churnml.errors import ConfigError

_ASK_AGAIN = 0.2  # seconds; short, since nothing interrupts the wait


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock, after whoever holds it now.

    Parameters
    ----------
    path : Path
        The file that stands for it, made where it is missing; it holds nothing and stays.
    waiting : callable, optional
        Called once if another process holds the lock.

    Raises
    ------
    ConfigError
        If the file cannot be made or locked.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_ASK_AGAIN, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise _refused(path, error) from error
    try:
        _acquire(connection, path, waiting)
        yield
    finally:
        connection.close()


def _acquire(
    connection: sqlite3.Connection, path: Path, waiting: Callable[[], None] | None
) -> None:
    told = False
    while True:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise _refused(path, error) from error
        else:
            return
        if waiting is not None and not told:
            waiting()
            told = True


def _refused(path: Path, error: Exception) -> ConfigError:
    return ConfigError(
        f"{path.parent}: cannot be written: {error}. Everything generated goes there: grant "
        "access, or name another folder as `var` under [tool.churnml.folders]."
    )
