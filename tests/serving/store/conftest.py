"""An empty database of each kind; PostgreSQL's where its programs are there."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
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
    options = f"-c listen_addresses= -c unix_socket_directories={home} -c max_connections=50"
    call("pg_ctl", "-D", data, "-w", "-l", str(home / "log"), "-o", options, "start")
    try:
        yield str(home)
    finally:
        call("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(home)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'var' / 'service.db'}"


@pytest.fixture
def postgresql_url(server: str) -> str:
    import psycopg

    name = f"store{next(_NUMBERS)}"
    with psycopg.connect(host=server, user="churnml", dbname="postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql+psycopg://churnml@/{name}?host={server}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Give where a store may be made."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


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
