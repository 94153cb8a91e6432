from __future__ import annotations

import datetime as dt
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen
from typing import cast

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from churnml.errors import ConfigError, StoreError
from churnml.serving import keys
from churnml.serving.keys import Scope
from churnml.serving.store import revisions, store
from churnml.serving.store.backups import count
from churnml.serving.store.database import Database, _keep_log
from churnml.serving.store.events import EventRecord
from churnml.serving.store.revisions import Moved, bring, downgrade, upgrade
from churnml.serving.store.schema import HEAD, METADATA, REVISIONS, VERSIONS
from churnml.serving.store.scores import ScoreRecord
from churnml.serving.store.standings import Sought
from churnml.serving.store.store import Store

AT = dt.datetime(2026, 3, 1, 12)
KEY = keys.make("crm", [Scope.SCORE], AT).stored
TOLD = ScoreRecord("a", "r", "b", AT, AT, {"p": 0.5})
FULL = {"audit": 1, "events": 1, "keys": 1, "scores": 1, "standings": 0}
POSTED = EventRecord("crm", "1", "usage", "a", {"event": "login"}, AT, AT)


@pytest.fixture
def filled(database: Database) -> Database:
    with Store.open(database.url) as opened:
        opened.keys.add(KEY)
        opened.scores.add([TOLD])
        opened.audit.add(AT, None, "keys.create", KEY.id)
        opened.events.add([POSTED])
    return database


def score(account: str, at: dt.datetime, probability: float) -> ScoreRecord:
    told = {
        "probability": probability, "interval": {"low": 0.0, "high": 1.0}, "risk_tier": "low",
        "account_tier": "vip", "arr": 2e5, "arr_at_risk": 2e5 * probability,
    }  # fmt: skip
    return ScoreRecord(account, "r", "b", AT, at, told)


def rows(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        return count(connection)


def test_the_revisions_are_those_that_are_named() -> None:
    scripts = ScriptDirectory.from_config(revisions._config())

    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS
    assert all(isinstance(script.module.LOSES, tuple) for script in scripts.walk_revisions())


def test_migrations_lead_to_the_tables_that_are_read(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSIONS})

        assert compare_metadata(context, METADATA) == []


def test_a_store_is_made_once(url: str) -> None:
    database = Database(url)

    assert upgrade(database) == Moved(None, HEAD, {})
    assert upgrade(database) == Moved(HEAD, HEAD, {})
    database.close()


def test_data_goes_up_with_the_schema(url: str) -> None:
    database = Database(url)
    revisions._make_file(database)
    with database.writing() as connection:
        bring(connection, "0001")
        connection.execute(
            sa.text(
                "INSERT INTO keys (id, name, digest, scopes, created_at) VALUES "
                "('k', 'crm', :digest, 'act score', '2026-03-01 12:00:00')"
            ),
            {"digest": b"\x00\xff"},
        )

    with pytest.raises(
        StoreError, match=rf"schema is 0001, expected {HEAD}\. `churnml store upgrade`"
    ):
        Store.open(url)
    assert upgrade(database) == Moved("0001", HEAD, {})

    with Store.open(url) as opened:
        (key,) = opened.keys.all()
        opened.scores.add([TOLD])
    assert (key.digest, key.created_at) == (b"\x00\xff", AT)
    assert key.scopes == {Scope.ACT, Scope.SCORE}
    database.close()


def test_what_would_be_lost_is_told_and_kept(filled: Database) -> None:
    with pytest.raises(StoreError, match=r"has no place for rows that are there: 1 of events\."):
        downgrade(filled, "0003")
    with pytest.raises(StoreError, match=r"1 of events, 1 of audit, 1 of scores, 1 of keys\. Noth"):
        downgrade(filled, "base")

    assert rows(filled) == FULL


def test_what_has_a_place_stays_on_the_way_down_and_up(filled: Database) -> None:
    assert downgrade(filled, "0002", lose=True) == Moved(HEAD, "0002", {"events": 1, "audit": 1})
    assert rows(filled) == {"keys": 1, "scores": 1}
    assert upgrade(filled) == Moved("0002", HEAD, {})

    with Store.open(filled.url) as opened:
        assert opened.keys.all() == [KEY]
        assert opened.scores.latest("r", "a") == TOLD
    assert rows(filled) == {**FULL, "audit": 0, "events": 0}


def test_standings_are_made_of_the_ledger_and_go_with_nothing_lost(database: Database) -> None:
    later = AT + dt.timedelta(seconds=1)
    odd = ScoreRecord("a\u0000", "r", "b", None, later, {"p": "\ud800\u0000"})
    given = [
        score("a", later, 0.25), score("a", AT, 0.5), score("b", AT, 0.5), score("b", AT, 0.75),
        *(score(f"c{n:04}", AT, 0.125) for n in range(1200)),
    ]  # fmt: skip
    if database.path is not None:  # PostgreSQL keeps no such id
        given.append(odd)
    with Store.open(database.url) as opened:
        opened.scores.add(given)
        written = opened.standings.page(Sought("r"), 9999)

    assert downgrade(database, "0003") == Moved(HEAD, "0003", {})
    assert upgrade(database) == Moved("0003", HEAD, {})

    with Store.open(database.url) as opened:
        made = opened.standings.page(Sought("r"), 9999)
        assert made == written
        assert [(item.account_id, item.score_id, item.probability) for item in made[:2]] == [
            ("b", 4, 0.75), ("a", 1, 0.25),
        ]  # fmt: skip
        assert len(made) == 1202
        opened.scores.add([score("a", later, 0.0)])
        found = opened.standings.of("r", "a")
    assert found is not None
    assert (found[0].probability, found[1]) == (0.0, 3)


def test_an_empty_table_may_go_unasked_and_all_may_go_when_asked(filled: Database) -> None:
    downgrade(filled, "0001", lose=True)

    assert downgrade(filled, "base", lose=True) == Moved("0001", None, {"keys": 1})
    with pytest.raises(StoreError, match="there is no store here yet"):
        Store.open(filled.url)
    assert upgrade(filled) == Moved(None, HEAD, {})
    assert downgrade(filled) == Moved(HEAD, REVISIONS[-2], {})
    upgrade(filled)
    with Store.open(filled.url) as opened:
        assert opened.keys.all() == []


def test_a_revision_that_is_not_below_is_refused(filled: Database) -> None:
    with pytest.raises(
        ConfigError, match=rf"revision '{HEAD}': not before {HEAD}, which the store has"
    ):
        downgrade(filled, HEAD)
    with pytest.raises(ConfigError, match=r"Did you mean 'base'\?"):
        downgrade(filled, "bas")
    downgrade(filled, "base", lose=True)
    with pytest.raises(ConfigError, match="there is no schema to downgrade"):
        downgrade(filled)


def test_a_newer_schema_is_left_alone(filled: Database) -> None:
    with filled.writing() as connection:
        connection.execute(sa.text(f"UPDATE {VERSIONS} SET version_num = '0999'"))

    for change in (upgrade, downgrade, lambda found: Store.open(found.url)):
        with pytest.raises(StoreError, match=r"its schema '0999' is unknown to this version"):
            change(filled)

    assert rows(filled) == FULL


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    downgrade(filled, "0001", lose=True)
    with filled.writing() as connection:
        connection.execute(sa.text("CREATE TABLE audit (x INTEGER)"))

    with pytest.raises(StoreError, match="already exists"):
        upgrade(filled)

    assert filled.revision() == "0001"
    with filled.reading() as connection:
        assert not sa.inspect(connection).has_table("scores")


def test_processes_that_make_one_store_at_once_make_one(url: str) -> None:
    code = (
        "import sys; from churnml.serving.store.database import Database\n"
        "from churnml.serving.store.revisions import upgrade\n"
        "database = Database(sys.argv[1]); print('ready', flush=True); sys.stdin.readline()\n"
        "print(upgrade(database).before)"
    )
    started = [
        Popen([sys.executable, "-c", code, url], stdin=PIPE, stdout=PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    told = [process.communicate()[0].strip() for process in started]
    assert sorted(told) == [HEAD, HEAD, "None"]


def test_a_file_that_another_process_is_turning_to_its_log_is_asked_again() -> None:
    asked: list[str] = []

    class Turning:
        def execute(self, statement: str) -> None:
            asked.append(statement)
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY if len(asked) < 3 else sqlite3.SQLITE_FULL
            raise error

    with pytest.raises(sqlite3.OperationalError):
        _keep_log(cast(sqlite3.Connection, Turning()))

    assert asked == ["PRAGMA journal_mode = WAL"] * 3


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "a store is kept; expected a file and no options"),
        ("sqlite:///:memory:", "a store is kept"),
        ("sqlite:///s.db?mode=ro", "expected a file and no options"),
        ("mysql://h/d", r"lies in SQLite or PostgreSQL, not in 'mysql'"),
        ("postgresql+nosuch://h/d", r"postgresql\+nosuch://h/d: .*Install its driver"),
    ],
)
def test_where_no_store_can_lie_is_told(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Database(url)


def test_a_password_is_never_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the store: not a database URL") as refused:
        Database("no url with s3cret")
    assert "s3cret" not in str(refused.value)

    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match=r"me:\*\*\*@/d: ") as refused_by:
        Store.open(f"postgresql+psycopg://me:s3cret@/d?host={tmp_path}&sslpassword=s3cret")
    assert "s3cret" not in str(refused_by.value)


def test_a_sqlite_store_is_durable_and_its_owners_alone(new_url: Callable[[str], str]) -> None:
    database = Database(new_url("sqlite"))
    upgrade(database)

    with database.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }

    assert found == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000,
    }  # fmt: skip
    assert database.path is not None
    assert database.path.stat().st_mode & 0o777 == 0o600
    database.close()


def test_a_closed_store_is_that_of_its_database(database: Database) -> None:
    store.check_revision(database, database.revision())
    with pytest.raises(StoreError, match="there is no store here yet"):
        store.check_revision(database, None)
