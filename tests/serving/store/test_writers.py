"""Several processes write at once, and some are killed."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from churnml.serving.store.database import Database
from churnml.serving.store.store import Store

WRITER = Path(__file__).with_name("writer.py")
KILLS = 24
AT_ONCE = 3


def writer(database: Database, account: str, pairs: int) -> subprocess.Popen[str]:
    url = database.url.render_as_string(hide_password=False)
    command = [sys.executable, str(WRITER), url, account, str(pairs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kept(store: Store, account: str) -> list[int]:
    found = store.scores.history("r", account, 1_000_000)
    return [told.document["n"] for told in reversed(found)]


def test_writers_of_several_processes_lose_nothing(database: Database, store: Store) -> None:
    writers = {name: writer(database, name, 40) for name in ("a", "b", "c", "d")}

    for process in writers.values():
        assert process.communicate()[0].split() == [str(number) for number in range(40)]
        assert process.returncode == 0

    for name in writers:
        assert kept(store, name) == [number for number in range(40) for _ in range(2)]


@pytest.mark.slow
def test_nothing_that_was_acknowledged_is_lost_by_a_kill(database: Database, store: Store) -> None:
    rng = random.Random(7)
    for first in range(0, KILLS, AT_ONCE):
        accounts = [f"a{number}" for number in range(first, first + AT_ONCE)]
        writers = {name: writer(database, name, 10**9) for name in accounts}
        acknowledged = {}
        for name, process in writers.items():
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(rng.randint(1, 12))]
            process.kill()  # in whatever it is doing: it never waits
            lines += process.stdout.read().splitlines(keepends=True)
            process.wait()
            process.stdout.close()
            acknowledged[name] = sum(line.endswith("\n") for line in lines)

        for name, number in acknowledged.items():
            found = Counter(kept(store, name))
            # One more may be kept that it had no time to tell of; a half pair never.
            assert set(found.values()) == {2}
            assert list(found) == list(range(len(found)))
            assert number <= len(found) <= number + 1

    if database.path is not None:
        with closing(sqlite3.connect(database.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
