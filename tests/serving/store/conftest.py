"""An empty database of each kind; PostgreSQL's where its programs are there."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from churnml.serving.store.database import Database
from churnml.serving.store.revisions import upgrade
from churnml.serving.store.store import Store

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Start a PostgreSQL server that listens on a socket of its own; give the folder of that."""
    programs = [shutil.which(name) for name in ("initdb", "pg_ctl", "postgres")]
    if None in programs:
        pytest.skip("PostgreSQL's programs (initdb, pg_ctl) are not on the PATH")
    # A socket's path must be short, and PostgreSQL refuses to run as root.
    home = Path(tempfile.mkdtemp(prefix="pg"))
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(home, "nobody")
        as_user = {"user": "nobody", "group": "nogroup"}

    def call(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, cwd=home, **as_user)

    data = str(home / "data")
    call("initdb", "-D", data, "-U", "churnml", "-A", "trust", "-E", "UTF8", "--no-sync")
    # Its clients are killed, never its machine.
    options = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off"
    call("pg_ctl", "-D", data, "-w", "-l", str(home / "log"), "-o", options, "start")
    try:
        yield str(home)
    finally:
        call("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(home)


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Give a function that names another place for a store, by the kind of database."""

    def place(kind: str) -> str:
        name = f"store{next(_NUMBERS)}"
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / 'var' / name}.db"
        import psycopg

        host = request.getfixturevalue("server")
        with psycopg.connect(
            host=host, user="churnml", dbname="postgres", autocommit=True
        ) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://churnml@/{name}?host={host}"

    return place


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    """Give where a store may be made."""
    return new_url(request.param)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Give a database with an empty store."""
    made = Database(url)
    upgrade(made)
    yield made
    made.close()


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """Give an empty store."""
    with Store.open(database.url) as opened:
        yield opened
